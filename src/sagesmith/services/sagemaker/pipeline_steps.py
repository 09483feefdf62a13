"""The types of steps that a pipeline's definition may have: a table, and how the arguments of a step are checked.

The arguments of most steps are the input of the operation that the step calls when it runs, and what others may refer
to is what the matching Describe answers; both follow from the API's model. Any single value may be an expression
instead.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html,
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/, and what the step
classes of the SageMaker SDKs v2 and v3 send. AWS's words: https://github.com/aws/sagemaker-python-sdk/issues/2345
("Expecting start of Json Array."), /issues/3908 ("… Object."), /pull/3472 ("Unknown Argument member …")
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sagesmith.services.sagemaker.engine import sagemaker_shapes
from sagesmith.services.sagemaker.pipeline_references import is_expression
from sagesmith.wire.errors import ValidationException

ANYTHING = "*"
"""In place of names: whatever there is."""


def unparsable(reason: str) -> ValidationException:
    """The error of a definition that is none."""
    return ValidationException(f"Unable to parse pipeline definition. {reason}")


@dataclass(frozen=True)
class StepType:
    """One type of steps.

    Attributes:
        creates: the noun of the operation that the arguments are the input of: `TrainingJob`. Its name is made up when
            the step runs.
        arguments: the names of the arguments where they are no operation's input.
        required: those of them that a step must have.
        excluded: members of the operation's input that are no arguments.
        documents: members of it that are text for the operation and an object of any form here.
        members: members of such a step besides those that every step may have.
        required_members: those of them that it must have.
        properties: what other steps may refer to, besides what Describe of `creates` answers.
        lists: an operation whose output's members can be referred to as well.
    """

    creates: str = ""
    arguments: tuple[str, ...] = (ANYTHING,)
    required: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()
    members: tuple[str, ...] = ()
    required_members: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    lists: str = ""

    @cached_property
    def known_members(self) -> frozenset[str]:
        """The members that such a step may have."""
        return frozenset((*_EVERY_STEP, *self.members, *self.required_members))

    @cached_property
    def described(self) -> Mapping[str, str]:
        """What can be referred to: member → shape, empty of what the API's model does not know."""
        shapes = sagemaker_shapes()
        known = shapes.output(f"Describe{self.creates}") if self.creates else {}
        return {**known, **shapes.output(self.lists), **dict.fromkeys(self.properties, "")}

    def check(self, arguments: Any) -> None:
        """Make sure that a step's arguments are such as its type takes.

        Raises:
            ValidationException: they are not.
        """
        if not isinstance(arguments, dict):
            raise unparsable("Expecting start of Json Object.")
        if self.creates:
            shape = sagemaker_shapes().model.operations[f"Create{self.creates}"].input
            checked = {member: value for member, value in arguments.items() if member not in self.documents}
            _check_structure(str(shape), checked, {f"{self.creates}Name", *self.documents}, self.excluded)
            return
        if ANYTHING not in self.arguments:
            known(arguments, {*self.arguments, *self.required}, "Unknown Argument member '{}'.")
        present(arguments, self.required, "Missing required Argument member '{}'.")


def known(given: Iterable[str], names: Iterable[str], otherwise: str) -> None:
    """Make sure that all names that are given are known ones."""
    for name in given:
        if name not in names:
            raise unparsable(otherwise.format(name))


def present(given: Mapping[str, Any], names: Iterable[str], otherwise: str) -> None:
    """Make sure that all names are given."""
    for name in names:
        if given.get(name) is None:
            raise unparsable(otherwise.format(name))


def _check_value(shape: str, value: Any) -> None:
    described = sagemaker_shapes().shape(shape)
    match described["type"]:
        case "structure":
            _check_structure(shape, value)
        case "list":
            if not isinstance(value, list):
                raise unparsable("Expecting start of Json Array.")
            for element in value:
                _check_value(described["member"]["shape"], element)
        case "map":
            if not isinstance(value, dict):
                raise unparsable("Expecting start of Json Object.")
            for element in value.values():
                _check_value(described["value"]["shape"], element)
        case kind:
            _check_scalar(shape, kind, value, described.get("enum"))


def _check_structure(shape: str, value: Any, made_up: Set[str] = frozenset(), excluded: Set[str] = frozenset()) -> None:
    if not isinstance(value, dict):
        raise unparsable("Expecting start of Json Object.")
    members = sagemaker_shapes().members(shape)
    known(value, members.keys() - excluded, "Unknown Argument member '{}'.")
    required = (member for member in sagemaker_shapes().shape(shape).get("required", ()) if member not in made_up)
    present(value, required, "Missing required Argument member '{}'.")
    for member, inner in value.items():
        if inner is not None:
            _check_value(members[member], inner)


