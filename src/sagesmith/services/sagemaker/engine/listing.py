"""List operations: from a List input to a store query, and from its page to summaries."""

from collections.abc import Callable
from typing import Any

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine.kind import Kind
from sagesmith.services.sagemaker.engine.shapes import Shapes
from sagesmith.store import Document, InvalidToken, Query, SortKey
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import ValidationException

DEFAULT_PAGE = 10
_HALF_A_MILLISECOND = 0.0005

_SORT_KEYS: dict[str, SortKey] = {
    "Name": "name",
    "CreationTime": "created_at",
    "LastModifiedTime": "updated_at",
    "Status": "status",
}

_QUERY_FIELDS = {
    "NameContains": "name_contains",
    "CreationTimeAfter": "created_after",
    "CreationTimeBefore": "created_before",
    "LastModifiedTimeAfter": "updated_after",
    "LastModifiedTimeBefore": "updated_before",
    "ModifiedTimeAfter": "updated_after",
    "ModifiedTimeBefore": "updated_before",
    "StatusEquals": "status",
}
_PAGING = frozenset({"SortBy", "SortOrder", "MaxResults", "NextToken"})


def lister(
    home: Home, kind: Kind, shapes: Shapes, plural: str, reader: Callable[[str], Callable[[Document], Any]]
) -> Handler:
    """The List operation of `kind`. Its answer's list member and its summary's members are the model's.

    Args:
        reader: how to read a path of what Describe answers for a document; summaries are projections of it.

    Raises:
        LookupError: the operation has a filter of which the declaration says nothing.
    """
    unknown = set(shapes.input(f"List{plural}")) - _QUERY_FIELDS.keys() - _PAGING - kind.filters.keys()
    if unknown:
        raise LookupError(f"List{plural} selects by {sorted(unknown)}: say in `filters` where these values lie")
    items, members = shapes.summary(f"List{plural}")
    project = [(member, reader(kind.summary.get(member, member))) for member in members]

    def list_(context: RequestContext, params: Params) -> Params:
        with home.store.read() as tx:
            try:
                page = tx.list(_query(kind, context.region, params))
            except InvalidToken as error:
                raise ValidationException("Invalid NextToken.") from error
        summaries = [
            {member: value for member, read in project if (value := read(document)) is not None}
            for document in page.documents
        ]
        return {items: summaries, "NextToken": page.next_token}

    return list_


def _as_shown(field: str, value: Any) -> Any:
    """A bound on times, so that a time that was shown, which is rounded to milliseconds, excludes its own resource."""
    if field.endswith("_after"):
        return round(value, 3) + _HALF_A_MILLISECOND
    if field.endswith("_before"):
        return round(value, 3) - _HALF_A_MILLISECOND
    return value


def _query(kind: Kind, region: str, params: Params) -> Query:
    fields: dict[str, Any] = {
        field: _as_shown(field, params[member])
        for member, field in _QUERY_FIELDS.items()
        if params.get(member) is not None
    }
    order = params.get("SortOrder")
    return Query(
        kind=kind.id,
        region=region,
        facets={member: str(params[member]) for member in kind.filters if params.get(member) is not None},
        sort=_SORT_KEYS[params.get("SortBy") or kind.sorted_by],
        descending=not kind.ascending if order is None else order == "Descending",
        limit=params.get("MaxResults") or DEFAULT_PAGE,
        token=params.get("NextToken"),
        **fields,
    )
