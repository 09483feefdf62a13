"""What the engine asks of the API's model: which operations there are, and their members."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sagesmith.wire.models import ServiceModel, Shape, load_model

Members = Mapping[str, str]
"""Member → the name of its shape."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """The SageMaker model, as far as a declaration needs it."""

    model: ServiceModel

    def has(self, operation: str) -> bool:
        """Whether the API has this operation."""
        return operation in self.model.operations

    def input(self, operation: str) -> Members:
        """The members of an operation's input; none if there is no such operation."""
        return self.members(self.model.operations[operation].input) if self.has(operation) else {}

    def output(self, operation: str) -> Members:
        """The members of an operation's output; none if there is no such operation."""
        return self.members(self.model.operations[operation].output) if self.has(operation) else {}

    def required(self, operation: str) -> tuple[str, ...]:
        """The members that an operation's input must have, in the model's order."""
        name = self.model.operations[operation].input if self.has(operation) else None
        return tuple(self.model.shapes[name].get("required", ())) if name else ()

    def raises(self, operation: str, code: str) -> bool:
        """Whether an error of this code is among the operation's."""
        return code in self.model.operations[operation].errors

    def shape(self, name: str) -> Shape:
        """A shape by its name."""
        return self.model.shapes[name]

    def pruned(self, shape: str, value: Any) -> Any:
        """A structure's value less the members that the shape does not have; others as they are."""
        if self.shape(shape)["type"] != "structure" or not isinstance(value, dict):
            return value
        known = self.members(shape)
        return {member: each for member, each in value.items() if member in known}

    def is_scalar(self, name: str) -> bool:
        """Whether values of a shape can be compared as text."""
        return self.shape(name)["type"] in ("string", "boolean", "integer", "long")

    def members(self, shape: str | None) -> Members:
        """The members of a structure."""
        if shape is None:
            return {}
        return {member: reference["shape"] for member, reference in self.shape(shape).get("members", {}).items()}

    def described(self, operation: str) -> tuple[str, Members]:
        """What a Describe operation answers with: the member that it is nested in (`Workteam`), mostly none, and the
        members."""
        members = self.output(operation)
        if len(members) == 1:
            ((wrapper, shape),) = members.items()
            if self.shape(shape)["type"] == "structure":
                return wrapper, self.members(shape)
        return "", members

    def summary(self, operation: str) -> tuple[str, Members]:
        """Of a List operation: the output's list member, and the members of its elements."""
        for member, shape in self.output(operation).items():
            if self.shape(shape)["type"] == "list":
                return member, self.members(self.shape(shape)["member"]["shape"])
        raise LookupError(f"{operation} answers with no list")

    def listed(self, operations: Iterable[str]) -> Members:
        """The members of the elements that List operations answer with."""
        return {member: shape for each in operations for member, shape in self.summary(each)[1].items()}

    def searched(self, noun: str) -> Members:
        """The members that Search shows of a kind."""
        return self.members(self.members("SearchRecord").get(noun))


@cache
def sagemaker_shapes() -> Shapes:
    """The model of SageMaker's control plane."""
    return Shapes(load_model("sagemaker"))
