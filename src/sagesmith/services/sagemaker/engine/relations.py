"""Which kinds need which: what cannot be deleted before what."""

from collections.abc import Sequence

from sagesmith.services.sagemaker.engine.kind import Call, Kind, holding
from sagesmith.store import Document, Query


def keep(call: Call, kind: Kind, document: Document) -> None:
    """Keep what a document needs until it is stored: its parent, and what cannot be deleted while it is there.

    Raises:
        AwsError: the parent is gone meanwhile.
    """
    parent = kind.parent if document.parent else None
    if parent and call.tx.lock(parent.id, document.region, document.parent) is None:
        raise parent.not_found(call.context, *document.parent.split("/"))
    for held, key in kind.held(document.body):
        call.tx.lock(held.id, document.region, key)


class Relations:
    """The children of every kind, and the kinds whose resources hold others in place."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._children = {kind: [child for child in kinds if child.parent is kind] for kind in kinds}
        self._holders = {kind: [each for each in kinds if kind in each.holds.values()] for kind in kinds}

    def free(self, call: Call, kind: Kind, document: Document) -> None:
        """Make sure that nothing needs a resource which is to be deleted; delete children that go with it.

        Raises:
            AwsError: something needs it, in the kind's wording; or it is gone.
        """
        if call.tx.lock(kind.id, document.region, document.key, exclusive=True) is None:
            raise kind.error(kind.missing, document.arn, document.name)
        for child in self._children[kind]:
            query = Query(child.id, document.region, parent=document.key, limit=100)
            while found := call.tx.list(query).documents:
                if not child.cascades:
                    raise kind.error(kind.occupied, document.arn, document.name, child.noun)
                for each in found:
                    self.free(call, child, each)
                    call.tx.delete(child.id, each.region, each.key)
        for holder in self._holders[kind]:
            query = Query(holder.id, document.region, facets={holding(kind, document.key): ""}, limit=1)
            if call.tx.list(query).documents:
                raise kind.error(kind.occupied, document.arn, document.name, holder.noun)
