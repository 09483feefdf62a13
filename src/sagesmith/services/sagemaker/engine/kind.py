"""The vocabulary in which a resource kind is declared."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import paths
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException, ValidationException


@dataclass(frozen=True, slots=True)
class Call:
    """One request while it runs: who asks, of which platform, in which transaction, when (seconds since the epoch)."""

    home: Home
    context: RequestContext
    tx: Transaction
    now: float


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A part of a Create input that asks for work which is not built yet; it is refused before anything is stored.

    Attributes:
        path: where it stands in the input.
        feature: what to call it, and its verb: "Shadow variants are".
        values: only these values are refused; None refuses every value but false, 0 and empty ones.
    """

    path: str
    feature: str
    values: frozenset[Any] | None = None

    def refuse(self, params: Params) -> None:
        """Raise NotImplementedException if `params` asks for it."""
        for value in paths.values(params, self.path):
            if value in self.values if self.values is not None else value:
                shown = f"{self.path} {value}" if self.values is not None else self.path
                raise NotImplementedException(f"{self.feature} not built yet ({shown}).")


def _no_members(call: Call, params: Params) -> Params:
    return {}


def _no_answer(document: Document) -> Params:
    return {}


def _no_check(params: Params) -> None:
    """The default of a check."""


def _gone(call: Call, document: Document) -> None:
    return None


Change = Callable[[Call, Document, Params], Document]

Wording = Callable[["Kind", str], AwsError]
"""Makes an error of a kind and the ARN that it is about."""


def could_not_find(kind: "Kind", arn: str) -> AwsError:
    """Of models, endpoints and their configurations."""
    return ValidationException(f'Could not find {kind.title} "{arn}".')


def already_existing(kind: "Kind", arn: str) -> AwsError:
    """Of models, endpoints and their configurations."""
    return ValidationException(f'Cannot create already existing {kind.title} "{arn}".')


@dataclass(frozen=True)
class Kind:
    """One resource kind, as data. What is not said here follows from the API's model (see `operations`).

    Attributes:
        noun: the noun of its operations: `Model` has CreateModel, ModelName, ModelArn.
        plural: what List operations call it, `noun` + "s" if empty.
        resource_type: as in its ARNs, and as the store calls it; `noun` in kebab case if empty.
        called: what messages call it, the resource type in words if empty.
        name_member: the input member that names it, `noun` + "Name" if empty.
        summary: summary members of List that are called otherwise, or lie deeper, in Describe: member → path.
        filters: List input members that select by a value of the document: member → path. A name that begins with `_`
            is no member, but lets a reconciler select.
        sorted_by, ascending: List's default order (AWS's default differs by kind).
        refers: input members that name other resources, which must exist: path → their kind.
        unbuilt: what of its Create input is refused for now.
        without_effect: members of its Create input that are kept and shown and change nothing here: path → why.
        defaults: members that Create fills in when they are missing.
        starts_as: the status that a new resource has, empty for a mere record.
        check: looks at a Create input alone and raises what is wrong with it, outside any transaction.
        initial: members that a new document has besides the input's; runs in the transaction of Create.
        answer: members of Describe that are computed from the document.
        changes: operations that change a resource, such as Stop: operation → a function that runs in the operation's
            transaction and returns the document to store, or raises. Update replaces members if it is not here.
        on_delete: runs in Delete's transaction; returns the document to store instead of deleting, or None to delete.
        missing, duplicate: AWS's wording of the two errors that every kind has.
    """

    noun: str
    plural: str = ""
    resource_type: str = ""
    called: str = ""
    name_member: str = ""
    summary: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)
    sorted_by: str = "CreationTime"
    ascending: bool = False
    refers: Mapping[str, "Kind"] = field(default_factory=dict)
    unbuilt: tuple[Unbuilt, ...] = ()
    without_effect: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    starts_as: str = ""
    check: Callable[[Params], None] = _no_check
    initial: Callable[[Call, Params], Params] = _no_members
    answer: Callable[[Document], Params] = _no_answer
    changes: Mapping[str, Change] = field(default_factory=dict)
    on_delete: Callable[[Call, Document], Document | None] = _gone
    missing: Wording = could_not_find
    duplicate: Wording = already_existing

    @cached_property
    def id(self) -> str:
        """What the store calls it, and the resource type of its ARNs: `training-job`."""
        return self.resource_type or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", self.noun).lower()

    @cached_property
    def title(self) -> str:
        """What messages call it: `training job`."""
        return self.called or self.id.replace("-", " ")

    @cached_property
    def name(self) -> str:
        """The member that names one."""
        return self.name_member or f"{self.noun}Name"

    @cached_property
    def arn_member(self) -> str:
        return f"{self.noun}Arn"

    @cached_property
    def status_member(self) -> str:
        return f"{self.noun}Status"

    @property
    def answers(self) -> bool:
        """Whether Describe has members that are computed from the document."""
        return self.answer is not _no_answer

    def arn(self, context: RequestContext, name: str) -> str:
        """The ARN of a resource of this name. AWS writes names in ARNs in lower case."""
        return f"arn:aws:sagemaker:{context.region}:{context.account_id}:{self.id}/{name.lower()}"

    def key(self, name: str) -> str:
        """The store's key: ARNs are unique and lower case, so names that differ in case only are the same."""
        return name.lower()

    def find(self, tx: Transaction, context: RequestContext, name: str) -> Document:
        """The resource of this name in the request's region.

        Raises:
            AwsError: there is none, in the kind's wording.
        """
        document = tx.get(self.id, context.region, self.key(name))
        if document is None:
            raise self.missing(self, self.arn(context, name))
        return document

    def facets(self, body: Mapping[str, Any]) -> dict[str, str]:
        """The values that List filters by."""
        found = {member: paths.first(body, path) for member, path in self.filters.items()}
        return {member: str(value) for member, value in found.items() if value is not None}
