"""QueryLineage: a walk over associations, breadth first, that reads a level at a time.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_QueryLineage.html, …/API_QueryFilters.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/querying-lineage-entities.html
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import orjson

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.associations import entity_type, find_entity, kind_of
from sagesmith.services.sagemaker.engine import Call, reading
from sagesmith.services.sagemaker.engine.listing import as_shown
from sagesmith.services.sagemaker.engine.pages import invalid_token
from sagesmith.store import Association, Document, End, InvalidToken
from sagesmith.store.tokens import decode_token, encode_token
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ValidationException

MAX_DEPTH = 10
MAX_RESULTS = 50
"""AWS names no defaults; these are its limits."""

_ENDS: Mapping[str, tuple[End, ...]] = {
    "Descendants": ("source",),
    "Ascendants": ("destination",),
    "Both": ("source", "destination"),
}
"""At which end of an association a walk comes to it."""

_Pair = tuple[str, str]
_Place = tuple[int, str]
"""Depth and ARN, the order in which vertices are returned."""
_NOWHERE: _Place = (-1, "")
"""Before every place."""


@dataclass(frozen=True, slots=True)
class _Level:
    """What is found at one distance from the start.

    Attributes:
        depth: how many associations away.
        vertices: ARN → type, in the order of the ARNs.
        edges: the associations of the level before, which led here or among what was found already.
    """

    depth: int
    vertices: Mapping[str, str]
    edges: Mapping[_Pair, Association]


def operations(home: Home) -> dict[str, Handler]:
    """QueryLineage."""
    return {"QueryLineage": reading(home, _query)}


def _query(call: Call, params: Params) -> Params:
    limit = _number(params, "MaxResults", MAX_RESULTS, least=1)
    depth = _number(params, "MaxDepth", MAX_DEPTH, least=0)
    after, with_edges = _position(params), bool(params.get("IncludeEdges"))
    starts, ends = _starts(call, params), _ENDS[params.get("Direction") or "Both"]
    levels = _walk(call, starts, ends, depth)
    if accepts := _filter(call, params.get("Filters") or {}):
        levels = _on_paths(list(levels), accepts) if with_edges else _only(levels, accepts)

    places: dict[str, _Place] = {}
    types: dict[str, str] = {}
    edges: dict[_Pair, Association] = {}
    for level in levels:
        places.update((arn, (level.depth, arn)) for arn in level.vertices)
        types.update(level.vertices)
        edges.update(level.edges)
        if sum(place > after for place in places.values()) > limit:
            break
    left = [arn for arn, place in places.items() if place > after]
    page = left[:limit]
    last = places[page[-1]] if page else after
    answer: Params = {"Vertices": [_vertex(arn, types[arn]) for arn in page]}
    if with_edges:
        if last[0] < depth:
            edges |= _edges(call, ends, [arn for arn, place in places.items() if last[0] == place[0] and place <= last])
        answer["Edges"] = [_edge(edge) for edge in edges.values() if after < _place_of(edge, places) <= last]
    if len(left) > limit:
        answer["NextToken"] = encode_token(_fingerprint(params), *last)
    return answer


def _place_of(edge: Association, places: Mapping[str, _Place]) -> _Place:
    """An edge comes with the later of its ends, so that each comes once and both its ends are known by then; before
    everything, which is on no page, if an end is not among what is returned."""
    ends = [places.get(edge.source, _NOWHERE), places.get(edge.destination, _NOWHERE)]
    return _NOWHERE if _NOWHERE in ends else max(ends)


def _starts(call: Call, params: Params) -> dict[str, str]:
    """The ARNs to start from, and their types."""
    if not params.get("StartArns"):
        raise ValidationException("StartArns must have at least one ARN.")
    return {document.arn: entity_type(document) for document in (find_entity(call, arn) for arn in params["StartArns"])}


def _walk(call: Call, starts: Mapping[str, str], ends: Sequence[End], max_depth: int) -> Iterator[_Level]:
    """The levels of a walk, each read when it is asked for; the last may have edges alone."""
    frontier, visited, edges = dict(starts), set(starts), dict[_Pair, Association]()
    for depth in range(max_depth + 1):
        yield _Level(depth, dict(sorted(frontier.items())), edges)
        if not frontier or depth == max_depth:
            return
        edges = _edges(call, ends, frontier)
        reached: dict[str, str] = {}
        for edge in edges.values():
            reached[edge.source] = edge.source_type
            reached[edge.destination] = edge.destination_type
        frontier = {arn: kind for arn, kind in reached.items() if arn not in visited}
        visited.update(frontier)


def _edges(call: Call, ends: Sequence[End], arns: Collection[str]) -> dict[_Pair, Association]:
    """The associations that lead on from entities."""
    return {
        (edge.source, edge.destination): edge
        for end in ends
        for edge in call.tx.associations_of(call.context.region, end, arns)
    }


_Accepts = Callable[[str, str], bool]
"""Whether an entity is of interest, given its ARN and type."""


def _only(levels: Iterator[_Level], accepts: _Accepts) -> Iterator[_Level]:
    """The vertices of interest."""
    for level in levels:
        yield _Level(level.depth, {arn: kind for arn, kind in level.vertices.items() if accepts(arn, kind)}, {})


def _on_paths(levels: Sequence[_Level], accepts: _Accepts) -> Iterator[_Level]:
    """The vertices of interest, and those on the shortest paths to them from the start."""
    found: list[_Level] = []
    on_path: set[str] = set()
    for level in reversed(levels):
        here = {arn: kind for arn, kind in level.vertices.items() if arn in on_path or accepts(arn, kind)}
        on_path = {end for pair in level.edges if not here.keys().isdisjoint(pair) for end in pair}
        found.append(_Level(level.depth, here, level.edges))
    return reversed(found)


def _filter(call: Call, filters: Params) -> _Accepts | None:
    """What `Filters` says, None if it says nothing. Entities are read only if it says something of what is in them."""
    types, lineage_types = filters.get("Types"), filters.get("LineageTypes")
    properties = filters.get("Properties")
    times = [_bound(member, filters[member]) for member in _BOUNDS if filters.get(member) is not None]
    if not (types or lineage_types or properties or times):
        return None

    def accepts(arn: str, kind: str) -> bool:
        if types and _shown_type(kind) not in types:
            return False
        if lineage_types and kind_of(arn).lineage_type not in lineage_types:
            return False
        if not properties and not times:
            return True
        document = find_entity(call, arn)
        present = document.body.get("Properties") or {}
        return all(within(document) for within in times) and (
            not properties or any(present.get(name) == value for name, value in properties.items())
        )

    return accepts


_BOUNDS = {
    "CreatedBefore": "created_before",
    "CreatedAfter": "created_after",
    "ModifiedBefore": "updated_before",
    "ModifiedAfter": "updated_after",
}


def _bound(member: str, value: float) -> Callable[[Document], bool]:
    """Whether an entity's time is within a bound."""
    field = _BOUNDS[member]
    bound = as_shown(field, value)
    read: Callable[[Document], float] = attrgetter("created_at" if field.startswith("created") else "updated_at")
    if field.endswith("_before"):
        return lambda document: read(document) < bound
    return lambda document: read(document) > bound


