"""The vocabulary in which a resource kind is declared."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import paths
from sagesmith.services.sagemaker.engine.lifecycle import Lifecycle, resting
from sagesmith.services.sagemaker.engine.shapes import sagemaker_shapes
from sagesmith.services.sagemaker.engine.wording import ALREADY_EXISTING, ASSOCIATED, COULD_NOT_FIND, Wording
from sagesmith.store import Document, SortKey, Transaction
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException


@dataclass(frozen=True, slots=True)
class Call:
    """One request while it runs: who asks, of which platform, in which transaction, when (seconds since the epoch)."""

    home: Home
    context: RequestContext
    tx: Transaction
    now: float


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A part of an input that asks for work which is not built yet; it is refused before anything is stored.

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


def _no_lookup(call: Call, document: Document, params: Params) -> Params:
    return {}


def _nothing(context: RequestContext, name: str) -> Document | None:
    return None


def _no_check(params: Params) -> None:
    """The default of a check."""


def _no_tags_check(document: Document) -> None:
    """The default of a check of tags."""


def _as_asked(params: Params) -> Params:
    return params


def _prepared(home: Home, params: Params) -> Params:
    return params


def _alone(call: Call, document: Document) -> None:
    """The default of what comes with a resource."""


def _gone(call: Call, document: Document) -> None:
    return None


def _by_identity(kind: "Kind", call: Call, params: Params) -> Document:
    """The resource that the identity's members of an input name, or its ARN."""
    if arn := params.get(kind.arn_member):
        return kind.find(call.tx, call.context, arn)
    return kind.find(call.tx, call.context, *(params[each] for each in kind.named_by if params.get(each) is not None))


PAGING = frozenset({"SortBy", "SortOrder", "MaxResults", "NextToken", "CrossAccountFilterOption"})
"""Members of List inputs that select nothing. Of several accounts there is one, whatever CrossAccountFilterOption
says."""

Change = Callable[[Call, Document, Params], Document]
Select = Callable[[Document, Any], bool]
"""Whether a document is wanted, given what the List input's member says."""
Among = Callable[[Call, Any], Iterable[Document]]
"""The documents that another resource names, given what the List input's member says; raises if there is no such."""


