"""What is wrong with the input of CreateHyperParameterTuningJob.

AWS's own words are known of a missing metric, too few combinations and a name in use; where they are not, the words are
ours and the rules those of the developer guide:
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sagesmith.services.sagemaker.built_in_algorithms import algorithm_of, check_tuning
from sagesmith.services.sagemaker.engine import Kind
from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.services.sagemaker.tuning.definitions import (
    OBJECTIVE_HYPERPARAMETER,
    Definition,
    definitions_of,
    training_job,
    training_job_name,
)
from sagesmith.tuning.ranges import Categorical, InvalidRange, Space, combinations, dimensions, twice
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

MAX_RANGES = 30
MAX_HYPERPARAMETERS = 100
MAX_EPOCHS = 20_000
MAX_VARIABLES = 48
"""Environment variables of a training job definition, which the model says, and of all of a tuning job together, which
the documentation of `HyperParameterTrainingJobDefinition.Environment` does."""
_AUTOTUNED = 20
"""Training jobs for each hyperparameter that is searched, if Autotune is to find out how many there should be."""
_RANGES = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Static hyperparameters that tell Hyperband how many epochs there are at most."""


def check(params: Params) -> None:
    """Raise what is wrong with an input, as far as the input alone tells.

    Raises:
        AwsError: ValidationException, or NotImplementedException for what a training job cannot do yet.
    """
    definitions = definitions_of(params)
    _check_definitions(params, definitions)
    config = params["HyperParameterTuningJobConfig"]
    spaces = [_space(each) for each in definitions]
    for definition, space in zip(definitions, spaces, strict=True):
        _check_objective(definition)
        _check_hyperparameters(definition, space)
    if sum(map(dimensions, spaces)) > MAX_RANGES:
        raise ValidationException(f"A tuning job can search over at most {MAX_RANGES} hyperparameters.")
    if (variables := sum(len(each.given.get("Environment") or {}) for each in definitions)) > MAX_VARIABLES:
        raise ValidationException(
            f"All training job definitions of a tuning job together can have at most {MAX_VARIABLES} environment "
            f"variables: there are {variables}."
        )
    _check_strategy(config, definitions, spaces)
    _check_limits(params, spaces)
    for definition, space in zip(definitions, spaces, strict=True):
        _check_training_job(params["HyperParameterTuningJobName"], definition, space)


def most_trials(params: Mapping[str, Any]) -> float:
    """How many training jobs a tuning job launches at most; infinite if only its other criteria end it."""
    config = params["HyperParameterTuningJobConfig"]
    spaces = [each.space() for each in definitions_of(params)]
    there_are = sum(map(combinations, spaces))
    asked = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    if asked is None and params.get("Autotune"):
        asked = _AUTOTUNED * max(1, sum(map(dimensions, spaces)))
    return min(asked or math.inf, there_are)


def epochs(config: Mapping[str, Any], definition: Definition) -> tuple[int, int]:
    """The least and the most epochs that Hyperband gives a training job.

    Raises:
        ValidationException: the most is neither said nor found among the static hyperparameters.
    """
    said = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    most = said.get("MaxResource") or next(filter(None, (_whole(definition.static.get(name)) for name in EPOCHS)), None)
    if most is None:
        raise ValidationException(
            "Hyperband needs a MaxResource in its HyperbandStrategyConfig, or one of these among the static "
            f"hyperparameters: {', '.join(EPOCHS)}."
        )
    return said.get("MinResource") or 1, most


def _whole(text: str | None) -> int | None:
    """The number in a hyperparameter, which SDKs may have put in quotes."""
    bare = (text or "").strip().strip('"')
    return int(bare) if bare.isdigit() and int(bare) > 0 else None


def _check_definitions(params: Params, definitions: Sequence[Definition]) -> None:
    if not definitions or (params.get("TrainingJobDefinition") and params.get("TrainingJobDefinitions")):
        raise ValidationException("Provide either TrainingJobDefinition or TrainingJobDefinitions, and not both.")
    if not params.get("TrainingJobDefinitions"):
        return
    config = params["HyperParameterTuningJobConfig"]
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if config.get(member):
            raise ValidationException(
                f"{member} cannot be given with TrainingJobDefinitions: each definition has its own."
            )
    if any(not each.name for each in definitions):
        raise ValidationException("Each of TrainingJobDefinitions needs a DefinitionName.")
    for name in twice(each.name for each in definitions):
        raise ValidationException(f"The names of training job definitions must be unique: {name}.")


def _space(definition: Definition) -> Space:
    try:
        space = definition.space()
    except InvalidRange as error:
        raise ValidationException(str(error)) from error
    if not space:
        raise ValidationException("At least one hyperparameter range must be provided to search over.")
    for name in twice(each.name for each in space):
        raise ValidationException(f"The hyperparameter {name} has more than one range.")
    return space


