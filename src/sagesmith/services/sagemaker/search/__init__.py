"""Search and GetSearchSuggestions, for every kind that declares a resource type.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Search.html,
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_GetSearchSuggestions.html

Where AWS does not say, a property that is missing satisfies NotEquals (it has no value that equals), resources without
the property that is sorted by come last in either order, and a total above 10,000, or of a search for which documents
have to be looked at one by one, is a lower bound.
"""

from collections.abc import Callable, Mapping
from functools import cache

import orjson

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import Call, reading
from sagesmith.services.sagemaker.search import expression, properties
from sagesmith.services.sagemaker.search.records import Record, records_of
from sagesmith.store import STATUS, Document, InvalidToken, Search, SortKey
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import NotImplementedException, ValidationException

DEFAULT_PAGE = 10
_SAMPLED = 1000
"""How many resources, those that changed last, are looked at for the names that suggestions have of keys."""

_COLUMNS: Mapping[str, SortKey] = {
    "name": "name",
    "created_at": "created_at",
    "updated_at": "updated_at",
    STATUS: "status",
}
_NOT_IDENTITY = ("NextToken", "MaxResults")


def operations(home: Home) -> dict[str, Handler]:
    """Search and GetSearchSuggestions."""
    runs = {"Search": _search, "GetSearchSuggestions": _suggest}
    return {operation: reading(home, run, indexed=True) for operation, run in runs.items()}


@cache
def _records() -> dict[str, Record]:
    # The kinds are collected from the modules of the package, of which this is one.
    from sagesmith.services.sagemaker import KINDS

    return records_of(KINDS)


def _record(operation: str, resource: str) -> Record:
    record = _records().get(resource)
    if record is None:
        raise NotImplementedException(f"{operation} of {resource} is not built yet.")
    return record


def _search(call: Call, params: Params) -> Params:
    record = _record("Search", params["Resource"])
    asked = expression.conjunction(
        [
            expression.compiled(record, params.get("SearchExpression")),
            expression.visible(record, params.get("VisibilityConditions") or []),
        ]
    )

    def look(own: bool, document: Document) -> Params:
        return record.own(document) if own else record.show(call, document)

    left = asked.left
    sort = _sort(record, params.get("SortBy"), look)
    if params.get("CrossAccountFilterOption") == "CrossAccount":
        return {"Results": [], "TotalHits": {"Value": 0, "Relation": "EqualTo"}}
    try:
        found = call.tx.search(
            Search(
                record.kind.id,
                call.context.region,
                asked.where,
                None if asked.exact else lambda document: left.holds(look(left.own, document)),
                sort,
                params.get("SortOrder") != "Ascending",
                params.get("MaxResults") or DEFAULT_PAGE,
                _identity(params),
                params.get("NextToken"),
            )
        )
    except InvalidToken as error:
        raise ValidationException("Invalid NextToken.") from error
    return {
        "Results": [{record.member: record.show(call, document)} for document in found.documents],
        "NextToken": found.next_token,
        "TotalHits": {"Value": found.total, "Relation": "EqualTo" if found.exact else "GreaterThanOrEqualTo"},
    }


def _sort(
    record: Record, name: str | None, look: Callable[[bool, Document], Params]
) -> SortKey | Callable[[Document], str | float | None]:
    """A column, or a function that reads the first value of a property."""
    if name is None:
        return "updated_at"
    sought = expression.property_of(record, name)
    column = _COLUMNS.get(expression.field_of(record, sought) or "")
    return column or (lambda document: sought.comparable(next(sought.values(look(sought.own, document)), None)))


def _identity(params: Params) -> str:
    said = {name: value for name, value in params.items() if name not in _NOT_IDENTITY}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()


def _suggest(call: Call, params: Params) -> Params:
    record = _record("GetSearchSuggestions", params["Resource"])
    query = (params.get("SuggestionQuery") or {}).get("PropertyNameQuery") or {}
    hint = query.get("PropertyNameHint") or ""
    asked = Search(record.kind.id, call.context.region, limit=_SAMPLED)
    found = properties.names(record)
    for document in call.tx.search(asked).documents:
        found.update(properties.keyed_names(record, record.show(call, document)))
    return {"PropertyNameSuggestions": [{"PropertyName": name} for name in sorted(found) if name.startswith(hint)]}
