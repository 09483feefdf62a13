"""List operations: from a List input to a store query, and from its page to summaries."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sagesmith.services.sagemaker.engine.kind import PAGING, Among, Call, Kind, Select, facet
from sagesmith.services.sagemaker.engine.pages import invalid_token, page_size, paged
from sagesmith.services.sagemaker.engine.running import Run
from sagesmith.services.sagemaker.engine.shapes import sagemaker_shapes
from sagesmith.services.sagemaker.engine.view import View
from sagesmith.store import Document, Heading, InvalidToken, Page, Query, SortKey, Transaction
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

_HALF_A_MILLISECOND = 0.0005
_LOOKED_AT_ONCE = 200

_SORT_KEYS: Mapping[str, SortKey] = {
    "NAME": "name",
    "CREATIONTIME": "created_at",
    "CREATEDATE": "created_at",
    "LASTMODIFIEDTIME": "updated_at",
    "STATUS": "status",
}
_TIMES = {
    "CreatedAfter": "created_after",
    "CreatedBefore": "created_before",
    "CreationTimeAfter": "created_after",
    "CreationTimeBefore": "created_before",
    "LastModifiedTimeAfter": "updated_after",
    "LastModifiedTimeBefore": "updated_before",
    "ModifiedTimeAfter": "updated_after",
    "ModifiedTimeBefore": "updated_before",
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one kind's List input becomes a query.

    Attributes:
        columns: input member → field of Query.
        facets: members that select by equality → path.
        selects: members that select by looking at documents.
        among: members that select from a few that another resource names.
        named: members among `facets` that name a resource which must exist.
        parent: the members that name the parent, none if it is not selected by; it must exist if `parent_required`.
        sorts: SortBy value → column.
    """

    columns: Mapping[str, str]
    facets: Mapping[str, str]
    selects: Mapping[str, Select]
    among: Mapping[str, Among]
    named: Mapping[str, Kind]
    parent: tuple[str, ...]
    parent_required: bool
    sorts: Mapping[str, SortKey]


def lister(view: View, operation: str) -> Run:
    """An operation that lists a kind. Its answer's list member and its summary's members are the model's.

    Raises:
        LookupError: the operation has a filter, or an order, of which the declaration says nothing.
    """
    kind = view.kind
    plan = _plan(view, operation)
    items, members = sagemaker_shapes().summary(operation)
    project = [(member, _reader(view, member, shape)) for member, shape in members.items()]
    headings_do = view.columns.keys() >= {kind.summary.get(member, member) for member in members}

    def list_(call: Call, params: Params) -> Params:
        if params.get("CrossAccountFilterOption") == "CrossAccount":
            return {items: [], "NextToken": None}  # what other accounts share with this one, which is the only one
        params = kind.meant(params)
        if sum(params.get(member) is not None for member in kind.exclusive) > 1:
            raise ValidationException(f"Only one of {', '.join(kind.exclusive)} can be specified.")
        query = _query(call, kind, plan, params)
        wanted = {member: params[member] for member in plan.selects if params.get(member) is not None}
        few = [found(call, params[member]) for member, found in plan.among.items() if params.get(member) is not None]
        page: Page[Document] | Page[Heading]
        try:
            if few:
                page = _few(query, few[0], plan.selects, wanted)
            elif wanted:
                page = _selected(call.tx, query, plan.selects, wanted)
            else:
                page = call.tx.headings(query) if headings_do else call.tx.list(query)
        except InvalidToken as error:
            raise invalid_token() from error
        summaries = [
            {member: value for member, read in project if (value := read(document)) is not None}
            for document in page.documents
        ]
        return {items: summaries, "NextToken": page.next_token}

    return list_


def _reader(view: View, member: str, shape: str) -> Callable[[Any], Any]:
    """A function that reads a summary's member; what is a part of another structure has its own shape's members."""
    path = view.kind.summary.get(member)
    if path is None:
        return view.reader(member)
    read = view.reader(path) if isinstance(path, str) else path
    return lambda document: sagemaker_shapes().pruned(shape, read(document))


def _plan(view: View, operation: str) -> _Plan:
    kind = view.kind
    columns, unknown = {}, []
    inputs = sagemaker_shapes().input(operation)
    parent = tuple(each for name in kind.belongs_by for each in (name, f"{name}Equals") if each in inputs)
    selects = {member: how for member, how in kind.filters.items() if member in inputs and not isinstance(how, str)}
    for member in inputs.keys() - PAGING - kind.filters.keys() - kind.among.keys() - {*parent}:
        same = member.removesuffix("Equals")
        if member in _TIMES:
            columns[member] = _TIMES[member]
        elif member in ("NameContains", f"{kind.name}Contains"):
            columns[member] = "name_contains"
        elif member == f"{kind.name}Prefix":
            columns[member] = "name_contains"
            selects[member] = _begins
        elif view.status and same in ("Status", view.status):
            columns[member] = "status"
        elif member not in kind.facet_paths:
            unknown.append(member)
    if unknown:
        raise LookupError(f"{operation} selects by {sorted(unknown)}: say in `filters` where these values lie")
    must_exist = sagemaker_shapes().raises(operation, "ResourceNotFound")
    facets = {
        member: path
        for member, path in kind.facet_paths.items()
        if (member in inputs or member.startswith("_")) and member not in columns
    }
    others = {**kind.refers, **kind.holds}
    return _Plan(
        columns,
        facets,
        selects,
        {member: how for member, how in kind.among.items() if member in inputs},
        {member: others[path] for member, path in facets.items() if path in others} if must_exist else {},
        parent,
        must_exist,
        _sorts(view, operation),
    )