def _check_objective(definition: Definition) -> None:
    if not definition.objective:
        raise ValidationException("The objective of the hyperparameter tuning job is missing.")
    specification = definition.given["AlgorithmSpecification"]
    algorithm = algorithm_of(specification, definition.static)
    if algorithm is not None:
        searched = [each["Name"] for member in _RANGES for each in definition.ranges.get(member) or ()]
        check_tuning(algorithm, specification["TrainingImage"], definition.objective, searched)
        return
    metrics = specification.get("MetricDefinitions") or ()
    if all(each["Name"] != definition.metric for each in metrics):
        raise ValidationException(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric "
            "definitions."
        )


def _check_hyperparameters(definition: Definition, space: Space) -> None:
    both = sorted(definition.static.keys() & {each.name for each in space})
    if both:
        raise ValidationException(f"Hyperparameters cannot be both static and tunable: {', '.join(both)}.")
    own = {OBJECTIVE_HYPERPARAMETER} - definition.static.keys()
    if (count := len(definition.static) + len(space) + len(own)) > MAX_HYPERPARAMETERS:
        raise ValidationException(
            f"A training job can have at most {MAX_HYPERPARAMETERS} hyperparameters, {OBJECTIVE_HYPERPARAMETER} "
            f"included: there are {count}."
        )


def _check_strategy(config: Params, definitions: Sequence[Definition], spaces: Sequence[Space]) -> None:
    strategy = config["Strategy"]
    if strategy != "Hyperband" and config.get("StrategyConfig"):
        raise ValidationException(f"StrategyConfig is supported only for the strategy Hyperband, not for {strategy}.")
    if strategy == "Grid":
        for each in (each for space in spaces for each in space if not isinstance(each, Categorical)):
            raise ValidationException(
                f"Only categorical parameters are supported when using the Grid strategy: {each.name} has a range of "
                "numbers."
            )
    if strategy == "Hyperband":
        if config.get("TrainingJobEarlyStoppingType") == "Auto":
            raise ValidationException(
                "TrainingJobEarlyStoppingType must be Off for the strategy Hyperband, which stops training jobs itself."
            )
        for definition in definitions:
            least, most = epochs(config, definition)
            if least > most or most > MAX_EPOCHS:
                raise ValidationException(
                    f"MinResource {least} must not be greater than MaxResource {most}, nor that than {MAX_EPOCHS}."
                )


def _check_limits(params: Params, spaces: Sequence[Space]) -> None:
    config = params["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    asked, there_are = limits.get("MaxNumberOfTrainingJobs"), float(sum(map(combinations, spaces)))
    if config["Strategy"] == "Grid":
        if asked is not None and asked != there_are:
            raise ValidationException(
                "MaxNumberOfTrainingJobs must equal the number of all combinations of the categorical values for the "
                f"Grid strategy, [{there_are:.0f}], or be left out: it is [{asked}]."
            )
        return
    if asked is not None and asked > there_are:
        raise ValidationException(
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter "
            f"combinations for the provided ranges [{there_are}] must be equal or greater than the value of "
            f"MaxNumberOfJobs, [{asked}]. Provide additional ranges."
        )
    ends = limits.get("MaxRuntimeInSeconds") or config.get("TuningJobCompletionCriteria") or params.get("Autotune")
    if asked is None and not ends:
        raise ValidationException(
            "Provide MaxNumberOfTrainingJobs, MaxRuntimeInSeconds or TuningJobCompletionCriteria: nothing else would "
            "end the tuning job."
        )


def _check_training_job(tuning_job: str, definition: Definition, space: Space) -> None:
    """Raise what CreateTrainingJob would raise for every trial."""
    resources = definition.given.get("HyperParameterTuningResourceConfig") or {}
    if not resources and not definition.given.get("ResourceConfig"):
        raise ValidationException(
            "Provide a ResourceConfig or a HyperParameterTuningResourceConfig in the training job definition."
        )
    if resources.get("InstanceConfigs") and resources.keys() & {"InstanceType", "InstanceCount", "VolumeSizeInGB"}:
        raise ValidationException(
            "InstanceType, InstanceCount and VolumeSizeInGB cannot be given with InstanceConfigs, which have their own."
        )
    name = training_job_name(tuning_job, "", 0)
    refuse(TRAINING_JOB, training_job(definition, name, {each.name: each.at(0.5) for each in space}, ()))


def refuse(kind: Kind, request: Params) -> None:
    """Raise what is wrong with the input of a Create, or not built, before any transaction."""
    for unbuilt in kind.unbuilt:
        unbuilt.refuse(request)
    kind.check({**kind.defaults, **request})
