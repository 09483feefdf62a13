"""The reconcile loop: resources with a life of their own are looked at, step by step, until they rest.

A reconciler compares a stored document with the world, takes one repeatable step, and says when to look again. What is
due is claimed in the store under a lease, so that killing the process between any two steps loses nothing, and
no two processes take the same step.
"""

import math
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from sagesmith import logging
from sagesmith.priority import give_way
from sagesmith.services.base import Home
from sagesmith.store import Document, NotFound, VersionConflict, Work

WORKERS = 4
LEASE_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 1.0
"""How long work that another process scheduled may go unnoticed."""
LONGEST_BACKOFF_SECONDS = 30.0

log = logging.get("reconcile")


class Reconciler(Protocol):
    """Gives the resources of one kind a life of their own."""

    @property
    def kind(self) -> str:
        """The documents' kind."""
        ...

    def recover(self, home: Home) -> None:
        """Called once, before the first step: put right what a crash may have left behind. Idempotent."""
        ...

    def step(self, home: Home, document: Document) -> float | None:
        """Take one idempotent step; called under a lease, so never twice at once for one document.

        Returns:
            Seconds after which to look again, None if only a change of the document can make a next step.

        Raises:
            VersionConflict: somebody else changed the document meanwhile; the step is taken again at once.
        """
        ...


class ReconcileLoop:
    """Runs the steps that are due, in worker threads of its own.

    Args:
        home: the platform.
        reconcilers: one a kind.
        clock: seconds since the epoch.

    Attributes:
        owner: whose leases its claims are; the same for every process on this machine that serves this data directory,
            so that a new one takes over from a killed one at once.
    """

    def __init__(
        self, home: Home, reconcilers: Sequence[Reconciler], *, clock: Callable[[], float] | None = None
    ) -> None:
        self._home = home
        self._reconcilers = {each.kind: each for each in reconcilers}
        self.owner = f"{socket.gethostname()}:{home.platform.data}"
        self._clock = clock or _SteadyClock()
        self._condition = threading.Condition()
        self._woken = False
        self._stopping = False
        self._busy = 0
        self._next_due = 0.0
        self._failures: dict[tuple[str, str, str], int] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="reconcile", initializer=give_way)
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        """Take over what a former process left, and begin."""
        self.recover()
        self._home.store.on_schedule(self._wake)
        self._thread.start()

    def stop(self) -> None:
        """Begin no further step and wait for those that run."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=True)

    def recover(self) -> None:
        """What `start` does first: give up the leases of a former process of this platform and let kinds recover."""
        with self._home.store.write() as tx:
            tx.unclaim(self.owner)
        for reconciler in self._reconcilers.values():
            reconciler.recover(self._home)

    def turn(self) -> bool:
        """Take every step that is due now, in this thread; False if there was none."""
        works, _ = self._claim(limit=100)
        for work in works:
            self._perform(work)
        return bool(works)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._wait_for_work()
                if self._stopping:
                    return
                free = WORKERS - self._busy
                self._woken = False
                self._next_due = math.inf
            works = self._claim_safely(free)
            with self._condition:
                self._busy += len(works)
                self._woken = self._woken or len(works) == free
            for work in works:
                self._pool.submit(self._work, work)

    def _wait_for_work(self) -> None:
        """Until a worker is free and something was scheduled, or is due, or may have come from another process."""
        deadline = self._clock() + LONGEST_WAIT_SECONDS
        while not self._stopping:
            now = self._clock()
            until = min(self._next_due, deadline)
            if self._busy < WORKERS and (self._woken or until <= now):
                break
            self._condition.wait(max(until - now, 0.001) if self._busy < WORKERS else LONGEST_WAIT_SECONDS)

    def _wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def _claim_safely(self, limit: int) -> list[Work]:
        try:
            works, next_due = self._claim(limit)
        except Exception:
            log.exception("claim failed")
            works, next_due = [], None
        with self._condition:
            self._note_due(next_due)
        return works

    def _claim(self, limit: int) -> tuple[list[Work], float | None]:
        with self._home.store.write() as tx:
            works = tx.claim(self.owner, self._clock(), LEASE_SECONDS, limit)
            return works, tx.next_due()

    def _work(self, work: Work) -> None:
        next_due: float | None = None
        try:
            next_due = self._perform(work)
        except Exception:
            log.exception("step could not be finished", kind=work.kind, key=work.key)
        finally:
            with self._condition:
                self._busy -= 1
                self._note_due(next_due)
                self._condition.notify_all()

    def _note_due(self, next_due: float | None) -> None:
        if next_due is not None:
            self._next_due = min(self._next_due, next_due)

    def _perform(self, work: Work) -> float | None:
        """Take a step; returns when anything is due next."""
        delay = self._step(work)
        with self._home.store.write() as tx:
            tx.finish(work, None if delay is None else self._clock() + delay)
            next_due = tx.next_due()
        return next_due

    def _step(self, work: Work) -> float | None:
        reconciler = self._reconcilers.get(work.kind)
        if reconciler is None:
            log.error("nobody reconciles this kind", kind=work.kind, key=work.key)
            return None
        with self._home.store.read() as tx:
            document = tx.get(work.kind, work.region, work.key)
        if document is None:
            return None
        place = (work.kind, work.region, work.key)
        try:
            delay: float | None = reconciler.step(self._home, document)
        except (VersionConflict, NotFound):
            return 0.0
        except Exception:
            failures = self._failures[place] = self._failures.get(place, 0) + 1
            backoff = min(0.25 * 2.0**failures, LONGEST_BACKOFF_SECONDS)
            log.exception("step failed", kind=work.kind, name=document.name, attempt=failures, retry_seconds=backoff)
            return backoff
        self._failures.pop(place, None)
        return delay


class _SteadyClock:
    """Wall time that never goes back, so that what is due soon stays due soon when somebody sets the clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return max(time.time(), time.monotonic() + self._offset)
