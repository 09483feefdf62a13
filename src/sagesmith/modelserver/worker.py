"""The threads that run the user's handlers, apart from the event loop, which must always answer.

The first worker is the main thread: the model is loaded and used in one and the same thread, and code that insists on
the main thread (signal handlers, some native libraries) works as it does in AWS's containers.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, Deque, Iterable, Protocol, Tuple, cast  # noqa: UP035

from sagesmith.modelserver.errors import Overloaded
from sagesmith.modelserver.rows import MAX_BODY_BYTES
from sagesmith.modelserver.streams import PieceStream

if TYPE_CHECKING:
    from sagesmith.http.messages import Headers
    from sagesmith.modelserver.answers import Answer
    from sagesmith.modelserver.desk import Desk
    from sagesmith.modelserver.errors import InvocationError


logger = logging.getLogger("sagesmith.modelserver")

_NOT_RUNNING = float("inf")
"""Since when a handler runs that waits for its client."""
_BETWEEN_DELIVERIES_SECONDS = 0.01
"""After so long the answers are delivered that a batch has so far. A worker that woke the loop for each of them would
lose the interpreter to it each time: that halves the throughput of small models."""


class Reply(Protocol):
    """Where an invocation's answer goes: an `asyncio.Future`, or what acts like one. Belongs to the loop's thread."""

    def done(self) -> bool:
        """Whether it has its answer."""
        ...

    def set_result(self, result: Answer, /) -> None:
        """Answer."""
        ...

    def set_exception(self, exception: InvocationError, /) -> None:
        """Say why there is no answer."""
        ...


@dataclass(eq=False)
class Invocation:
    """One request on its way through a worker.

    Attributes:
        future: where its answer goes.
        at_desk: it came to the worker's `desk`: its reply may be given by any thread.
        cancelled: nobody waits for it any more.
        rest: what is still to be done for it, by itself; None before a worker has seen it. It sets `answer`.
    """

    body: bytes
    content_type: str
    accept: str
    headers: Headers
    future: Reply
    answer: Answer | None = None
    at_desk: bool = False
    cancelled: bool = False
    rest: Callable[[], None] | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it is no part of a batch."""
        return self.rest is not None or len(self.body) > MAX_BODY_BYTES


Left = Tuple[Invocation, Callable[[], None]]  # noqa: UP006
"""An invocation of a batch that is to be answered by itself, and its `Invocation.rest`."""