@dataclass(frozen=True, eq=False, repr=False)
class Kind:
    """One resource kind, as data. What is not said here follows from the API's model.

    Identity:
        noun: the noun of its operations: `Model` has CreateModel, DescribeModel, ListModels.
        shown_by: the operation that describes it, `Describe<noun>` if empty: DescribeModelCard shows versions of cards.
        resource_type: as in its ARNs, and as the store calls it; `noun` in kebab case if empty.
        called: what messages call it, the resource type in words if empty.
        name_member: the member that holds its name: what Lists sort by and NameContains looks at.
        identity: the members whose values together are its key, in the order of its ARN, the parent's first. They are
            the input's or made by `initial`, and may begin with `_` if nobody is to see them; those that a resource
            does not have are left out. Empty: what Describe's input must have.
        arn_form: the resource part of its ARN, with a `{}` for each of `identity`: `model-card/{}/export-job/{}`.
            Empty: the resource type and the identity, with slashes.
        keeps_case: its ARNs spell names as they were given; otherwise they are lower case. Keys always are, so that
            names which differ in case only are the same.
        locate: finds the resource that an input of Describe, Update and so on means, where it takes more than its ARN
            or the members of `identity`.
        everywhere: finds, by its name or its ARN, a resource that every region has without anybody having made it. The
            store does not have it: `locate` refuses whoever wants to change it.

    Relations:
        parent: the kind of the resource that it belongs to.
        parent_members: the members that name the parent, `parent.identity` if empty. A resource without has no parent.
        cascades: deleting the parent deletes it; otherwise the parent cannot be deleted before it.
        refers: input members that name other resources, which must exist: path → their kind.
        holds: members that name other resources, which cannot be deleted as long as they are named: path → their kind.

    Create:
        unbuilt: what of its inputs is refused for now.
        unserved: what of its inputs is a record alone: it is kept and shown, and whoever would act on it refuses it by
            `refuse_unserved`, as CreateEndpoint does what a model says.
        without_effect: members of its Create input that are kept and shown and change nothing here: path → why.
        defaults: members that Create fills in when they are missing.
        check: looks at a Create input alone and raises what is wrong with it, outside any transaction.
        prepare: completes an input of Create or Update, or raises what is wrong with it, after `check` and before the
            transaction: what takes long or lies elsewhere, such as an object in S3.
        initial: members that a new document has besides the input's, None for one of those that it has not; runs in the
            transaction of Create.
        at_most: how many of it a region may have unless the platform's settings say another number.
        on_create: runs in the transaction of Create when the document is stored: makes what comes with it.
        starts_as: the status of a new resource that a reconciler gives a life.
        rests_as: the status of a new resource that is a mere record, and complete as soon as it is stored.
        lifecycle: its states, what follows what and what is refused in which. A record that has but the state in which
            it rests need not say so.

    Describe and List:
        status_member: what Describe calls the status; `<noun>Status` or `Status` if empty.
        answer: members of Describe that are computed from the document.
        lookup: members of Describe that lie in other resources, or depend on its input; not for Lists.
        summary: summary members of List that are called otherwise, or lie deeper, in Describe: member → path, or a
            function of the document for what Describe does not have.
        filters: List input members that select by a value: member → the value's path in the document (or of one of
            several, through a list), or a function that looks at a document, for what is no equality (slower: it sees
            all that the other filters leave). Those that are called as a member of Describe, times, names, the status
            and the parent need not be said. A name that begins with `_` is no member, but lets `meant` or a reconciler
            select by what is not shown.
            Where the path is one of `refers` or `holds` and AWS's List has ResourceNotFound, what is named must exist.
        among: List input members that select some few by what another resource says: member → finds them.
        exclusive: List input members of which one alone may be given.
        lists: further operations that list it, such as ListHubContentVersions. All this is said for them together.
        meant: a List input as AWS takes it, where a member that is missing, or one of its values, selects too.
        sorts: values of SortBy that name none of the store's columns → the column that comes nearest.
        sorted_by, ascending: List's default order (AWS's default differs by kind).

    Update and Delete:
        merges: members of Update that change what they have, and keep the rest of the present value. All others
            replace; `<Member>ToRemove` removes keys of a map.
        renamed: members of Update that are called otherwise in Create and Describe: member → their name there.
        changes: operations that change a resource, such as Stop: operation → a function that runs in the operation's
            transaction and returns the document to store, or raises. For Update it stands instead of the above.
        on_delete: runs in Delete's transaction; returns the document to store instead of deleting, or None to delete.
        deleted: members of Delete's answer that Describe has not.

    Others:
        missing, duplicate, occupied: AWS's wording: there is none, there is one already, others need it.
        check_tags: looks at a resource and raises if it takes no tags, although its kind does.
        search: its ResourceType in Search; it is found there if this is not empty. Members that only Search shows may
            lie in the body, as `Parents` of a trial component, and are then found by an index like all others.
        search_adds: members that only Search shows and the body has not: member → a function that gives its value.
            Search looks at every document to find one by them.
    """

    noun: str
    shown_by: str = ""
    resource_type: str = ""
    called: str = ""
    name_member: str = ""
    identity: tuple[str, ...] = ()
    arn_form: str = ""
    keeps_case: bool = False
    locate: "Callable[[Kind, Call, Params], Document]" = _by_identity
    everywhere: Callable[[RequestContext, str], Document | None] = _nothing
    parent: "Kind | None" = None
    parent_members: tuple[str, ...] = ()
    cascades: bool = False
    refers: Mapping[str, "Kind"] = field(default_factory=dict)
    holds: Mapping[str, "Kind"] = field(default_factory=dict)
    unbuilt: tuple[Unbuilt, ...] = ()
    unserved: tuple[Unbuilt, ...] = ()
    without_effect: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Params], None] = _no_check
    prepare: Callable[[Home, Params], Params] = _prepared
    initial: Callable[[Call, Params], Params] = _no_members
    at_most: int | None = None
    on_create: Callable[[Call, Document], None] = _alone
    starts_as: str = ""
    rests_as: str = ""
    lifecycle: Lifecycle | None = None
    status_member: str = ""
    answer: Callable[[Document], Params] = _no_answer
    lookup: Callable[[Call, Document, Params], Params] = _no_lookup
    summary: Mapping[str, str | Callable[[Document], Any]] = field(default_factory=dict)
    filters: Mapping[str, str | Select] = field(default_factory=dict)
    among: Mapping[str, Among] = field(default_factory=dict)
    exclusive: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    meant: Callable[[Params], Params] = _as_asked
    sorts: Mapping[str, SortKey] = field(default_factory=dict)
    sorted_by: str = "CreationTime"
    ascending: bool = False
    merges: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)
    on_delete: Callable[[Call, Document], Document | None] = _gone
    deleted: Mapping[str, Any] = field(default_factory=dict)
    missing: Wording = COULD_NOT_FIND
    duplicate: Wording = ALREADY_EXISTING
    occupied: Wording = ASSOCIATED
    check_tags: Callable[[Document], None] = _no_tags_check
    search: str = ""
    search_adds: Mapping[str, Callable[[Call, Document], Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Kind {self.noun}>"

    @cached_property
    def id(self) -> str:
        """What the store calls it, and the resource type of its ARNs: `training-job`."""
        return self.resource_type or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", self.noun).lower()

    @cached_property
    def title(self) -> str:
        """What messages call it: `training job`."""
        return self.called or self.id.replace("-", " ")

    @cached_property
    def described_by(self) -> str:
        """The operation that describes it."""
        return self.shown_by or f"Describe{self.noun}"

    @cached_property
    def listed_by(self) -> tuple[str, ...]:
        """The operations that list it: `ListCodeRepositories`."""
        usual = (f"List{self.noun}s", f"List{self.noun[:-1]}ies")
        return (*(each for each in usual if sagemaker_shapes().has(each)), *self.lists)

    @cached_property
    def name(self) -> str:
        """The member that holds its name."""
        if self.name_member:
            return self.name_member
        given = sagemaker_shapes().input(f"Create{self.noun}")
        asked = sagemaker_shapes().required(self.described_by)
        usual = (f"{self.noun}Name", "Name", *(each for each in reversed(asked) if each.endswith("Name")))
        return next((each for each in usual if each in given), usual[0])

    @cached_property
    def arn_member(self) -> str:
        """The member that holds its ARN: `<noun>Arn`, or what Create answers with."""
        usual = f"{self.noun}Arn"
        if usual in sagemaker_shapes().described(self.described_by)[1]:
            return usual
        created = sagemaker_shapes().output(f"Create{self.noun}")
        return next((each for each in created if each.endswith("Arn")), usual)

    @cached_property
    def named_by(self) -> tuple[str, ...]:
        """`identity`, or what it follows from."""
        asked = self.identity or sagemaker_shapes().required(self.described_by)
        return asked if asked and not asked[-1].endswith("Arn") else (self.name,)

    @cached_property
    def belongs_by(self) -> tuple[str, ...]:
        """The members that name the parent."""
        return self.parent_members or (self.parent.named_by if self.parent else ())

    @cached_property
    def life(self) -> Lifecycle | None:
        """Its states, None if it has none."""
        return self.lifecycle or (resting(self.rests_as) if self.rests_as else None)

    @property
    def answers(self) -> bool:
        """Whether Describe has members that are computed from the document."""
        return self.answer is not _no_answer

    @property
    def looks_up(self) -> bool:
        """Whether Describe has members that lie in other resources."""
        return self.lookup is not _no_lookup

    def refuse_unserved(self, body: Params) -> None:
        """Raise NotImplementedException if a resource of this body asks for what is kept, and not built."""
        for unbuilt in self.unserved:
            unbuilt.refuse(body)

    def key(self, *names: str) -> str:
        """The store's key of the resource that these values of `identity` name."""
        return "/".join(names).lower()

    def arn(self, context: RequestContext, *names: str) -> str:
        """The ARN of the resource that these values of `identity` name."""
        spelled = names if self.keeps_case else tuple(name.lower() for name in names)
        resource = self.arn_form.format(*spelled) if self.arn_form else f"{self.id}/{'/'.join(spelled)}"
        return f"arn:aws:sagemaker:{context.region}:{context.account_id}:{resource}"

    def key_in(self, arn: str) -> str | None:
        """The key that stands in an ARN, None if it is not one of this kind."""
        parts = arn.split(":", 5)
        found = self._resource.fullmatch(parts[5]) if len(parts) == 6 and parts[2] == "sagemaker" else None
        return "/".join(found.groups()).lower() if found else None

    def find(self, tx: Transaction, context: RequestContext, *names: str) -> Document:
        """The resource that these values of `identity` name, in the request's region. Any of them may be its ARN, and
        the parent's ARN may stand for the parent's.

        Raises:
            AwsError: there is none, in the kind's wording.
        """
        document = self.seek(tx, context, *names)
        if document is None:
            raise self.not_found(context, *names)
        return document

    def seek(self, tx: Transaction, context: RequestContext, *names: str) -> Document | None:
        """As `find`; None if there is none."""
        key = self._key_of(context, names)
        found = tx.get(self.id, context.region, key) if key else None
        return found or self.everywhere(context, names[-1] if names else "")

    def beside(self, body: Mapping[str, Any], name: str) -> tuple[str, ...]:
        """The values of `identity` of the resource that another names by the last of them: the other resource, which
        has this body, has the rest as well. `OwnerUserProfileName` is a name in the space's own domain."""
        return (*(body[each] for each in self.named_by[:-1] if each in body), name)

    def not_found(self, context: RequestContext, *names: str) -> AwsError:
        """The error that there is no such resource; `names` as for `find`."""
        return self.error(self.missing, self._arn_of(context, names), names[-1] if names else "")

    def error(self, wording: Wording, arn: str, name: str, other: str = "", status: str = "") -> AwsError:
        """An error about the resource of this ARN, the state that it is in, and another that stands in the way."""
        said = wording.text.format(noun=self.noun, title=self.title, arn=arn, name=name, other=other, status=status)
        return wording.error(said)

    def facets(self, body: Mapping[str, Any]) -> dict[str, str]:
        """The values that List filters by, and the resources that must stay as long as this one is there."""
        facets: dict[str, str] = {}
        for member, path in self.facet_paths.items():
            for value in paths.values(body, path):
                facets.setdefault(*facet(member, path, value))
        return facets | {holding(target, key): "" for target, key in self.held(body)}

    @cached_property
    def facet_paths(self) -> Mapping[str, str]:
        """List input members that select by equality: member → path."""
        said = {member: path for member, path in self.filters.items() if isinstance(path, str)}
        shapes = sagemaker_shapes()
        scalars = {each for each, shape in shapes.described(self.described_by)[1].items() if shapes.is_scalar(shape)}
        elsewhere = {
            *self.filters,
            *self.among,
            *self.belongs_by,
            *PAGING,
            self.status_member,
            "Status",
            f"{self.noun}Status",
        }
        for member in (each for operation in self.listed_by for each in shapes.input(operation)):
            same = member.removesuffix("Equals")
            if same in scalars and not {member, same} & elsewhere:
                said[member] = same
        return said

    def held(self, body: Mapping[str, Any]) -> "Iterator[tuple[Kind, str]]":
        """The kinds and keys of the resources that cannot be deleted as long as this one is there."""
        for path, target in self.holds.items():
            for name in paths.values(body, path):
                yield target, target.key_in(name) or target.key(*target.beside(body, name))

    def _arn_of(self, context: RequestContext, names: tuple[str, ...]) -> str:
        given = [name for name in names if name.startswith("arn:")]
        return given[-1] if given else self.arn(context, *names)

    def _key_of(self, context: RequestContext, names: tuple[str, ...]) -> str | None:
        """The key of `names`, None if an ARN among them is of another kind, region or account."""
        pieces = []
        for name in names:
            piece: str | None = name
            if name.startswith("arn:"):
                if name.split(":", 5)[3:5] != [context.region, context.account_id]:
                    return None
                if (own := self.key_in(name)) is not None:
                    return own
                piece = self.parent.key_in(name) if self.parent else None
            if piece is None:
                return None
            pieces.append(piece)
        return self.key(*pieces)

    @cached_property
    def _resource(self) -> re.Pattern[str]:
        if not self.arn_form:
            return re.compile(f"{re.escape(self.id)}/(.+)")
        return re.compile("([^/]+)".join(map(re.escape, self.arn_form.split("{}"))))


def facet(member: str, path: str, value: Any) -> tuple[str, str]:
    """The facet by which a List selects a value at a path: of several values in a list, each is one of its own."""
    return (f"{member}={value}", "") if "[]" in path else (member, str(value))


def holding(kind: Kind, key: str) -> str:
    """The facet of a document that the resource of this key must stay for."""
    return f">{kind.id}/{key}"
