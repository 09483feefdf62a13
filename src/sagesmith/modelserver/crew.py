"""A few threads that serve many models: each turn of theirs is a batch of one model's."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Callable  # noqa: UP035

if TYPE_CHECKING:
    from sagesmith.modelserver.worker import Invocation, WorkerPool


class Crew:
    """Threads that take turns as they are offered, in their order. Thread safe.

    Args:
        threads: how many there are.
    """

    def __init__(self, threads: int) -> None:
        self._turns: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = threads

    def start(self) -> None:
        for number in range(self._threads):
            threading.Thread(target=self._run, name=f"worker-{number}", daemon=True).start()

    def offer(self, turn: Callable[[], None]) -> None:
        """Let a thread take a turn, which never raises."""
        self._turns.put(turn)

    def stop(self) -> None:
        """Let every thread end after what was offered so far."""
        for _ in range(self._threads):
            self._turns.put(None)

    def _run(self) -> None:
        while True:
            turn = self._turns.get()
            if turn is None:
                return
            turn()


class Shift:
    """Has a crew work through a pool's queue, batch by batch, so that no pool keeps a thread while others wait.

    Args:
        limit: how many threads work for the pool at once.
        execute: as `WorkerPool.run` takes it; may be replaced between two turns.
    """

    def __init__(self, crew: Crew, pool: WorkerPool, limit: int, execute: Callable[[list[Invocation]], None]) -> None:
        self.execute = execute
        self._crew = crew
        self._pool = pool
        self._limit = limit
        self._lock = threading.Lock()
        self._working = 0

    def wake(self) -> None:
        """Something waits in the pool."""
        with self._lock:
            if self._working >= self._limit:
                return
            self._working += 1
        self._crew.offer(self._turn)

    def _turn(self) -> None:
        if self._pool.turn(self.execute):
            self._crew.offer(self._turn)
            return
        with self._lock:
            self._working -= 1
        # What came after the look at the queue, and before this thread was taken off, woke nobody.
        if self._pool.waiting:
            self.wake()
