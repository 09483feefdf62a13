"""List operations: from a List input to a store query, and from its page to summaries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sagesmith.services.sagemaker.engine.kind import PAGING, Call, Kind, Select, facet
from sagesmith.services.sagemaker.engine.pages import DEFAULT_PAGE, invalid_token
from sagesmith.services.sagemaker.engine.running import Run
from sagesmith.services.sagemaker.engine.shapes import sagemaker_shapes
from sagesmith.services.sagemaker.engine.view import View
from sagesmith.store import Document, Heading, InvalidToken, Page, Query, SortKey, Transaction
from sagesmith.wire.context import Params

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
        parent: the members that name the parent, none if it is not selected by; it must exist if `parent_required`.
        sorts: SortBy value → column.
    """

    columns: Mapping[str, str]
    facets: Mapping[str, str]
    selects: Mapping[str, Select]
    parent: tuple[str, ...]
    parent_required: bool
    sorts: Mapping[str, SortKey]


def lister(view: View) -> Run:
    """The List operation of a kind. Its answer's list member and its summary's members are the model's.

    Raises:
        LookupError: the operation has a filter, or an order, of which the declaration says nothing.
    """
    kind = view.kind
    operation = f"List{kind.plural}"
    plan = _plan(view, operation)
    items, members = sagemaker_shapes().summary(operation)
    project = [(member, _reader(view, member, shape)) for member, shape in members.items()]
    headings_do = view.columns.keys() >= {kind.summary.get(member, member) for member in members}

    def list_(call: Call, params: Params) -> Params:
        if params.get("CrossAccountFilterOption") == "CrossAccount":
            return {items: [], "NextToken": None}  # what other accounts share with this one, which is the only one
        query = _query(call, kind, plan, params)
        wanted = {member: params[member] for member in plan.selects if params.get(member) is not None}
        page: Page[Document] | Page[Heading]
        try:
            if wanted:
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
    read = view.reader(path)
    return lambda document: sagemaker_shapes().pruned(shape, read(document))


def _plan(view: View, operation: str) -> _Plan:
    kind = view.kind
    columns, unknown = {}, []
    inputs = sagemaker_shapes().input(operation)
    parent = tuple(each for name in kind.belongs_by for each in (name, f"{name}Equals") if each in inputs)
    selects: dict[str, Select] = {member: how for member, how in kind.filters.items() if not isinstance(how, str)}
    for member in inputs.keys() - PAGING - kind.filters.keys() - {*parent}:
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
    return _Plan(
        columns,
        {member: path for member, path in kind.facet_paths.items() if member not in columns},
        selects,
        parent,
        sagemaker_shapes().raises(operation, "ResourceNotFound"),
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
        field: _as_shown(field, params[member])
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
            facet(member, path, params[member])
            for member, path in plan.facets.items()
            if params.get(member) is not None
        ),
        sort=plan.sorts[params.get("SortBy") or ""],
        descending=not kind.ascending if order is None else order.upper() == "DESCENDING",
        limit=params.get("MaxResults") or DEFAULT_PAGE,
        token=params.get("NextToken"),
        **fields,
    )


def _parent(call: Call, kind: Kind, plan: _Plan, names: list[str]) -> str:
    """The key of the parent that is asked for; where AWS's List has ResourceNotFound, it must exist."""
    assert kind.parent is not None
    if plan.parent_required:
        return kind.parent.find(call.tx, call.context, *names).key
    return kind.parent.key_in(names[-1]) or kind.parent.key(*names)


def _as_shown(field: str, value: Any) -> Any:
    """A bound on times, so that a time that was shown, which is rounded to milliseconds, excludes its own resource."""
    if field.endswith("_after"):
        return round(value, 3) + _HALF_A_MILLISECOND
    if field.endswith("_before"):
        return round(value, 3) - _HALF_A_MILLISECOND
    return value


def _begins(document: Document, prefix: str) -> bool:
    return document.name.startswith(prefix)


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