def _shown_type(kind: str) -> str:
    """What QueryLineage calls a type: a trial component of a `SageMakerTrainingJob` is a `TrainingJob` here."""
    return kind.removeprefix("SageMaker")


def _vertex(arn: str, kind: str) -> Params:
    return {"Arn": arn, "Type": _shown_type(kind), "LineageType": kind_of(arn).lineage_type}


def _edge(edge: Association) -> Params:
    ends = {"SourceArn": edge.source, "DestinationArn": edge.destination}
    return {**ends, "AssociationType": edge.type} if edge.type else ends


def _number(params: Params, member: str, default: int, least: int) -> int:
    """A number of the input. The model has no lower bounds for these."""
    value = params.get(member)
    if value is None:
        return default
    if value < least:
        path = member[0].lower() + member[1:]
        raise ValidationException(
            f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must have value greater than or equal to {least}"
        )
    return int(value)


def _fingerprint(params: Params) -> str:
    said = {member: value for member, value in params.items() if member not in ("MaxResults", "NextToken")}
    return blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _position(params: Params) -> _Place:
    """The place of the last vertex of the page before."""
    token: Any = params.get("NextToken")
    if not token:
        return _NOWHERE
    try:
        parts = decode_token(token)
    except InvalidToken as error:
        raise invalid_token() from error
    match parts:
        case [fingerprint, int() as depth, str() as arn] if fingerprint == _fingerprint(params):
            return depth, arn
    raise invalid_token()
