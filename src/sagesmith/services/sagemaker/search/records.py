"""What Search shows of a resource: its kind's shape in SearchRecord.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SearchRecord.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sagesmith.services.sagemaker.engine import Call, Kind, View, sagemaker_shapes, view_of
from sagesmith.store import Document
from sagesmith.wire.context import Params

TAGS = "Tags"


@dataclass(frozen=True)
class Record:
    """How Search shows one kind.

    Attributes:
        member: what SearchRecord calls it: `Trial` for the resource type `ExperimentTrial`.
        shape: that member's shape.
        wrapper: the member of `shape` in which the resource itself is nested, empty if it is not. A model is one of
            several things that are known of it: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelDashboardModel.html
    """

    kind: Kind
    member: str
    shape: str
    wrapper: str

    @cached_property
    def members(self) -> Mapping[str, str]:
        """The members of the resource itself, and their shapes."""
        outer = sagemaker_shapes().members(self.shape)
        return sagemaker_shapes().members(outer[self.wrapper]) if self.wrapper else outer

    @cached_property
    def view(self) -> View:
        return view_of(self.kind)

    def stored(self, member: str) -> bool:
        """Whether the store's index knows a member as it is shown: it is neither computed nor looked up."""
        if member in self.kind.search_adds:
            return False
        return member not in self.view.members or not self.kind.answers or member in self._given

    @cached_property
    def _given(self) -> frozenset[str]:
        own = (self.kind.arn_member, self.view.created, self.view.updated, self.view.status)
        return frozenset((*sagemaker_shapes().input(f"Create{self.kind.noun}"), *own))

    @cached_property
    def _lists(self) -> tuple[str, ...]:
        shapes = {member: sagemaker_shapes().shape(shape) for member, shape in self.members.items()}
        return tuple(each for each, shape in shapes.items() if shape["type"] == "list" and not shape.get("min"))

    def own(self, document: Document) -> Params:
        """What a document itself has of its record: quickly made, for who looks at many."""
        view = self.view
        shown = {
            **document.body,
            self.kind.arn_member: document.arn,
            view.created: document.created_at,
            view.updated: document.updated_at,
        }
        if document.status:
            shown[view.status] = document.status
        return {self.wrapper: shown} if self.wrapper else shown

    def show(self, call: Call, document: Document) -> Params:
        """The record of a document, its lists included when they are empty, if they may be."""
        shown: Params = {member: [] for member in self._lists}
        for source in (document.body, self.view.describe(document)):
            shown |= {member: value for member, value in source.items() if member in self.members}
        if TAGS in self.members:
            shown[TAGS] = [{"Key": key, "Value": value} for key, value in call.tx.tags(document.arn).items()]
        record = {self.wrapper: shown} if self.wrapper else shown
        added = {member: value_of(call, document) for member, value_of in self.kind.search_adds.items()}
        return record | {member: value for member, value in added.items() if value is not None}


def records_of(kinds: Iterable[Kind]) -> dict[str, Record]:
    """The records of the kinds that are searchable, by resource type."""
    return {kind.search: _record_of(kind) for kind in kinds if kind.search}


def _record_of(kind: Kind) -> Record:
    shapes = sagemaker_shapes()
    known = shapes.members("SearchRecord")
    member = kind.search if kind.search in known else kind.noun
    if member not in known:
        raise LookupError(f"SearchRecord has nothing for {kind.search}, so that {kind.noun} cannot be searchable")
    shape = known[member]
    inner = shapes.members(shape).get(kind.noun)
    return Record(kind, member, shape, kind.noun if inner and shapes.shape(inner)["type"] == "structure" else "")
