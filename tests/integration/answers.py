"""Checks every JSON answer of the platform against the API's model, before boto3 drops what it does not know."""

import json
from typing import Any

from botocore.model import OperationModel, Shape


def check(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
    """A `before-parse` handler of botocore.

    Raises:
        AssertionError: the answer has a member that its shape has not, or has not one that it must have.
    """
    if operation_model.metadata.get("protocol") != "json" or response_dict["status_code"] >= 300:
        return
    shape = operation_model.output_shape
    body = json.loads(response_dict["body"] or b"{}")
    if shape is None:
        assert body == {}, f"{operation_model.name} answers with nothing: {body}"
        return
    found = _problems(body, shape, operation_model.name)
    assert not found, found


def _problems(value: Any, shape: Shape, path: str) -> list[str]:
    if shape.type_name == "structure":
        found = [f"{path}.{name} is unknown" for name in value if name not in shape.members]
        found += [f"{path}.{name} is missing" for name in shape.required_members if value.get(name) is None]
        for name, member in shape.members.items():
            if name in value:
                found += _problems(value[name], member, f"{path}.{name}")
        return found
    if shape.type_name == "list":
        return [each for at, element in enumerate(value) for each in _problems(element, shape.member, f"{path}[{at}]")]
    if shape.type_name == "map":
        return [each for key, element in value.items() for each in _problems(element, shape.value, f"{path}.{key}")]
    fits = _TYPES[shape.type_name]
    wrong = not isinstance(value, fits) or (isinstance(value, bool) and bool not in fits)
    if not wrong and getattr(shape, "enum", None):
        wrong = value not in shape.enum
    return [f"{path} is {value!r}, no {shape.name}"] if wrong else []


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}
