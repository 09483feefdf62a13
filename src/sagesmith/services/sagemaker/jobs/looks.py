"""When a running job is looked at next: when its tasks do something, where the backend tells, and now and then."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from sagesmith.services.base import Home
from sagesmith.store import Document

SHORTEST_LOOK_SECONDS = 0.05
LONGEST_LOOK_SECONDS = 0.5
"""How often a job is looked at that does something, or of which the backend does not tell: often when its state has
just changed, seldom when it runs and runs."""
QUIET_LOOK_SECONDS = 10.0
"""How often one is looked at that does nothing, although the backend would tell."""
_SETTLE_SECONDS = 0.02
"""How long after an event: what comes at once is looked at at once, and a process that ends has ended by then."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a running job.

    Attributes:
        pause_seconds: how long the next one waits at the least, or if nobody tells of anything.
        watched: whether somebody tells.
        woken: whether somebody had told.
    """

    pause_seconds: float
    watched: bool
    woken: bool

    def next_seconds(self, *, quiet: bool) -> float:
        """When to look again if nobody tells of anything before.

        Args:
            quiet: whether there was nothing new. If somebody had told of something, it may have been the first sign of
                an end, which is looked for once more.
        """
        return QUIET_LOOK_SECONDS if quiet and self.watched and not self.woken else self.pause_seconds


class Looks:
    """The looks at the jobs of one kind. Nothing is lost with it: a new one looks at once."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._woken: set[tuple[str, str]] = set()

    def begin(self, home: Home, document: Document, task_ids: Collection[str]) -> Look:
        """Begin to look; from now on whatever the tasks do leads to the next look."""
        pause = min(max(SHORTEST_LOOK_SECONDS, (time.time() - document.updated_at) / 10), LONGEST_LOOK_SECONDS)
        not_before = time.time() + pause
        place = document.region, document.key
        woken = place in self._woken
        self._woken.discard(place)

        def wake() -> None:
            self._woken.add(place)
            with home.store.write() as tx:
                tx.schedule(self._kind, *place, max(time.time() + _SETTLE_SECONDS, not_before))

        watched = all(home.backend.watch(each, wake) for each in task_ids)
        return Look(pause, watched, woken)
