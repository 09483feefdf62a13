"""Requests out of input shapes: minimal, maximal, and anything between; each fits its shape, and its kind's facts."""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sagesmith.wire.patterns import compile_pattern
from tests.conformance.model import Params, input_of, is_document, is_union, join
from tests.unit.wire.clients import ACCOUNT

Draw = Callable[[st.SearchStrategy[Any]], Any]

SHORT = 12
"""Text is no longer than this, unless its shape wants it."""

_POOL = 12

_TEXT = "aZ09-_. é日🙂"
_LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co"))
_WORDS = st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)
_LOOKAHEAD = re.compile(r"^\(\?=[^()]*\)")
_BROAD = re.compile(r"\\p\{[LMNPSZ]\}|\\u|\\S\\s|\\s\\S")
"""In patterns that nearly all text fits."""


class Size(Enum):
    """How much of what may be given is given."""

    MINIMAL = "minimal"
    ANY = "any"
    MAXIMAL = "maximal"
    WHOLE = "whole"
    """Every member, those of unions together: fits no service, but has every constraint in it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What of an input has a meaning beyond its shape; see `facts.Facts` for paths.

    Attributes:
        refused: path → values that are not built yet, None for every value but false.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    refused: Mapping[str, frozenset[Any] | None] = field(default_factory=dict)


def request(draw: Draw, operation: str, size: Size, rules: Rules) -> Params:
    """An input of `operation`."""
    made: Params = _Drawing(draw, operation, size, rules).structure(input_of(operation), "", ())
    return made


def value_for(draw: Draw, operation: str, member: str, size: Size, rules: Rules) -> Any:
    """A value of one member of an operation's input."""
    return _Drawing(draw, operation, size, rules).value(input_of(operation).members[member], member, ())


class _Drawing:
    def __init__(self, draw: Draw, operation: str, size: Size, rules: Rules) -> None:
        self.draw, self.operation, self.size, self.rules = draw, operation, size, rules

    def value(self, shape: Any, path: str, within: tuple[str, ...]) -> Any:
        given = self.rules.values.get(f"{self.operation}:{path}", self.rules.values.get(path))
        if given is not None:
            return self.draw(given) if isinstance(given, st.SearchStrategy) else given
        match shape.type_name:
            case "structure":
                return {"name": "value"} if is_document(shape) else self.structure(shape, path, within)
            case "list" if shape.member.name == "Tag":
                return self.tags(shape)
            case "list":
                return self.elements(shape, path, within)
            case "map":
                return self.entries(shape, path, within)
        refused = self.rules.refused.get(path, frozenset())
        if refused is None:
            return False
        if getattr(shape, "enum", None):
            return self.draw(st.sampled_from([each for each in shape.enum if each not in refused]))
        return self.draw(scalar(shape, path.rpartition(".")[2].rstrip("[]{}")))

    def structure(self, shape: Any, path: str, within: tuple[str, ...]) -> Params:
        required = set(shape.required_members)
        members = {name: join(path, name) for name in shape.members}
        possible = [name for name in members if self._possible(shape.members[name], members[name])]
        if is_union(shape) and self.size is not Size.WHOLE:
            forced = [name for name in possible if members[name] in self.rules.always]
            possible = forced[:1] or ([self.draw(st.sampled_from(possible))] if possible else [])
            required.update(possible)
        inner = (*within, shape.name)
        return {
            name: self.value(shape.members[name], members[name], inner)
            for name in possible
            if name in required or self._wanted(shape.members[name], members[name], inner)
        }

    def _possible(self, shape: Any, path: str) -> bool:
        if self.size is Size.WHOLE:
            return True
        if path in self.rules.without or f"{self.operation}:{path}" in self.rules.without:
            return False
        return self.rules.refused.get(path, frozenset()) is not None or shape.type_name == "boolean"

    def _wanted(self, shape: Any, path: str, within: tuple[str, ...]) -> bool:
        if path in self.rules.always:
            return True
        if _names(shape) & set(within):
            return False
        match self.size:
            case Size.MINIMAL:
                return False
            case Size.ANY:
                return bool(self.draw(st.booleans()))
        return True

    def elements(self, shape: Any, path: str, within: tuple[str, ...]) -> list[Any]:
        least = max(int(shape.metadata.get("min", 0)), 1)
        most = max(least, min(int(shape.metadata.get("max", 2)), 2)) if self.size is not Size.MINIMAL else least
        found: list[Any] = []
        for _ in range(most):
            item = self.value(shape.member, f"{path}[]", within)
            if len(found) < least or not _alike(item, found, shape.member):
                found.append(item)
        return found

    def entries(self, shape: Any, path: str, within: tuple[str, ...]) -> Params:
        least = max(int(shape.metadata.get("min", 0)), 1)
        keys = self.draw(st.sets(scalar(shape.key, "Key"), min_size=least, max_size=max(least, 2)))
        return {key: self.value(shape.value, f"{path}{{}}", within) for key in sorted(keys)}

    def tags(self, shape: Any) -> list[dict[str, str]]:
        """Tags of keys that are no service's own, each once."""
        key, value = shape.member.members["Key"], shape.member.members["Value"]
        keys = scalar(key, "Key").filter(lambda text: not text.lower().startswith("aws:"))
        drawn = self.draw(st.dictionaries(keys, scalar(value, "Value"), min_size=1, max_size=3))
        return [{"Key": name, "Value": text} for name, text in sorted(drawn.items())]