def _check_scalar(shape: str, kind: str, value: Any, enum: list[str] | None) -> None:
    if is_expression(value):
        return
    if isinstance(value, dict | list):
        raise unparsable(f"Model Validation failed: '{shape}' must be a {kind} or an expression.")
    if enum and value not in enum:
        raise unparsable(
            f"Model Validation failed: Value '{value}' for '{shape}' failed to satisfy enum value set: "
            f"[{', '.join(enum)}]"
        )


_EVERY_STEP = ("Name", "Type", "Arguments", "DependsOn", "DisplayName", "Description")
_CACHED = ("CacheConfig",)
_JOB = ("CacheConfig", "RetryPolicies")
_CHECK = (
    *_JOB,
    "CheckType",
    "ModelPackageGroupName",
    "SkipCheck",
    "FailOnViolation",
    "RegisterNewBaseline",
    "SuppliedBaselineConstraints",
    "PropertyFiles",
)
_BASELINES = ("CalculatedBaselineConstraints", "BaselineUsedForDriftCheckConstraints")

STEP_TYPES: Mapping[str, StepType] = {
    "Training": StepType("TrainingJob", members=_JOB),
    "Processing": StepType("ProcessingJob", members=(*_JOB, "PropertyFiles")),
    "Transform": StepType("TransformJob", members=_JOB),
    "Tuning": StepType("HyperParameterTuningJob", members=_JOB, lists="ListTrainingJobsForHyperParameterTuningJob"),
    "AutoML": StepType("AutoMLJob", members=_JOB, properties=("BestCandidateProperties",)),
    "Model": StepType("Model", members=_JOB),
    "RegisterModel": StepType("ModelPackage", excluded=frozenset({"ModelPackageName"}), members=_JOB),
    "EndpointConfig": StepType("EndpointConfig", members=_JOB),
    "Endpoint": StepType("Endpoint", members=_JOB),
    "InferenceComponent": StepType("InferenceComponent", members=_JOB),
    "Job": StepType("Job", documents=frozenset({"JobConfigDocument"}), members=_JOB),
    "QualityCheck": StepType(
        "ProcessingJob",
        members=(*_CHECK, "SuppliedBaselineStatistics"),
        required_members=("CheckType",),
        properties=(*_BASELINES, "CalculatedBaselineStatistics", "BaselineUsedForDriftCheckStatistics"),
    ),
    "ClarifyCheck": StepType(
        "ProcessingJob", members=(*_CHECK, "ModelName"), required_members=("CheckType",), properties=_BASELINES
    ),
    "Condition": StepType(
        arguments=("Conditions", "IfSteps", "ElseSteps"), required=("Conditions",), properties=("Outcome",)
    ),
    "ForEach": StepType(
        arguments=("Selector",),
        required=("IterableItems", "MaxConcurrency", "ForEachBody"),
        properties=(
            "Status",
            "InputItemCount",
            "TotalStepCount",
            "SucceededStepCount",
            "FailedStepCount",
            "StoppedStepCount",
            "IterationOutputs",
            "Selected",
        ),
    ),
    "Fail": StepType(arguments=(), required=("ErrorMessage",)),
    "Lambda": StepType(
        members=(*_CACHED, "OutputParameters"), required_members=("FunctionArn",), properties=("OutputParameters",)
    ),
    "Callback": StepType(
        members=(*_CACHED, "OutputParameters"), required_members=("SqsQueueUrl",), properties=("OutputParameters",)
    ),
    "EMR": StepType(
        arguments=("ClusterId", "ClusterConfig", "ExecutionRoleArn"),
        required=("StepConfig",),
        members=_JOB,
        properties=(
            "Id",
            "Name",
            "Config",
            "ActionOnFailure",
            "Status",
            "ClusterId",
            "ClusterConfig",
            "ExecutionRoleArn",
        ),
    ),
    "EMRServerless": StepType(
        arguments=("ApplicationId", "ApplicationConfig"),
        required=("ExecutionRoleArn", "JobConfig"),
        members=_JOB,
        properties=("jobRun",),
    ),
    "Lineage": StepType(
        arguments=("Actions", "Artifacts", "Contexts", "Associations"),
        properties=("ActionArns", "ArtifactArns", "ContextArns", "Associations"),
    ),
    "Cleanup": StepType(arguments=(), required=("Resources",)),
}
"""Type → what is known of it. Notebook jobs and functions are steps of type Training, the monitoring of a transform is
a Transform and a check."""