class WorkerPool:
    """A bounded queue before the worker threads.

    `submit`, `queue`, `cancel`, `pending`, `running_since`, `deliver` and `abandon` belong to the event loop's thread,
    `stop` and `take_in` to anyone, the rest to a worker's.

    Attributes:
        desk: where its only worker reads and answers requests itself, if there is one. Set before that runs.

    Args:
        loop: where answers are delivered.
        limit: invocations that wait or run; one more is refused.
        batch_limit: how many of the invocations that have arrived one call of `execute` takes. Nothing waits for more
            to arrive; what came in one turn of the loop is handed over together. What is to be answered by itself ends
            a batch, and is a batch of its own.
        wake: called, by any thread, when something waits, of a pool whose work others do by `turn`; None: threads of
            its own wait in `run`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limit: int,
        batch_limit: int = 1,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._limit = limit
        self.batch_limit = batch_limit
        self.wake = wake
        self._waiting: Deque[Invocation] = deque()  # noqa: UP006
        self._changed = threading.Condition()
        self._stopped = False
        self._done: deque[Invocation] = deque()
        self._for_loop: deque[Invocation] = deque()
        self._listens = False
        self._delivering = False
        self._timer: asyncio.TimerHandle | None = None
        self._arrived: list[Invocation] = []
        self._running: dict[int, list[Invocation]] = {}
        self._since: dict[int, float] = {}
        self._pending = 0
        self.desk: Desk | None = None

    @property
    def pending(self) -> int:
        """Invocations that wait or run."""
        return self._pending

    @property
    def waiting(self) -> bool:
        """Whether something waits for a worker."""
        return bool(self._waiting)

    def running_since(self) -> float | None:
        """When the handler was called that has been running for the longest time, None if none runs."""
        return min(list(self._since.values()), default=None)

    @staticmethod
    def now() -> float:
        """The clock of `running_since`, in seconds."""
        return time.monotonic()

    async def submit(self, invocation: Invocation) -> Answer:
        """Queue an invocation, whose reply is a future of the loop's, and wait for its answer.

        Raises:
            Overloaded: the queue is full.
        """
        self.queue(invocation)
        try:
            return await cast("asyncio.Future[Answer]", invocation.future)
        except asyncio.CancelledError:
            self.cancel(invocation)
            raise

    def queue(self, invocation: Invocation) -> None:
        """Queue an invocation.

        Raises:
            Overloaded: the queue is full.
        """
        with self._changed:
            self._count_in()
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(invocation)

    def take_in(self, invocation: Invocation) -> None:
        """Queue an invocation that came to the `desk`, by the thread that has its lock.

        Raises:
            Overloaded: the queue is full.
        """
        with self._changed:
            self._count_in()
            self._waiting.append(invocation)
        self._ring()

    def _count_in(self) -> None:
        if self._pending >= self._limit:
            raise Overloaded(f"The model server has {self._pending} invocations waiting; it takes no more.")
        self._pending += 1

    @staticmethod
    def cancel(invocation: Invocation) -> None:
        """Nobody waits for this answer any more."""
        invocation.cancelled = True
        _abandon_stream(invocation)

    def begin(self, invocation: Invocation, answer: Answer) -> PieceStream:
        """Answer an invocation whose handler, this thread, has only begun to make its answer; where its pieces go."""
        stream = PieceStream(self._loop)
        invocation.answer = replace(answer, pieces=stream)
        self._loop.call_soon_threadsafe(self._settle, invocation)
        return stream

    def settle(self, invocation: Invocation) -> None:
        """Deliver the answer of an invocation that is done with; in a moment, if others of its batch are not."""
        self._done.append(invocation)

    def leave(self, left: Iterable[Left]) -> None:
        """Let any worker, this one if no other is free, do the rest for invocations; before what came after them."""
        invocations = []
        for invocation, rest in left:
            invocation.rest = rest
            invocations.append(invocation)
        with self._changed:
            self._waiting.extendleft(reversed(invocations))
            self._changed.notify(len(invocations))
        if self.wake is not None:
            self.wake()

    def calls(self) -> None:
        """This thread is about to call a handler: its time begins."""
        self._since[threading.get_ident()] = self.now()

    def waits(self) -> None:
        """This thread is about to wait for a client, until it next `calls`: that is not a handler that hangs."""
        self._since[threading.get_ident()] = _NOT_RUNNING

    def run(self, execute: Callable[[list[Invocation]], None]) -> None:
        """Work until `stop`, and until nothing waits: the body of a worker thread.

        Args:
            execute: settles or leaves each invocation of a batch, once, and never raises.
        """
        desk = self.desk
        while True:
            batch = self._next() if desk is None else self._next_at(desk)
            if not batch:
                return
            if desk is None:
                self._work(batch, execute)
            else:
                self._work_at(desk, batch, execute)

    def turn(self, execute: Callable[[list[Invocation]], None]) -> bool:
        """Work on one batch, if anything waits; whether more does. See `run`."""
        with self._changed:
            batch = self._take()
        if batch:
            self._work(batch, execute)
        return bool(self._waiting)

    def _work(self, batch: list[Invocation], execute: Callable[[list[Invocation]], None]) -> None:
        self._execute(batch, execute)
        self._deliver_soon()

    def _work_at(self, desk: Desk, batch: list[Invocation], execute: Callable[[list[Invocation]], None]) -> None:
        """`_work`, and answer by this thread what came to the desk."""
        desk.begins()
        self._execute(batch, execute)
        desk.ends()
        others = False
        with desk.writing():
            while self._done:
                try:
                    invocation = self._done.popleft()
                except IndexError:  # the event loop has delivered it
                    break
                if invocation.at_desk:
                    self._settle_one(invocation)
                else:
                    self._for_loop.append(invocation)
                    others = True
        if others:
            self._deliver_soon()

    def _execute(self, batch: list[Invocation], execute: Callable[[list[Invocation]], None]) -> None:
        worker = threading.get_ident()
        wanted = []
        for invocation in batch:
            if invocation.cancelled:
                self.settle(invocation)
            else:
                wanted.append(invocation)
        if wanted:
            self._running[worker] = wanted
            self.calls()
            execute(wanted)
            self._since.pop(worker, None)
            self._running.pop(worker, None)

    def _deliver_soon(self) -> None:
        # Set before the loop clears it: at worst the loop is woken for nothing, never not woken.
        if not self._delivering:
            self._delivering = True
            self._loop.call_soon_threadsafe(self.deliver)

    def stop(self) -> None:
        """Let every worker end after what it is doing and what waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._ring()

    def abandon(self, error: InvocationError) -> None:
        """Answer what a worker has seen with `error` and what waits with 503: the process is about to start anew."""
        self._hand_over()
        with self._changed:
            waiting = list(self._waiting)
            self._waiting.clear()
        for batch in list(self._running.values()):
            for one in batch:
                if not one.future.done():
                    one.future.set_exception(error)
        for one in waiting:
            if not one.future.done():
                one.future.set_exception(Overloaded("The model server starts anew.") if one.rest is None else error)

    def _hand_over(self) -> None:
        with self._changed:
            self._waiting.extend(self._arrived)
            self._changed.notify(len(self._arrived))
        self._arrived.clear()
        self._ring()
        if self.wake is not None:
            self.wake()
        if self.batch_limit > 1:
            self._deliver_again()

    def _next(self) -> list[Invocation]:
        """Wait for a batch; an empty one is the end."""
        with self._changed:
            while not self._waiting:
                if self._stopped:
                    return []
                self._changed.wait()
            return self._take()

    def _next_at(self, desk: Desk) -> list[Invocation]:
        """`_next`, of a worker that has a desk."""
        while True:
            desk.look()
            with self._changed:
                if self._waiting:
                    return self._take()
                if self._stopped:
                    return []
                self._listens = True
            desk.wait()
            self._listens = False

    def _ring(self) -> None:
        """Let a worker that waits at its desk see what came elsewhere."""
        if self._listens and self.desk is not None:
            self.desk.ring()

    def _take(self) -> list[Invocation]:
        """A batch of what waits, empty if nothing does; the lock is held."""
        if not self._waiting:
            return []
        batch = [self._waiting.popleft()]
        if not batch[0].is_alone:
            while len(batch) < self.batch_limit and self._waiting and not self._waiting[0].is_alone:
                batch.append(self._waiting.popleft())
        return batch

    def deliver(self) -> None:
        """Deliver what workers are done with."""
        self._delivering = False
        for done in (self._for_loop, self._done):
            while done:
                try:
                    invocation = done.popleft()
                except IndexError:  # its worker has delivered it
                    break
                self._settle_one(invocation)

    def _settle_one(self, invocation: Invocation) -> None:
        with self._changed:
            self._pending -= 1
        try:
            self._settle(invocation)
        except Exception:
            logger.exception("an answer could not be delivered")

    def _deliver_again(self) -> None:
        if self._timer is None and self._pending:
            self._timer = self._loop.call_later(_BETWEEN_DELIVERIES_SECONDS, self._deliver_early)

    def _deliver_early(self) -> None:
        self._timer = None
        self.deliver()
        self._deliver_again()

    def _settle(self, invocation: Invocation) -> None:
        if invocation.cancelled:
            _abandon_stream(invocation)
        elif not invocation.future.done() and invocation.answer is not None:
            invocation.future.set_result(invocation.answer)


def _abandon_stream(invocation: Invocation) -> None:
    pieces = invocation.answer.pieces if invocation.answer is not None else None
    if isinstance(pieces, PieceStream):
        pieces.abandon()