def _names(shape: Any) -> set[str]:
    """The structure that a member holds, itself or in a list or map."""
    while shape.type_name in ("list", "map"):
        shape = shape.member if shape.type_name == "list" else shape.value
    return {shape.name} if shape.type_name == "structure" else set()


def _alike(item: Any, others: list[Any], shape: Any) -> bool:
    """Whether a list would have two elements of one name, which services mostly refuse."""
    if shape.type_name != "structure":
        return item in others
    names = [name for name in shape.members if shape.members[name].type_name == "string" and name in item]
    return any(item.get(name) == other.get(name) for other in others for name in names)


def scalar(shape: Any, member: str) -> st.SearchStrategy[Any]:
    """Values of a shape that is neither structure nor list nor map, for a member of this name.

    They come out of a few that are drawn once a run: hypothesis forgets an example that holds as much as the largest
    requests do, if each of their texts is drawn anew.
    """
    key = (shape.name, member)
    if key not in _POOLS:
        _POOLS[key] = _some(_scalar(shape, member))
    return st.sampled_from(_POOLS[key])


_POOLS: dict[tuple[str, str], list[Any]] = {}


def _some(strategy: st.SearchStrategy[Any]) -> list[Any]:
    found: list[Any] = []

    @settings(
        max_examples=_POOL,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        if value not in found:
            found.append(value)

    collect()
    return found


def _scalar(shape: Any, member: str) -> st.SearchStrategy[Any]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "string":
            return _string(shape, member)
        case "integer" | "long":
            least = max(1, int(low or 0)) if high is None or high >= 1 else int(low or 0)
            return st.integers(least, min(least + 1000, 2**31 - 1) if high is None else int(high))
        case "float" | "double":
            lowest = 0.0 if low is None else float(low)
            highest = lowest + 1000.0 if high is None else float(high)
            return st.integers(0, 8).map(lambda eighths: lowest + (highest - lowest) * eighths / 8)
        case "boolean":
            return st.booleans()
        case "timestamp":
            return st.datetimes(
                datetime.datetime(2020, 1, 1), datetime.datetime(2030, 1, 1), timezones=st.just(datetime.UTC)
            ).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
        case "blob":
            return st.binary(min_size=int(low or 1), max_size=max(int(low or 1), min(int(high or SHORT), SHORT)))
    raise LookupError(f"{shape.name} is a {shape.type_name}, of which nothing is known")


def _string(shape: Any, member: str) -> st.SearchStrategy[str]:
    low, high = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 1 << 20))
    if shape.enum:
        return st.sampled_from(shape.enum)
    pattern = shape.metadata.get("pattern")
    fits = compile_pattern(pattern).fullmatch if pattern else bool

    def lengthen(text: str) -> str:
        return text if len(text) >= low else (text * (low // max(len(text), 1) + 1))[:high]

    def good(text: str) -> bool:
        return low <= len(text) <= high and bool(fits(text))

    meant = _meaning(member)
    if meant is not None and good(meant("word")):
        return _WORDS.map(meant).filter(good)
    if pattern is None or _BROAD.search(pattern):
        most = max(low, 1, min(high, SHORT))
        return st.text(_TEXT, min_size=max(low, 1), max_size=most).filter(good)
    plain = _LOOKAHEAD.sub("", pattern)
    return st.from_regex(compile_pattern(plain), fullmatch=True, alphabet=_LETTERS).map(lengthen).filter(good)


_MEANINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    (r".*Role(Arn)?$|.*Role$", lambda word: f"arn:aws:iam::{ACCOUNT}:role/{word}"),
    (r".*S3.*(Uri|Path|Location)$|S3.*|.*Uri$|.*ModelDataUrl$", lambda word: f"s3://bucket-{word}/{word}"),
    (r".*Kms.*(Id|Arn)?$", lambda word: f"alias/{word}"),
    (r".*(Url|Endpoint)$", lambda word: f"https://example.com/{word}"),
    (r".*Image(Uri)?$", lambda word: f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/{word}:1"),
)
"""Values that services look into: by the end of a member's name, the form of what stands there."""


def _meaning(member: str) -> Callable[[str], str] | None:
    return next((form for name, form in _MEANINGS if re.fullmatch(name, member)), None)
