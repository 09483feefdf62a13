"""The names of properties: what may stand in Filter.Name and SortBy, and where its values lie.

A name is the path of a member of the record, `ResourceConfig.InstanceType`. Of a map a key follows its name,
`HyperParameters.learning_rate`, and so it does of a list whose elements are named, `Tags.project`,
`Metrics.validation:accuracy`. Members may be written in another case, as the SDK's examples do (`metrics.loss.max`);
keys may have dots in them. A property in a list has a value for each element.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Filter.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sagesmith.services.sagemaker.engine import sagemaker_shapes
from sagesmith.services.sagemaker.search.records import TAGS, Record
from sagesmith.store import number_of


class Type(Enum):
    """What the values of a property are, which decides how they compare."""

    TEXT = "text"
    NUMBER = "number"
    TIMESTAMP = "timestamp"
    BOOLEAN = "Boolean"
    PARAMETER = "parameter"
    """A text of the user's own that is also compared as the number that it may spell."""
    STRUCTURE = "structure"
    """No value itself; it has those of all members, as texts."""


@dataclass(frozen=True, slots=True)
class Named:
    """A step into a list, to the elements of this name."""

    member: str
    name: str


class Each(Enum):
    """A step into a list, to every element."""

    ELEMENT = "[]"


EACH = Each.ELEMENT
Step = str | Named | Each


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a record.

    Attributes:
        steps: from the record to the values; alternatives if it is one of several members, of which each has one.
        paths: where the store's index has the values, or what they lie in if they are a structure's; empty if it has
            not.
        own: whether a document has the values itself, so that nothing else need be read.
        name_path, name: which elements of a list are meant: those that have `name` at `name_path`; empty if all are.
            The index then knows of the list's elements together.
    """

    type: Type
    steps: tuple[tuple[Step, ...], ...]
    paths: tuple[str, ...] = ()
    own: bool = False
    name_path: str = ""
    name: str = ""

    def values(self, record: Any) -> Iterator[Any]:
        """The values in a record, or in an element of a list that the property was sought in."""
        for steps in self.steps:
            for value in walk(record, steps):
                yield from _texts(value) if self.type is Type.STRUCTURE else (value,)

    def comparable(self, value: Any) -> str | float | None:
        """A value as it is sorted: users' own texts as the numbers that they spell."""
        if self.type is Type.PARAMETER and isinstance(value, str) and (number := number_of(value)) is not None:
            return number
        return str(value) if isinstance(value, bool) else value

    @property
    def top(self) -> str:
        """The member of the record that it lies in."""
        return str(self.steps[0][0])


_ELEMENT_NAMES = {
    "Tag": ("Key", "Value"),
    "MetricData": ("MetricName", "Value"),
    "TrialComponentMetricSummary": ("MetricName", "Last"),
    "FeatureParameter": ("Key", "Value"),
    "Parameter": ("Name", "Value"),
}
"""Of lists whose elements are named: the element's shape → the member that names it, and the one that is compared."""

_VALUES = {
    "TrialComponentParameterValue": ("NumberValue", "StringValue"),
    "TrialComponentArtifact": ("Value",),
}
"""Of maps whose values are structures: the members that are compared if none is said."""

_ALSO_CALLED = {"Metrics": "FinalMetricDataList"}
"""Names that are not the record's."""

_TYPES = {
    "string": Type.TEXT,
    "integer": Type.NUMBER,
    "long": Type.NUMBER,
    "float": Type.NUMBER,
    "double": Type.NUMBER,
    "timestamp": Type.TIMESTAMP,
    "boolean": Type.BOOLEAN,
}


def find(record: Record, name: str) -> Property | None:
    """The property of this name, None if there is none. Members of a nested resource may be named without its own."""
    if not record.wrapper:
        return _known(record, _seek(record.shape, name))
    wrapper = sagemaker_shapes().members(record.shape)[record.wrapper]
    inner = name.removeprefix(f"{record.wrapper}.") if name.startswith(f"{record.wrapper}.") else name
    if found := _known(record, _seek(wrapper, inner)):
        return replace(found, steps=tuple((record.wrapper, *steps) for steps in found.steps))
    outer = _seek(record.shape, name)
    return replace(outer, paths=()) if outer else None


def find_list(record: Record, name: str) -> "tuple[Property, str] | None":
    """The list of structures of this name, and the shape of its elements; None if there is none."""
    shapes = sagemaker_shapes()
    whole = find(record, name)
    if whole is None or whole.type is not Type.STRUCTURE or whole.steps[0][-1] is EACH:
        return None
    shape = record.shape
    for step in whole.steps[0]:
        described = shapes.shape(shape)
        if step is EACH:
            shape = described["member"]["shape"]
        elif isinstance(step, str) and described["type"] == "structure":
            shape = shapes.members(shape)[step]
        else:
            return None
    described = shapes.shape(shape)
    if described["type"] != "list" or shapes.shape(described["member"]["shape"])["type"] != "structure":
        return None
    elements = replace(whole, steps=tuple((*steps, EACH) for steps in whole.steps))
    return elements, described["member"]["shape"]


def find_in(shape: str, name: str) -> Property | None:
    """The property of this name in the elements of a list, given their shape."""
    return _seek(shape, name)


def names(record: Record) -> set[str]:
    """The names of all properties that the model knows, without keys."""
    found = set(_names(record.shape, ""))
    if record.wrapper:
        found |= {each.removeprefix(f"{record.wrapper}.") for each in found if each.startswith(f"{record.wrapper}.")}
    return found


