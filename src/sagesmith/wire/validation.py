"""Checks an operation's input against its shape and says what is wrong as AWS says it.

The wording is that of AWS's services; a message counts and lists every violation of a request:
`2 validation errors detected: Value '' at 'modelName' failed to satisfy constraint: Member must …; Value …`.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from sagesmith.wire.models import Operation, ServiceModel, Shape, ShapeCompiler
from sagesmith.wire.patterns import compile_pattern
from sagesmith.wire.protocols import Protocol

Problems = list[str]
Check = Callable[[Any, str, Problems], None]
"""Looks at one value that stands at a path, and adds what is wrong to the list."""

_CODES = ("ValidationException", "ValidationError", "InvalidParameterException")
_SIZED = frozenset({"string", "list", "map", "blob"})
_NUMBERS = frozenset({"integer", "long", "float", "double"})
_STRUCTURED = frozenset({"structure", "list", "map"})


class Validator:
    """The checks of one service, compiled shape by shape as they are first needed."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._checks: ShapeCompiler[Check] = ShapeCompiler(model, _check_of)

    def compile(self, operation: Operation) -> Callable[[Params], None]:
        """A function that raises AWS's validation error, with the service's code, for input that breaks a rule."""
        if operation.input is None:
            return lambda params: None
        check = self._checks(operation.input)
        code = next((code for code in _CODES if code in operation.errors), self._default_code)

        def validate(params: Params) -> None:
            problems: Problems = []
            check(params, "", problems)
            if problems:
                raise AwsError(code, validation_message(problems), 400)

        return validate

    @property
    def _default_code(self) -> str:
        spoke_query = self._model.query_compatible or self._model.protocols[0] is Protocol.QUERY
        return "ValidationError" if spoke_query else "ValidationException"


def validation_message(problems: list[str]) -> str:
    """One message of all problems, each worded `Value '…' at '…' failed to satisfy constraint: …`."""
    plural = "s" if len(problems) > 1 else ""
    return f"{len(problems)} validation error{plural} detected: {'; '.join(problems)}"


def violation(value: Any, path: str, constraint: str) -> str:
    """One problem of such a message.

    Args:
        value: None where a required member is missing.
        path: as AWS spells it, such as `productionVariants.1.member.modelName`.
    """
    shown = "null" if value is None else f"'{_java(value)}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _check_of(name: str, shape: Shape, compiler: ShapeCompiler[Check]) -> Check:
    match shape["type"]:
        case "structure":
            return _structure(shape, compiler)
        case "list":
            return _list(shape, compiler)
        case "map":
            return _map(shape, compiler)
    constraints = _constraints(shape)

    def check(value: Any, path: str, problems: Problems) -> None:
        for holds, text in constraints:
            if not holds(value):
                problems.append(_sensitive(path, text) if shape.get("sensitive") else violation(value, path, text))

    return check


def _structure(shape: Shape, compiler: ShapeCompiler[Check]) -> Check:
    shapes = compiler.model.shapes
    required = [(name, _camel(name)) for name in shape.get("required", ())]
    members = {
        name: (_camel(name), compiler(member["shape"]))
        for name, member in shape.get("members", {}).items()
        if _needs_check(shapes[member["shape"]])
    }

    def check(value: Any, path: str, problems: Problems) -> None:
        before = f"{path}." if path else ""
        for name, spelled in required:
            if name not in value:
                problems.append(violation(None, before + spelled, "Member must not be null"))
        for name, item in value.items():
            member = members.get(name)
            if member is not None:
                member[1](item, before + member[0], problems)

    return check


def _list(shape: Shape, compiler: ShapeCompiler[Check]) -> Check:
    constraints = list(_bounds(shape))
    element = compiler.model.shapes[shape["member"]["shape"]]
    if element["type"] in _STRUCTURED:
        each, nested = [], compiler(shape["member"]["shape"])
    else:
        each, nested = _constraints(element), None
    explanation = _explain("Member must satisfy constraint", each)

    def check(value: Any, path: str, problems: Problems) -> None:
        for holds, text in constraints:
            if not holds(value):
                problems.append(violation(value, path, text))
        if nested is not None:
            for index, item in enumerate(value, 1):
                nested(item, f"{path}.{index}.member", problems)
        elif not all(holds(item) for item in value for holds, _ in each):
            problems.append(violation(value, path, explanation))

    return check


def _map(shape: Shape, compiler: ShapeCompiler[Check]) -> Check:
    constraints = list(_bounds(shape))
    keys = _constraints(compiler.model.shapes[shape["key"]["shape"]])
    element = compiler.model.shapes[shape["value"]["shape"]]
    if element["type"] in _STRUCTURED:
        each, nested = [], compiler(shape["value"]["shape"])
    else:
        each, nested = _constraints(element), None
    keys_explanation = _explain("Map keys must satisfy constraint", keys)
    explanation = _explain("Map value must satisfy constraint", each)

    def check(value: Any, path: str, problems: Problems) -> None:
        for holds, text in constraints:
            if not holds(value):
                problems.append(violation(value, path, text))
        if not all(holds(key) for key in value for holds, _ in keys):
            problems.append(violation(value, path, keys_explanation))
        if nested is not None:
            for key, item in value.items():
                nested(item, f"{path}.{key}.member", problems)
        elif not all(holds(item) for item in value.values() for holds, _ in each):
            problems.append(violation(value, path, explanation))

    return check


Constraint = tuple[Callable[[Any], bool], str]


def _constraints(shape: Shape) -> list[Constraint]:
    return [*_bounds(shape), *_vocabulary(shape)]


def _bounds(shape: Shape) -> Iterator[Constraint]:
    low, high = shape.get("min"), shape.get("max")
    if shape["type"] in _SIZED:
        if high is not None:
            yield (lambda value: len(value) <= high), f"Member must have length less than or equal to {high}"
        if low is not None:
            yield (lambda value: len(value) >= low), f"Member must have length greater than or equal to {low}"
    elif shape["type"] in _NUMBERS:
        if high is not None:
            yield (lambda value: value <= high), f"Member must have value less than or equal to {_number(high)}"
        if low is not None:
            yield (lambda value: value >= low), f"Member must have value greater than or equal to {_number(low)}"


def _vocabulary(shape: Shape) -> Iterator[Constraint]:
    if "enum" in shape:
        allowed = frozenset(shape["enum"])
        yield allowed.__contains__, f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]"
    elif "pattern" in shape and shape["type"] == "string":
        pattern = compile_pattern(shape["pattern"])
        text = f"Member must satisfy regular expression pattern: {shape['pattern']}"
        yield (lambda value: pattern.fullmatch(value) is not None), text


def _needs_check(shape: Shape) -> bool:
    return shape["type"] in _STRUCTURED or any(key in shape for key in ("min", "max", "enum", "pattern"))


def _explain(prefix: str, constraints: list[Constraint]) -> str:
    return f"{prefix}: [{', '.join(text for _, text in constraints)}]"


def _sensitive(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _java(value: Any) -> str:
    """A value as Java's toString shows it, which is what AWS's messages quote."""
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(_java(item) for item in value)}]"
        case dict():
            return f"{{{', '.join(f'{key}={_java(item)}' for key, item in value.items())}}}"
        case bytes():
            return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)
