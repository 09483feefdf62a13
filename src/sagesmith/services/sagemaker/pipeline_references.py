"""The expressions of a pipeline's definition: references to what is known when it runs, and functions of them.

`{"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}`, `{"Std:Join": {"On": "/", "Values": […]}}`,
`{"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Report"}, "Path": "auc"}}`.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-properties.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-parameters.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sagesmith.services.sagemaker.engine import sagemaker_shapes

EXECUTION_VARIABLES = frozenset(
    {
        "StartDateTime",
        "CurrentDateTime",
        "PipelineName",
        "PipelineArn",
        "PipelineExecutionId",
        "PipelineExecutionArn",
        "TrainingJobName",
        "ProcessingJobName",
    }
)
"""https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-data-dependency.html"""

_FUNCTIONS = {"Std:Join": ("Values",), "Std:JsonGet": ("Path",)}
"""Function → the members of its argument that it must have."""

_STEP = re.compile(r"\.?(?P<member>[A-Za-z0-9_\-]+)|\[(?P<index>\d+)\]|\['(?P<key>[^']+)'\]")


def is_expression(value: Any) -> bool:
    """Whether a value is computed when the pipeline runs."""
    return isinstance(value, dict) and len(value) == 1 and not value.keys().isdisjoint(("Get", *_FUNCTIONS))


def malformed(value: Mapping[str, Any]) -> str:
    """What is wrong with an expression, empty if nothing is."""
    ((name, argument),) = value.items()
    if name == "Get":
        return "" if isinstance(argument, str) else "The value of Get must be a string."
    if not isinstance(argument, dict):
        return "Expecting start of Json Object."
    missing = [member for member in _FUNCTIONS[name] if argument.get(member) is None]
    if missing:
        return f"Missing required property '{missing[0]}'."
    if name == "Std:Join" and not isinstance(argument["Values"], list):
        return "Expecting start of Json Array."
    if name == "Std:JsonGet" and ("PropertyFile" in argument) == ("S3Uri" in argument):
        return "Std:JsonGet must have exactly one of PropertyFile and S3Uri."
    return ""


def expressions(value: Any) -> Iterator[Mapping[str, Any]]:
    """All expressions in a value, those within functions too."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if is_expression(each):
            yield each
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def path_of(text: str) -> list[str | int] | None:
    """The steps of a path such as `Outputs['train'].S3Output[0]`, None if it is no path."""
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            return None
        index = found["index"]
        steps.append(int(index) if index is not None else found["member"] or found["key"])
        position = found.end()
    return steps


def leads_somewhere(members: Mapping[str, str], path: list[str | int]) -> bool:
    """Whether a path leads through members to a value. A shape that is empty may hold anything."""
    first, *rest = path
    if first not in members:
        return False
    shape = members[str(first)]
    for position, step in enumerate(rest):
        if not shape:
            return True
        described = sagemaker_shapes().shape(shape)
        match described["type"]:
            case "structure":
                return leads_somewhere(sagemaker_shapes().members(shape), rest[position:])
            case "list":
                # By the position, or by the name of an element: ProcessingOutputConfig.Outputs['train'].
                shape = described["member"]["shape"]
            case "map" if isinstance(step, str):
                shape = described["value"]["shape"]
            case _:
                return False
    return True