def keyed_names(record: Record, shown: Any) -> Iterator[str]:
    """The names of the properties that one record has keys for: hyperparameters, tags, metrics."""
    shown = shown.get(record.wrapper, {}) if record.wrapper else shown
    also_called = {of: name for name, of in _ALSO_CALLED.items() if name not in record.members}
    for member, shape in record.members.items():
        described = sagemaker_shapes().shape(shape)
        prefix = also_called.get(member, member)
        if described["type"] == "map":
            yield from (f"{prefix}.{key}" for key in shown.get(member) or ())
        elif described["type"] == "list" and described["member"]["shape"] in _ELEMENT_NAMES:
            named_by, _ = _ELEMENT_NAMES[described["member"]["shape"]]
            yield from (f"{prefix}.{each[named_by]}" for each in shown.get(member) or ())


def _names(shape: str, path: str, within: tuple[str, ...] = ()) -> Iterator[str]:
    described = sagemaker_shapes().shape(shape)
    if described["type"] == "list":
        if described["member"]["shape"] not in _ELEMENT_NAMES:
            yield from _names(described["member"]["shape"], path, within)
    elif described["type"] == "structure" and shape not in within:
        for member, inner in sagemaker_shapes().members(shape).items():
            yield from _names(inner, f"{path}.{member}" if path else member, (*within, shape))
    elif described["type"] in _TYPES:
        yield path


def _known(record: Record, found: Property | None) -> Property | None:
    """A property of the resource itself, with its paths only if the index has them."""
    if found is None:
        return None
    if found.top == TAGS:
        return replace(found, paths=()) if found.type is Type.STRUCTURE else found
    return replace(found, own=True) if record.stored(found.top) else replace(found, paths=())


def _seek(shape: str, name: str) -> Property | None:
    return _in(shape, name) or next(
        (
            _in(shape, of + name[len(called) :])
            for called, of in _ALSO_CALLED.items()
            if name.lower().startswith(f"{called.lower()}.")
        ),
        None,
    )


def _in(shape: str, rest: str) -> Property | None:
    """The property that `rest` names in a shape, empty for the whole of it."""
    shapes = sagemaker_shapes()
    described = shapes.shape(shape)
    found: Property | None = None
    match described["type"]:
        case "list":
            element = described["member"]["shape"]
            if not rest and shapes.shape(element)["type"] in ("structure", "list", "map"):
                return Property(Type.STRUCTURE, ((),), ("",))
            if rest and element in _ELEMENT_NAMES and not _is_member(element, rest):
                found = _in_named(element, rest)
            elif inner := _in(element, rest):
                found = _after(EACH, inner)
        case "map":
            found = _in_map(described["value"]["shape"], rest) if rest else Property(Type.STRUCTURE, ((),), ("",))
        case "structure":
            if not rest:
                return Property(Type.STRUCTURE, ((),), ("",))
            first, _, others = rest.partition(".")
            member = _member(shape, first)
            inner = _in(shapes.members(shape)[member], others) if member else None
            found = _after(member, inner) if member and inner else None
        case scalar if not rest and scalar in _TYPES:
            found = Property(_TYPES[scalar], ((),), ("",))
    return found


def _in_named(element: str, rest: str) -> Property:
    """`rest` begins with the name of an element of a list, and may end with one of its members."""
    named_by, compared = _ELEMENT_NAMES[element]
    name, _, last = rest.rpartition(".")
    if name and (member := _member(element, last)):
        compared = member
    else:
        name = rest
    value = _TYPES[sagemaker_shapes().shape(sagemaker_shapes().members(element)[compared])["type"]]
    if element == "Tag":
        return Property(value, ((Named(named_by, rest), compared),), (rest,))
    return Property(value, ((Named(named_by, name), compared),), (compared,), name_path=named_by, name=name)


def _in_map(value: str, rest: str) -> Property | None:
    """`rest` begins with a key, and may end with a member of the value."""
    described = sagemaker_shapes().shape(value)
    if described["type"] in _TYPES:
        kind = Type.PARAMETER if described["type"] == "string" else _TYPES[described["type"]]
        return Property(kind, ((rest,),), (rest,))
    if described["type"] != "structure":
        return None
    key, _, last = rest.rpartition(".")
    if key and (member := _member(value, last)):
        inner = _in(sagemaker_shapes().members(value)[member], "")
        return _after(key, _after(member, inner)) if inner else None
    members = _VALUES.get(value, ())
    if not members:
        return Property(Type.STRUCTURE, ((rest,),), (rest,))
    kind = Type.PARAMETER if len(members) > 1 else Type.TEXT
    return Property(kind, tuple((rest, each) for each in members), tuple(f"{rest}.{each}" for each in members))


def _is_member(element: str, rest: str) -> bool:
    """Whether `rest` begins with a member of a list's elements rather than with the name of one. Of tags it never
    does: their keys are the users'."""
    return element != "Tag" and rest.partition(".")[0] in sagemaker_shapes().members(element)


def _member(shape: str, name: str) -> str | None:
    members = sagemaker_shapes().members(shape)
    return name if name in members else next((each for each in members if each.lower() == name.lower()), None)


def _after(step: str | Each, found: Property) -> Property:
    """A property that lies one step deeper."""
    path = "" if step is EACH else str(step)

    def under(inner: str) -> str:
        return f"{path}.{inner}" if path and inner else path or inner

    return replace(
        found,
        steps=tuple((step, *steps) for steps in found.steps),
        paths=tuple(under(each) for each in found.paths),
        name_path=under(found.name_path) if found.name_path else "",
    )


def walk(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """The values at the end of some steps."""
    if value is None:
        return
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        yield from walk(value.get(step), rest)
    else:
        for element in value:
            if step is EACH or (isinstance(step, Named) and element.get(step.member) == step.name):
                yield from walk(element, rest)


def _texts(value: Any) -> Iterator[str]:
    """All texts in a structure, the keys of maps among them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)
