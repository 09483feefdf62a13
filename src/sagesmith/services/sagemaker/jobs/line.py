"""The line for hosts: jobs of all kinds and regions get them in the order in which they were created.

Each job's place is in the store (`store.places`) from the transaction that creates the job to the one that stores its
end, so that there are never more hosts given than there are, whoever dies and however many servers there are.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from sagesmith.services.sagemaker.jobs.base import ENDED, JobKind
from sagesmith.store import Document, Observer, Place, Transaction


class Pools(Protocol):
    """Hosts that jobs which have ended still hold."""

    def retained(self, document: Document) -> bool:
        """Whether a job that has ended holds its hosts."""
        ...

    def take_over(self, tx: Transaction, document: Document) -> bool:
        """End a pool that suits a job, which is given its hosts; False if there is none."""
        ...

    def make_room(self, tx: Transaction, hosts: int, capacity: int) -> bool:
        """End a pool for a job that wants so many hosts; False if there is none, or would not be enough without any."""
        ...

    def look(self, tx: Transaction, document: Document) -> float | None:
        """End the pool of a job that has ended if its time is over; in how many seconds it will be, None: there is
        none."""
        ...


class Line:
    """The line as seen by one process.

    Args:
        capacity: how many hosts run at once.
        pools: hosts that are kept for jobs to come.
    """

    def __init__(self, capacity: int, pools: Pools) -> None:
        self.capacity = capacity
        self.pools = pools

    def take(self, tx: Transaction, document: Document) -> bool:
        """Give a job its hosts if it is its turn or a pool suits it, and let the next one look."""
        place = _key(document)
        taken = self.pools.take_over(tx, document)
        if taken:
            tx.hold_hosts(*place)
        else:
            taken = tx.take_hosts(*place, self.capacity)
            while not taken and self._makes_room(tx, document):
                taken = tx.take_hosts(*place, self.capacity)
        if taken:
            wake_first(tx)
        return taken

    def _makes_room(self, tx: Transaction, document: Document) -> bool:
        first = tx.first_in_line()
        if first is None or (first.kind, first.region, first.key) != _key(document):
            return False
        return self.pools.make_room(tx, first.hosts, self.capacity)

    def is_first(self, tx: Transaction, document: Document) -> bool:
        first = tx.first_in_line()
        return first is not None and (first.kind, first.region, first.key) == _key(document)

    def give_back(self, tx: Transaction, document: Document) -> None:
        """Let a job that is to start once more wait for its hosts again, where it stood."""
        tx.give_hosts_back(*_key(document))
        wake_first(tx)


def wake_first(tx: Transaction) -> None:
    """Have the job that is first in line looked at now."""
    first = tx.first_in_line()
    if first is not None:
        tx.schedule(first.kind, first.region, first.key, time.time())


def observer(kinds: Sequence[JobKind], pools: Pools) -> Observer:
    """What gives every new job its place and takes it from every job that is over and keeps no hosts, for
    `Store.on_change`."""
    jobs: Mapping[str, JobKind] = {each.declaration.id: each for each in kinds}

    def has_place(document: Document | None) -> bool:
        return document is not None and (document.status not in ENDED or pools.retained(document))

    def observe(tx: Transaction, before: Document | None, after: Document | None) -> None:
        document = after or before
        if document is None or document.kind not in jobs or has_place(before) == has_place(after):
            return
        if has_place(before):
            tx.leave_line(*_key(document))
            wake_first(tx)
        elif before is None:
            tx.enter_line(place_of(jobs[document.kind], document))

    return observe


def place_of(kind: JobKind, document: Document) -> Place:
    return Place(*_key(document), arrived_at=document.created_at, hosts=kind.hosts(document.body))


def _key(document: Document) -> tuple[str, str, str]:
    return document.kind, document.region, document.key
