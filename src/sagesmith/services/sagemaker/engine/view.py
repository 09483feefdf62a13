"""How documents of a kind are shown: Describe's answer, and what other answers take from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from sagesmith.services.sagemaker.engine import paths
from sagesmith.services.sagemaker.engine.kind import Kind
from sagesmith.services.sagemaker.engine.shapes import sagemaker_shapes
from sagesmith.store import Document
from sagesmith.wire.context import Params, RequestContext

_CREATED = ("CreationTime", "CreatedAt", "CreateDate", "RegistrationTime")
_UPDATED = ("LastModifiedTime", "LastModifiedAt", "LastUpdatedDate")


@dataclass(frozen=True, slots=True)
class View:
    """What Describe shows of one kind, worked out once from the model.

    Attributes:
        members: those of the resource in Describe's output; of a kind without, those that Lists and Search show.
        wrapper: the member that they are nested in, empty if they are not.
        created, updated, status: the members that come from the document's own fields, empty if the kind has none.
        status_given: whether Create's input has the status, as with a model card's.
        creator, changer: the members that say who made and who changed it last, empty if the kind has none.
    """

    kind: Kind
    members: frozenset[str]
    wrapper: str
    created: str
    updated: str
    status: str
    status_given: bool
    creator: str
    changer: str

    def describe(self, document: Document) -> Params:
        """The members that Describe answers with, unwrapped."""
        members = self.members
        answer = {member: value for member, value in document.body.items() if member in members}
        if self.kind.arn_member in members:
            answer[self.kind.arn_member] = document.arn
        if self.created:
            answer[self.created] = document.created_at
        if self.updated:
            answer[self.updated] = document.updated_at
        if self.status and document.status:
            answer[self.status] = document.status
        answer.update(self.kind.answer(document))
        return answer

    def answer_of(self, operation: str) -> Callable[[Document], Params]:
        """What an operation that makes or changes a resource answers with: what its output has of the resource."""
        output = sagemaker_shapes().output(operation)
        if self.wrapper in output:
            return lambda document: {self.wrapper: self.describe(document)}
        if output.keys() <= {self.kind.arn_member}:
            return lambda document: dict.fromkeys(output, document.arn)

        def answer(document: Document) -> Params:
            known = {**document.body, **self.describe(document), self.kind.arn_member: document.arn}
            return {member: known[member] for member in output if member in known}

        return answer

    @property
    def columns(self) -> Mapping[str, str]:
        """The members that are fields of every document, and of its heading."""
        fields = {
            self.kind.arn_member: "arn",
            self.created: "created_at",
            # ListTransformJobs shows it, DescribeTransformJob does not.
            self.updated or _UPDATED[0]: "updated_at",
            self.status: "status",
        }
        if self.kind.name in self.kind.named_by:
            fields[self.kind.name] = "name"
        return fields

    def reader(self, path: str) -> Callable[[Any], Any]:
        """A function that reads one value out of what `describe` answers, in most cases without making the answer. It
        takes a document, or the heading of one if `path` is among `columns`."""
        if path in self.columns:
            column = attrgetter(self.columns[path])
            return column if path != self.status else lambda document: column(document) or None
        read = paths.reader(path)
        if self.kind.answers:
            return lambda document: read(self.describe(document))
        if path.partition(".")[0].removesuffix("[]") not in self.members:
            return lambda document: None
        return lambda document: read(document.body)

    def status_of(self, body: Params, otherwise: str) -> str:
        """The status to store: the one that was given, if the kind's is given."""
        return str(body.get(self.status, otherwise)) if self.status_given else otherwise

    def made_by(self, context: RequestContext) -> Params:
        """The members that say who makes a resource, and changes it for the first time."""
        user = user_context(context)
        return {member: user for member in (self.creator, self.changer) if member}

    def changed_by(self, context: RequestContext) -> Params:
        """The member that says who changes a resource."""
        return {self.changer: user_context(context)} if self.changer else {}


@cache
def view_of(kind: Kind) -> View:
    """The view of a kind."""
    shapes = sagemaker_shapes()
    wrapper, members = shapes.described(kind.described_by)
    if not shapes.has(kind.described_by):
        members = {**shapes.searched(kind.noun), **shapes.listed(kind.listed_by)}

    def first(*candidates: str) -> str:
        return next((each for each in candidates if each in members), "")

    def user(member: str) -> str:
        return member if members.get(member) == "UserContext" else ""

    status = first(kind.status_member, f"{kind.noun}Status", "Status")
    if status and shapes.shape(members[status])["type"] != "string":
        status = ""
    return View(
        kind,
        frozenset(members),
        wrapper,
        first(*_CREATED),
        first(*_UPDATED),
        status,
        status in shapes.input(f"Create{kind.noun}"),
        user("CreatedBy"),
        user("LastModifiedBy"),
    )


def user_context(context: RequestContext) -> Params:
    """A UserContext (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserContext.html)."""
    return {"IamIdentity": {"Arn": context.principal.arn, "PrincipalId": context.principal.user_id}}
