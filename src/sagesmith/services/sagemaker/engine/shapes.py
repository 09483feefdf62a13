"""What the engine asks of the API's model: which operations there are, and the names of their members."""

from dataclasses import dataclass

from sagesmith.wire.models import ServiceModel, load_model


@dataclass(frozen=True, slots=True)
class Shapes:
    """The SageMaker model, as far as a declaration needs it."""

    model: ServiceModel

    def has(self, operation: str) -> bool:
        """Whether the API has this operation."""
        return operation in self.model.operations

    def input(self, operation: str) -> list[str]:
        """The members of an operation's input."""
        return self._members(self.model.operations[operation].input)

    def output(self, operation: str) -> list[str]:
        """The members of an operation's output."""
        return self._members(self.model.operations[operation].output)

    def summary(self, operation: str) -> tuple[str, list[str]]:
        """Of a List operation: the output's list member, and the members of its elements."""
        shape = self.model.shapes[self.model.operations[operation].output or ""]
        for member, reference in shape["members"].items():
            target = self.model.shapes[reference["shape"]]
            if target["type"] == "list":
                return member, self._members(target["member"]["shape"])
        raise LookupError(f"{operation} answers with no list")

    def _members(self, shape: str | None) -> list[str]:
        return list(self.model.shapes[shape].get("members", ())) if shape else []


def sagemaker_shapes() -> Shapes:
    """The model of SageMaker's control plane."""
    return Shapes(load_model("sagemaker"))
