"""An endpoint's queue as it is known in memory: by the names of its records."""

import heapq
from dataclasses import dataclass, field

from sagesmith.gateway.asynchronous.records import Entry

_SLACK = 1000
"""Places of requests that are done, beside as many as wait, before they are cleared away."""


@dataclass(slots=True)
class Backlog:
    """What an endpoint has to do.

    Attributes:
        known: all that is not done, what is under way too, by name.
        idle: what waits.
    """

    known: dict[str, Entry] = field(default_factory=dict)
    idle: set[Entry] = field(default_factory=set)
    _ready: list[Entry] = field(default_factory=list)
    _expiring: list[tuple[int, Entry]] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """A request that came; one that is known already is not added again."""
        if self.known.setdefault(entry.name, entry) is entry:
            self.put_back(entry)

    def put_back(self, entry: Entry) -> None:
        """One that was taken waits again, in its old place."""
        self.idle.add(entry)
        heapq.heappush(self._expiring, (entry.expires_ms, entry))
        heapq.heappush(self._ready, entry)

    def forget(self, entry: Entry) -> None:
        """One is done."""
        self.known.pop(entry.name, None)
        self.idle.discard(entry)
        # Most are done hours before they would expire.
        if len(self._expiring) > 2 * len(self.known) + _SLACK:
            self._expiring = [(each.expires_ms, each) for each in self.idle]
            heapq.heapify(self._expiring)

    def take(self) -> Entry | None:
        """The oldest that waits."""
        while self._ready:
            entry = heapq.heappop(self._ready)
            if entry in self.idle:
                self.idle.discard(entry)
                return entry
        return None

    def take_expired(self, now_ms: float) -> Entry | None:
        """One that waited for too long. What is under way was begun in time, and is looked at if it waits again."""
        while self._expiring and self._expiring[0][0] <= now_ms:
            _, entry = heapq.heappop(self._expiring)
            if entry in self.idle:
                self.idle.discard(entry)
                return entry
        return None

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest came, or about it, since the epoch."""
        # They are added in about the order in which they came, and a dictionary keeps that.
        return next((entry.received_ms for entry in self.known.values()), None)
