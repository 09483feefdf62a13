"""What CreateHyperParameterTuningJob refuses, and that it has changed nothing then."""

from typing import Any

import pytest

from sagesmith.services.sagemaker.tuning.definitions import training_job_name
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.tunings import LETTERS, RANGES, definition, describe, run, tuning_job, x_squared
from tests.unit.services.sagemaker.world import World, training_job

METRIC = {"Type": "Minimize", "MetricName": "loss"}


def ranges(**changes: Any) -> Params:
    """Ranges of which the continuous one is changed."""
    (x,) = RANGES["ContinuousParameterRanges"]
    return {"ContinuousParameterRanges": [{**x, **changes}]}


def refusal(world: World, request: Params) -> AwsError:
    with pytest.raises(AwsError) as raised:
        world.call("CreateHyperParameterTuningJob", **request)
    assert world.call("ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"] == []
    return raised.value


def hyperband(**changes: Any) -> Params:
    return {"Strategy": "Hyperband", "StrategyConfig": {"HyperbandStrategyConfig": changes}}


WITHOUT_EPOCHS = definition(StaticHyperParameters={"sagemaker_program": '"train.py"'})
WITHOUT_METRICS = definition(
    AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File", "MetricDefinitions": []}
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ParameterRanges": ranges(MinValue="2")}, "its MinValue 2 is greater than its MaxValue 1"),
        ({"ParameterRanges": ranges(ScalingType="Logarithmic")}, "only values greater than 0"),
        ({"ParameterRanges": ranges(MaxValue="many")}, "is not a number: 'many'"),
        ({"ParameterRanges": None}, "At least one hyperparameter range"),
        ({"ParameterRanges": ranges(Name="epochs")}, "cannot be both static and tunable: epochs"),
        (
            {"ParameterRanges": {**ranges(), "AutoParameters": [{"Name": "x", "ValueHint": "1"}]}},
            "The hyperparameter x has more than one range",
        ),
        (
            {"ParameterRanges": {"CategoricalParameterRanges": [{"Name": "c", "Values": ["one"]}]}, "most": 3},
            "The total number of hyperparameter combinations for the provided ranges [1.0] must be equal or greater "
            "than the value of MaxNumberOfJobs, [3]. Provide additional ranges.",
        ),
        ({"Strategy": "Grid", "most": None}, "Only categorical parameters are supported"),
        ({"Strategy": "Grid", "ParameterRanges": LETTERS, "most": 5}, "[6], or be left out: it is [5]"),
        ({"most": None}, "nothing else would end the tuning job"),
        ({"HyperParameterTuningJobObjective": None}, "objective of the hyperparameter tuning job is missing"),
        (
            {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "other"}},
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric "
            "definitions.",
        ),
        ({"TrainingJobDefinition": WITHOUT_METRICS}, "A metric is required"),
        ({"StrategyConfig": hyperband(MaxResource=3)["StrategyConfig"]}, "only for the strategy Hyperband, not"),
        ({**hyperband(), "TrainingJobDefinition": WITHOUT_EPOCHS}, "Hyperband needs a MaxResource"),
        (hyperband(MinResource=5, MaxResource=3), "MinResource 5 must not be greater than MaxResource 3"),
        (hyperband(MaxResource=20_001), "nor that than 20000"),
        ({**hyperband(), "TrainingJobEarlyStoppingType": "Auto"}, "must be Off for the strategy Hyperband"),
        (
            {"TrainingJobDefinition": definition(ResourceConfig=None)},
            "Provide a ResourceConfig or a HyperParameterTuningResourceConfig",
        ),
        (
            {"TrainingJobDefinition": definition(EnableManagedSpotTraining=True)},
            "Invalid MaxWaitTimeInSeconds",
        ),
        (
            {"TrainingJobDefinition": definition(StaticHyperParameters={f"h{each}": "1" for each in range(97)})},
            "at most 100 hyperparameters",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(world: World, changes: Params, said: str) -> None:
    request = tuning_job(**changes)
    request["TrainingJobDefinition"] = {
        member: value for member, value in request["TrainingJobDefinition"].items() if value is not None
    }
    error = refusal(world, request)
    assert error.code == "ValidationException"
    assert said in error.message


def test_definitions_are_one_or_several_and_these_have_all_that_is_their_own(world: World) -> None:
    several = [
        definition(DefinitionName=name, TuningObjective=METRIC, HyperParameterRanges=RANGES) for name in ("a", "a")
    ]
    both = {**tuning_job(), "TrainingJobDefinitions": several[:1]}
    assert "and not both" in refusal(world, both).message
    alone = {member: value for member, value in both.items() if member != "TrainingJobDefinition"}
    assert "each definition has its own" in refusal(world, alone).message
    bare = tuning_job(HyperParameterTuningJobObjective=None, ParameterRanges=None)
    bare.pop("TrainingJobDefinition")
    assert "Provide either" in refusal(world, bare).message
    assert "must be unique: a" in refusal(world, {**bare, "TrainingJobDefinitions": several}).message
    del several[0]["DefinitionName"]
    assert "needs a DefinitionName" in refusal(world, {**bare, "TrainingJobDefinitions": several}).message


def test_what_training_jobs_cannot_do_yet_is_refused_with_its_place(world: World) -> None:
    algorithm = {**definition()["AlgorithmSpecification"], "AlgorithmName": "mine"}
    error = refusal(world, tuning_job(TrainingJobDefinition=definition(AlgorithmSpecification=algorithm)))
    assert (error.code, error.status) == ("NotImplementedException", 501)
    assert "TrainingJobDefinition.AlgorithmSpecification.AlgorithmName" in error.message


def test_a_categorical_of_one_value_is_one_combination(world: World) -> None:
    single = {"CategoricalParameterRanges": [{"Name": "c", "Values": ["one"]}]}
    world.call("CreateHyperParameterTuningJob", **tuning_job(most=1, ParameterRanges=single))
    assert run(world, lambda _: 1.0)["BestTrainingJob"]["TunedHyperParameters"] == {"c": "one"}


def test_a_name_that_is_taken_is_refused_in_aws_s_words(world: World) -> None:
    world.call("CreateHyperParameterTuningJob", **tuning_job())
    with pytest.raises(AwsError) as raised:
        world.call("CreateHyperParameterTuningJob", **tuning_job("Tune"))
    assert raised.value.code == "ResourceInUse"
    assert raised.value.message == (
        "A hyperparameter tuning job with the name, Tune, already exists. Choose a different name."
    )


def test_a_tuning_job_that_is_not_there_or_has_ended_is_not_stopped(world: World) -> None:
    with pytest.raises(AwsError, match="can't find a tuning job with the name none") as raised:
        world.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="none")
    assert raised.value.code == "ResourceNotFound"
    world.call("CreateHyperParameterTuningJob", **tuning_job(most=1))
    run(world, x_squared)
    with pytest.raises(AwsError, match="in status Completed"):
        world.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="tune")


def test_a_training_job_that_has_the_name_of_a_trial_fails_the_tuning_job(world: World) -> None:
    world.call("CreateHyperParameterTuningJob", **tuning_job(most=2, parallel=1))
    identity = world.stored("hyper-parameter-tuning-job", "tune").body["_id"]
    world.call("CreateTrainingJob", **training_job(training_job_name("tune", identity, 0)))
    world.turn(4)
    described = describe(world)
    assert described["HyperParameterTuningJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: training job tune-001-")
