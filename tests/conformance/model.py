"""What the harness reads from botocore's model: the operations of a kind, and walks over shapes with their values."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session

Params = dict[str, Any]

SERVICE = botocore.session.get_session().get_service_model("sagemaker")


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one kind that the API has and the platform has built; empty where there is none.

    Attributes:
        noun: the noun of its operations: `Model` has CreateModel.
    """

    noun: str
    create: str
    describe: str
    list: str
    update: str
    delete: str

    def __iter__(self) -> Iterator[str]:
        every = (self.create, self.describe, self.list, self.update, self.delete)
        return (each for each in every if each)


def operations_of(noun: str, built: Collection[str], **named: str) -> Operations:
    """The operations of `noun` by the API's habits; `named` gives those that are called otherwise."""
    habits = {
        "create": (f"Create{noun}",),
        "describe": (f"Describe{noun}",),
        "list": (f"List{noun}s", f"List{noun[:-1]}ies", f"List{noun}es"),
        "update": (f"Update{noun}",),
        "delete": (f"Delete{noun}",),
    }
    found = {role: next((each for each in names if each in built), "") for role, names in habits.items()}
    return Operations(noun, **{**found, **{role: name for role, name in named.items() if name in built}})


def nouns_of(built: Collection[str]) -> list[str]:
    """The kinds among operations: whatever can be created and described."""
    return sorted(
        operation.removeprefix("Create")
        for operation in built
        if operation.startswith("Create") and f"Describe{operation.removeprefix('Create')}" in built
    )


def input_of(operation: str) -> Any:
    """The input shape of an operation."""
    return SERVICE.operation_model(operation).input_shape


def output_of(operation: str) -> Any:
    """The output shape of an operation, None if it answers nothing."""
    return SERVICE.operation_model(operation).output_shape


def error_codes(operation: str) -> set[str]:
    """The codes of an operation's modelled errors."""
    return {
        shape.metadata.get("error", {}).get("code", shape.name)
        for shape in SERVICE.operation_model(operation).error_shapes
    }


def items_of(operation: str) -> tuple[str, Any]:
    """Of a List operation: the output's list member and the shape of its elements."""
    for member, shape in output_of(operation).members.items():
        if shape.type_name == "list":
            return member, shape.member
    raise LookupError(f"{operation} answers with no list")


def is_union(shape: Any) -> bool:
    """Whether exactly one member of a structure may be given."""
    return bool(getattr(shape, "is_tagged_union", False) or shape.metadata.get("union"))


def is_document(shape: Any) -> bool:
    """Whether a structure holds any JSON."""
    return bool(getattr(shape, "is_document_type", False))


@cache
def leaves(operation: str, side: str) -> frozenset[str]:
    """The paths of all values that an operation's `input` or `output` may hold; a recursive shape ends a path."""
    shape = input_of(operation) if side == "input" else output_of(operation)
    return frozenset(_leaves(shape, "", ())) if shape is not None else frozenset()


def _leaves(shape: Any, path: str, within: tuple[str, ...]) -> Iterator[str]:
    if shape.type_name == "structure" and shape.name not in within and not is_document(shape):
        for name, member in shape.members.items():
            yield from _leaves(member, join(path, name), (*within, shape.name))
    elif shape.type_name == "list":
        yield from _leaves(shape.member, f"{path}[]", within)
    elif shape.type_name == "map":
        yield from _leaves(shape.value, f"{path}{{}}", within)
    else:
        yield path


def given_paths(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """The paths of the values that are there, spelled as `leaves` spells them."""
    if shape.type_name == "structure" and isinstance(value, dict) and not is_document(shape):
        for name, item in value.items():
            if name in shape.members:
                yield from given_paths(item, shape.members[name], join(path, name))
    elif shape.type_name == "list":
        for item in value:
            yield from given_paths(item, shape.member, f"{path}[]")
    elif shape.type_name == "map":
        for item in value.values():
            yield from given_paths(item, shape.value, f"{path}{{}}")
    else:
        yield path


def join(path: str, member: str) -> str:
    """The path of a member of what stands at `path`."""
    return f"{path}.{member}" if path else member


def shape_at(shape: Any, path: str) -> Any:
    """The shape of what stands at a path, None if nothing can."""
    for step in path.split("."):
        shape = shape.members.get(step.removesuffix("[]")) if shape is not None else None
        shape = shape.member if shape is not None and step.endswith("[]") else shape
    return shape


def values_at(value: Any, path: str) -> Iterator[Any]:
    """All values at a path such as `ProductionVariants[].ModelName` that are there."""
    step, _, rest = path.partition(".")
    found = value.get(step.removesuffix("[]")) if isinstance(value, dict) else None
    for each in found or () if step.endswith("[]") else [found]:
        if each is not None:
            yield from values_at(each, rest) if rest else [each]
