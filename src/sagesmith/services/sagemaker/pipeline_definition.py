"""What a pipeline is defined by: a JSON document of parameters and steps, and what makes it a valid one.

A definition is parsed, its steps are checked by their types, and every reference must lead to a parameter, an execution
variable or a property of a step. Steps that wait for each other in a circle can never run.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-pipeline.html,
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import orjson

from sagesmith.services.sagemaker.pipeline_references import (
    EXECUTION_VARIABLES,
    expressions,
    leads_somewhere,
    malformed,
    path_of,
)
from sagesmith.services.sagemaker.pipeline_steps import STEP_TYPES, StepType, known, present, unparsable

VERSION = "2020-12-01"
_MEMBERS = ("Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps")
_UNKNOWN_PROPERTY = "Cannot parse object, unknown property '{}'."
_MISSING_PROPERTY = "Missing required property '{}'."
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9\-_]{1,256}")
_PARAMETER_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "String": lambda value: isinstance(value, str),
    "Boolean": lambda value: isinstance(value, bool),
    "Integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "Float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
_EXPERIMENT = ("ExperimentName", "TrialName")
_MLFLOW = ("MlflowResourceArn", "MlflowExperimentName")
_COMPARED = ("LeftValue", "RightValue")
_CONDITIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"), _COMPARED),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
"""Type of condition → its members, which it must have."""
_PROPERTY_FILE = ("PropertyFileName", "OutputName", "FilePath")
_OUTPUT = ("OutputName", "OutputType")
_RETRY = ("ExceptionType", "BackoffRate", "IntervalSeconds", "MaxAttempts", "ExpireAfterMin")
_CACHE = ("Enabled", "ExpireAfter")
_NESTED = ("IfSteps", "ElseSteps", "ForEachBody")
_NOT_IN_LOOPS = ("Condition", "Fail", "ForEach")
_MAX_CONCURRENCY = 50
_TRIGGERS = ("Completed", "Failed", "Stopped", "Any")


@dataclass(frozen=True, slots=True)
class _Step:
    """One step.

    Attributes:
        own: its members without the steps that stand within it.
        waits_for: the names of the steps that it says it depends on, and of the one that it stands in.
        within: the type of the step that it stands in, empty if it stands in none.
    """

    name: str
    type: str
    own: Mapping[str, Any]
    waits_for: frozenset[str]
    within: str

    @property
    def kind(self) -> StepType:
        return STEP_TYPES[self.type]

    def named(self, member: str, name_member: str) -> set[str]:
        """The names of the elements of a list, such as property files."""
        return {each[name_member] for each in self.own.get(member) or ()}


@dataclass(slots=True)
class _Definition:
    """What has been read so far: parameters, and steps in their order, wherever they stand."""

    parameters: set[str] = field(default_factory=set)
    steps: dict[str, _Step] = field(default_factory=dict)


def check(text: str) -> None:
    """Make sure that a text defines a pipeline.

    Raises:
        ValidationException: it does not.
    """
    try:
        _check(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise unparsable(f"Invalid JSON: {error}.") from None
    except RecursionError:
        raise unparsable("It is nested too deeply.") from None


def _check(document: Any) -> None:
    document = _object(document)
    known(document, _MEMBERS, _UNKNOWN_PROPERTY)
    present(document, ("Steps",), _MISSING_PROPERTY)
    if document.get("Version", VERSION) != VERSION:
        raise unparsable(f"Version '{document['Version']}' is not supported: it must be {VERSION}.")
    _object(document.get("Metadata"))
    for member, names in (("PipelineExperimentConfig", _EXPERIMENT), ("MlflowConfig", _MLFLOW)):
        known(_object(document.get(member)), names, _UNKNOWN_PROPERTY)
    definition = _Definition()
    for parameter in _array(document.get("Parameters")):
        _read_parameter(definition, parameter)
    _read_steps(definition, document["Steps"], None)
    for member in ("PipelineExperimentConfig", "MlflowConfig"):
        for _ in _references(definition, document.get(member), None):
            raise unparsable(f"{member} cannot refer to a step.")
    _check_order(definition)


def _object(value: Any) -> dict[str, Any]:
    """A value that must be an object; null, which the SDKs send for what is not there, is an empty one."""
    if value is not None and not isinstance(value, dict):
        raise unparsable("Expecting start of Json Object.")
    return value or {}


def _array(value: Any) -> list[Any]:
    """A value that must be an array; null is an empty one."""
    if value is not None and not isinstance(value, list):
        raise unparsable("Expecting start of Json Array.")
    return value or []


def _name(value: Any, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise unparsable(f"{what} name '{value}' must satisfy regular expression pattern: {pattern.pattern}")
    return value


def _read_parameter(definition: _Definition, parameter: Any) -> None:
    parameter = _object(parameter)
    known(parameter, ("Name", "Type", "DefaultValue", "EnumValues", "Description"), _UNKNOWN_PROPERTY)
    present(parameter, ("Name",), _MISSING_PROPERTY)
    name = _name(parameter["Name"], _PARAMETER_NAME, "Parameter")
    if name in definition.parameters:
        raise unparsable(f"Parameter names must be unique: '{name}' is there more than once.")
    is_of_type = _PARAMETER_TYPES.get(str(parameter.get("Type", "String")))
    if is_of_type is None:
        raise unparsable(
            f"Parameter '{name}' is of unknown type '{parameter['Type']}': it must be one of "
            f"[{', '.join(_PARAMETER_TYPES)}]."
        )
    default, values = parameter.get("DefaultValue"), _array(parameter.get("EnumValues"))
    for value in (*values, *(() if default is None else (default,))):
        if not is_of_type(value):
            raise unparsable(f"Value '{value}' of parameter '{name}' is not of type {parameter.get('Type', 'String')}.")
    if values and default is not None and default not in values:
        raise unparsable(f"DefaultValue '{default}' of parameter '{name}' is not one of its EnumValues.")
    definition.parameters.add(name)


def _read_steps(definition: _Definition, steps: Any, within: _Step | None) -> None:
    for each in _array(steps):
        step = _read_step(each, within)
        if step.name in definition.steps:
            raise unparsable(f"Step names must be unique: '{step.name}' is there more than once.")
        definition.steps[step.name] = step
        if step.type in ("Condition", "ForEach"):
            for member in _NESTED:
                _read_steps(definition, each["Arguments"].get(member), step)


def _read_step(step: Any, within: _Step | None) -> _Step:
    present(_object(step), ("Name", "Type"), _MISSING_PROPERTY)
    name = _name(step["Name"], _NAME, "Step")
    kind = STEP_TYPES.get(str(step["Type"]))
    if kind is None:
        raise unparsable(f"Step '{name}' is of unknown type '{step['Type']}'.")
    known(step, kind.known_members, _UNKNOWN_PROPERTY)
    present(step, kind.required_members, _MISSING_PROPERTY)
    arguments = step.get("Arguments")
    if arguments is None and kind.required_members:
        # A Lambda function and a queue may be called with nothing.
        arguments = {}
    kind.check(arguments)
    if step["Type"] == "Condition":
        for condition in _array(arguments["Conditions"]):
            _check_condition(condition)
    if step["Type"] == "ForEach":
        at_once = arguments["MaxConcurrency"]
        if not _PARAMETER_TYPES["Integer"](at_once) or not 1 <= at_once <= _MAX_CONCURRENCY:
            raise unparsable(f"MaxConcurrency '{at_once}' must be an integer from 1 to {_MAX_CONCURRENCY}.")
    if within and within.type == "ForEach" and step["Type"] in _NOT_IN_LOOPS:
        raise unparsable(f"Step '{name}' of type '{step['Type']}' cannot be in a ForEach step.")
    _check_parts(step)
    waits_for = {_dependency(each) for each in _array(step.get("DependsOn"))}
    own = {member: value for member, value in arguments.items() if member not in _NESTED}
    return _Step(
        name,
        step["Type"],
        {**step, "Arguments": own},
        frozenset(waits_for | ({within.name} if within else set())),
        within.type if within else "",
    )


def _dependency(given: Any) -> str:
    """The name of a step to wait for, which may stand beside the outcome to wait for."""
    if isinstance(given, str):
        return _name(given, _NAME, "Step")
    known(_object(given), ("Step", "Trigger"), _UNKNOWN_PROPERTY)
    present(_object(given), ("Step",), _MISSING_PROPERTY)
    if given.get("Trigger", "Completed") not in _TRIGGERS:
        raise unparsable(f"Trigger '{given['Trigger']}' must be one of [{', '.join(_TRIGGERS)}].")
    return _name(given["Step"], _NAME, "Step")


def _check_parts(step: Mapping[str, Any]) -> None:
    """The parts of a step that are objects of their own."""
    known(_object(step.get("CacheConfig")), _CACHE, _UNKNOWN_PROPERTY)
    for policy in _array(step.get("RetryPolicies")):
        known(_object(policy), _RETRY, _UNKNOWN_PROPERTY)
    for member, names in (("PropertyFiles", _PROPERTY_FILE), ("OutputParameters", _OUTPUT)):
        for part in _array(step.get(member)):
            known(_object(part), names, _UNKNOWN_PROPERTY)
            present(_object(part), names, _MISSING_PROPERTY)
            for name in names:
                if not isinstance(part[name], str):
                    raise unparsable(f"The value of {name} must be a string.")
    for output in step.get("OutputParameters") or ():
        if output["OutputType"] not in _PARAMETER_TYPES:
            raise unparsable(f"OutputType '{output['OutputType']}' must be one of [{', '.join(_PARAMETER_TYPES)}].")


def _check_condition(condition: Any) -> None:
    present(_object(condition), ("Type",), _MISSING_PROPERTY)
    members = _CONDITIONS.get(str(condition["Type"]))
    if members is None:
        raise unparsable(f"Unknown condition type '{condition['Type']}'.")
    known(condition, ("Type", *members), _UNKNOWN_PROPERTY)
    present(condition, members, _MISSING_PROPERTY)
    if condition["Type"] == "Not":
        _check_condition(condition["Condition"])
    for member in ("Values", "Conditions"):
        _array(condition.get(member))
    for inner in condition.get("Conditions") or ():
        _check_condition(inner)


def _check_order(definition: _Definition) -> None:
    """Make sure that every step can be reached: what it waits for is there, and does not wait for it."""
    order: TopologicalSorter[str] = TopologicalSorter()
    for step in definition.steps.values():
        for name in step.waits_for:
            if name not in definition.steps:
                raise unparsable(f"Step '{step.name}' depends on step '{name}', which does not exist.")
        order.add(step.name, *step.waits_for, *_references(definition, step.own, step))
    try:
        order.prepare()
    except CycleError as error:
        raise unparsable(f"Steps depend on each other in a cycle: {' -> '.join(error.args[1])}.") from None


def _references(definition: _Definition, value: Any, step: _Step | None) -> Iterator[str]:
    """The names of the steps that a value refers to; all its references must lead somewhere."""
    for expression in expressions(value):
        if wrong := malformed(expression):
            raise unparsable(wrong)
        if "Get" in expression:
            yield from _resolve(definition, expression["Get"], step)


def _resolve(definition: _Definition, reference: str, step: _Step | None) -> Iterator[str]:
    root, _, rest = reference.partition(".")
    in_loop = step is not None and "ForEach" in (step.type, step.within)
    match root:
        case "Parameters" if rest in definition.parameters:
            return
        case "Execution" if rest in EXECUTION_VARIABLES:
            return
        case "PipelineExperimentConfig" if rest in _EXPERIMENT:
            return
        case "MlflowConfig" if rest in _MLFLOW:
            return
        case "ForEach" | "IterationOutput" if in_loop:
            return
        case "Steps":
            name, path = _split(rest)
            target = definition.steps.get(name)
            if target is not None and path and _has(target, path):
                yield name
                return
    where = f" of step '{step.name}'" if step else ""
    raise unparsable(f"Reference '{reference}'{where} cannot be resolved.")


def _split(rest: str) -> tuple[str, list[str | int] | None]:
    name, _, path = rest.partition(".")
    return name, path_of(path)


def _has(step: _Step, path: list[str | int]) -> bool:
    """Whether a step has what a path leads to."""
    match path:
        case ["PropertyFiles", name]:
            return name in step.named("PropertyFiles", "PropertyFileName")
        case ["OutputParameters", name]:
            return name in step.named("OutputParameters", "OutputName")
        case ["OutputParameters", *_] | ["PropertyFiles", *_]:
            return False
    return leads_somewhere(step.kind.described, path)