def _sorts(view: View, operation: str) -> Mapping[str, SortKey]:
    kind, inputs = view.kind, sagemaker_shapes().input(operation)
    own: dict[str, SortKey] = {kind.name.upper(): "name", view.status.upper(): "status", **_SORT_KEYS}
    values = sagemaker_shapes().shape(inputs["SortBy"])["enum"] if "SortBy" in inputs else ()
    sorts: dict[str, SortKey] = {"": own[kind.sorted_by.upper()]}
    for value in values:
        column = kind.sorts.get(value) or own.get(value.replace("_", "").upper())
        if column is None:
            raise LookupError(f"{operation} sorts by {value}: say in `sorts` which column comes nearest")
        sorts[value] = column
    return sorts


def _query(call: Call, kind: Kind, plan: _Plan, params: Params) -> Query:
    fields: dict[str, Any] = {
        field: as_shown(field, params[member])
        for member, field in plan.columns.items()
        if params.get(member) is not None
    }
    if plan.parent and all(params.get(member) is not None for member in plan.parent):
        fields["parent"] = _parent(call, kind, plan, [params[member] for member in plan.parent])
    order = params.get("SortOrder")
    return Query(
        kind=kind.id,
        region=call.context.region,
        facets=dict(
            facet(member, path, _name(call, plan, member, params[member]))
            for member, path in plan.facets.items()
            if params.get(member) is not None
        ),
        sort=plan.sorts[params.get("SortBy") or ""],
        descending=not kind.ascending if order is None else order.upper() == "DESCENDING",
        limit=page_size(params),
        token=params.get("NextToken"),
        **fields,
    )


def _parent(call: Call, kind: Kind, plan: _Plan, names: list[str]) -> str:
    """The key of the parent that is asked for; where AWS's List has ResourceNotFound, it must exist."""
    assert kind.parent is not None
    if plan.parent_required:
        return kind.parent.find(call.tx, call.context, *names).key
    return kind.parent.key_in(names[-1]) or kind.parent.key(*names)


def _name(call: Call, plan: _Plan, member: str, value: Any) -> Any:
    """A value to select by; of a resource that must exist, its name as it was spelled when it was made."""
    return plan.named[member].find(call.tx, call.context, value).name if member in plan.named else value


def as_shown(field: str, value: Any) -> Any:
    """A bound on times, so that a time that was shown, which is rounded to milliseconds, excludes its own resource."""
    if field.endswith("_after"):
        return round(value, 3) + _HALF_A_MILLISECOND
    if field.endswith("_before"):
        return round(value, 3) - _HALF_A_MILLISECOND
    return value


def _begins(document: Document, prefix: str) -> bool:
    return document.name.startswith(prefix)


def _few(
    query: Query, documents: Iterable[Document], selects: Mapping[str, Select], wanted: Mapping[str, Any]
) -> Page[Document]:
    """A page of those of a few documents that the query selects as well."""

    def fits(document: Document) -> bool:
        return _matches(query, document) and all(selects[member](document, value) for member, value in wanted.items())

    def place(document: Document) -> str:
        value = getattr(document, query.sort)
        return f"{value if isinstance(value, str) else format(value, '020.6f')}\0{document.key}"

    asked = {"MaxResults": query.limit, "NextToken": query.token}
    return Page(*paged(filter(fits, documents), asked, place, descending=query.descending))


def _matches(query: Query, document: Document) -> bool:
    def within(value: float, after: float | None, before: float | None) -> bool:
        return (after is None or value > after) and (before is None or value < before)

    return (
        (query.name_contains is None or query.name_contains in document.name)
        and within(document.created_at, query.created_after, query.created_before)
        and within(document.updated_at, query.updated_after, query.updated_before)
        and query.status in (None, document.status)
        and query.parent in (None, document.parent)
        and query.facets.items() <= document.facets.items()
    )


def _selected(
    tx: Transaction, query: Query, selects: Mapping[str, Select], wanted: Mapping[str, Any]
) -> Page[Document]:
    """A page of those documents of `query` that are wanted by more than the store can tell."""

    def fits(document: Document) -> bool:
        return all(selects[member](document, value) for member, value in wanted.items())

    found: list[Document] = []
    token = query.token
    while True:
        part = tx.list(replace(query, limit=_LOOKED_AT_ONCE, token=token))
        for position, document in enumerate(part.documents, 1):
            if fits(document):
                found.append(document)
            if len(found) == query.limit:
                # Asked for again up to here, because only the end of a page has a token.
                return Page(found, tx.list(replace(query, limit=position, token=token)).next_token)
        if part.next_token is None:
            return Page(found, None)
        token = part.next_token
