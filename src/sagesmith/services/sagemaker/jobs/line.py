"""The line for hosts: jobs of all kinds and regions get them in the order in which they were created.

Each job's place is in the store (`store.places`) from the transaction that creates the job to the one that stores its
end, so that there are never more hosts given than there are, whoever dies and however many servers there are.
"""

import time
from collections.abc import Mapping, Sequence

from sagesmith.services.sagemaker.jobs.base import ENDED, JobKind
from sagesmith.store import Document, Observer, Place, Transaction


class Line:
    """The line as seen by one process.

    Args:
        capacity: how many hosts run at once.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def take(self, tx: Transaction, document: Document) -> bool:
        """Give a job its hosts if it is its turn, and let the next one look."""
        taken = tx.take_hosts(document.kind, document.region, document.key, self.capacity)
        if taken:
            wake_first(tx)
        return taken

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


def observer(kinds: Sequence[JobKind]) -> Observer:
    """What gives every new job its place and takes it from every job that is over, for `Store.on_change`."""
    jobs: Mapping[str, JobKind] = {each.declaration.id: each for each in kinds}

    def observe(tx: Transaction, before: Document | None, after: Document | None) -> None:
        document = after or before
        if document is None or document.kind not in jobs:
            return
        if after is None or after.status in ENDED:
            if before is not None and before.status not in ENDED:
                tx.leave_line(*_key(document))
                wake_first(tx)
        elif before is None:
            tx.enter_line(place_of(jobs[after.kind], after))

    return observe


def place_of(kind: JobKind, document: Document) -> Place:
    return Place(*_key(document), arrived_at=document.created_at, hosts=kind.hosts(document.body))


def _key(document: Document) -> tuple[str, str, str]:
    return document.kind, document.region, document.key
