"""Algorithms."""

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _consistent(params: Params) -> Params:
    """Hyperparameters have names of their own, and what must be given has no default."""
    for number, each in enumerate(params["TrainingSpecification"].get("SupportedHyperParameters", ())):
        each["Name"] = f"parameter-{number}"
        if each.get("IsRequired"):
            each.pop("DefaultValue", None)
    return params


ALGORITHM = Facts("Algorithm", mend=_consistent)
