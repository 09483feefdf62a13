"""The threads that run the user's handlers, apart from the event loop, which must always answer.

The first worker is the main thread: the model is loaded and used in one and the same thread, and code that insists on
the main thread (signal handlers, some native libraries) works as it does in AWS's containers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from sagesmith.modelserver.errors import Overloaded
from sagesmith.modelserver.streams import PieceStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagesmith.http.messages import Headers
    from sagesmith.modelserver.answers import Answer
    from sagesmith.modelserver.errors import InvocationError


NOT_RUNNING = float("inf")
"""`Invocation.started` of a handler that waits for its client."""


@dataclass(eq=False)
class Invocation:
    """One request on its way through a worker. `cancelled` is set when nobody waits for it any more."""

    body: bytes
    content_type: str
    accept: str
    headers: Headers
    future: asyncio.Future[Answer]
    answer: Answer | None = None
    cancelled: bool = False
    started: float = field(default=0.0)


class WorkerPool:
    """A bounded queue before the worker threads.

    `submit` and the properties belong to the event loop's thread, `run` to a worker's; `stop` to anyone.

    Args:
        loop: where answers are delivered.
        limit: invocations that wait or run; one more is refused.
        batch_limit: how many of the invocations that have arrived one call of `execute` takes. Nothing waits for more
            to arrive; what came in one turn of the loop is handed over together.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int, batch_limit: int = 1) -> None:
        self._loop = loop
        self._limit = limit
        self.batch_limit = batch_limit
        self._queue: SimpleQueue[Invocation | None] = SimpleQueue()
        self._done: deque[Invocation] = deque()
        self._delivering = False
        self._arrived: list[Invocation] = []
        self._running: dict[int, list[Invocation]] = {}
        self._pending = 0

    @property
    def pending(self) -> int:
        """Invocations that wait or run."""
        return self._pending

    def oldest_running(self) -> Invocation | None:
        """The invocation that has been running for the longest time."""
        return min((batch[0] for batch in list(self._running.values())), key=lambda one: one.started, default=None)

    @staticmethod
    def now() -> float:
        """The clock of `Invocation.started`, in seconds."""
        return time.monotonic()

    async def submit(self, invocation: Invocation) -> Answer:
        """Queue an invocation and wait for its answer.

        Raises:
            Overloaded: the queue is full.
        """
        if self._pending >= self._limit:
            raise Overloaded(f"The model server has {self._pending} invocations waiting; it takes no more.")
        self._pending += 1
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(invocation)
        try:
            return await invocation.future
        except asyncio.CancelledError:
            invocation.cancelled = True
            _abandon_stream(invocation)
            raise

    def begin(self, invocation: Invocation, answer: Answer) -> PieceStream:
        """Answer an invocation whose handler, this thread, has only begun to make its answer; where its pieces go."""
        stream = PieceStream(self._loop)
        invocation.answer = replace(answer, pieces=stream)
        self._loop.call_soon_threadsafe(self._settle, invocation)
        return stream

    def settle(self, batch: list[Invocation]) -> None:
        """Deliver the answers that a batch has so far."""
        for invocation in batch:
            if invocation.answer is not None:
                self._loop.call_soon_threadsafe(self._settle, invocation)

    def run(self, worker: int, execute: Callable[[list[Invocation]], None]) -> None:
        """Work until `stop`: the body of a worker thread.

        Args:
            execute: sets the `answer` of every invocation of a batch, and never raises.
        """
        while True:
            first = self._queue.get()
            if first is None:
                self._queue.put(None)
                return
            batch = [first]
            while len(batch) < self.batch_limit and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                batch.append(following)
            wanted = [one for one in batch if not one.cancelled]
            if wanted:
                wanted[0].started = self.now()
                self._running[worker] = wanted
                execute(wanted)
                self._running.pop(worker, None)
            self._done.extend(batch)
            # Set before the loop clears it: at worst the loop is woken for nothing, never not woken.
            if not self._delivering:
                self._delivering = True
                self._loop.call_soon_threadsafe(self._deliver)

    def stop(self) -> None:
        """Let every worker end after what it is doing."""
        self._queue.put(None)

    def abandon(self, error: InvocationError) -> None:
        """Answer what runs with `error` and what waits with 503: the process is about to start anew."""
        self._hand_over()
        for batch in list(self._running.values()):
            for one in batch:
                if not one.future.done():
                    one.future.set_exception(error)
        while True:
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return
            if waiting is not None and not waiting.future.done():
                waiting.future.set_exception(Overloaded("The model server starts anew."))

    def _hand_over(self) -> None:
        for invocation in self._arrived:
            self._queue.put(invocation)
        self._arrived.clear()

    def _deliver(self) -> None:
        self._delivering = False
        while self._done:
            invocation = self._done.popleft()
            self._pending -= 1
            self._settle(invocation)

    def _settle(self, invocation: Invocation) -> None:
        if invocation.cancelled:
            _abandon_stream(invocation)
        elif not invocation.future.done() and invocation.answer is not None:
            invocation.future.set_result(invocation.answer)


def _abandon_stream(invocation: Invocation) -> None:
    pieces = invocation.answer.pieces if invocation.answer is not None else None
    if isinstance(pieces, PieceStream):
        pieces.abandon()
