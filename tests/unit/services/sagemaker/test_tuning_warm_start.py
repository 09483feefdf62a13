"""Warm start: what a tuning job takes from those before it, and what it must have in common with them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sagesmith.services.sagemaker.tuning import warm_start
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.tunings import RANGES, definition, run, tuning_job, x_squared
from tests.unit.services.sagemaker.world import World

OTHER_IMAGE = {**definition()["AlgorithmSpecification"], "TrainingImage": "another"}
OTHER_DATA = [{"ChannelName": "c", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/c"}}}]


def warm(kind: str = "IdenticalDataAndAlgorithm", parents: tuple[str, ...] = ("parent",), **changes: Any) -> Params:
    config = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name} for name in parents],
        "WarmStartType": kind,
    }
    return tuning_job("child", most=2, WarmStartConfig=config, **changes)


@pytest.fixture
def parent(world: World) -> Params:
    """A tuning job `parent` that has found what is best there is."""
    world.call("CreateHyperParameterTuningJob", **tuning_job("parent", most=3))
    return run(world, x_squared, "parent")


def learned(world: World) -> list[Any]:
    document = world.stored("hyper-parameter-tuning-job", "child")
    with world.store.read() as tx:
        return warm_start.learned(tx, document, 0)


def test_the_overall_best_may_be_a_parent_s(world: World, parent: Params) -> None:
    world.call("CreateHyperParameterTuningJob", **warm())
    described = run(world, lambda values: x_squared(values) + 1, "child")
    assert described["BestTrainingJob"]["TrainingJobName"].startswith("child-")
    assert described["OverallBestTrainingJob"] == {**parent["BestTrainingJob"], "TuningJobName": "parent"}


def test_transfer_learning_has_no_overall_best_and_learns_ranks(world: World, parent: Params) -> None:
    request = warm(
        "TransferLearning",
        TrainingJobDefinition=definition(AlgorithmSpecification=OTHER_IMAGE, InputDataConfig=OTHER_DATA),
    )
    world.call("CreateHyperParameterTuningJob", **request)
    assert sorted(trial.value for trial in learned(world)) == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    assert "OverallBestTrainingJob" not in run(world, x_squared, "child")


def test_what_was_learned_survives_the_parent(world: World, parent: Params) -> None:
    world.call("CreateHyperParameterTuningJob", **warm())
    before = learned(world)
    assert (
        min(trial.value for trial in before)
        == (parent["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
    )
    world.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="parent")
    world.call("DeleteTrainingJob", TrainingJobName=parent["BestTrainingJob"]["TrainingJobName"])
    assert learned(world) == before
    run(world, x_squared, "child")
    world.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="child")


def test_a_tuning_job_from_before_october_2018_is_no_parent(world: World, parent: Params) -> None:
    old = world.stored("hyper-parameter-tuning-job", "parent")
    with world.store.write() as tx:
        tx.delete(old.kind, old.region, old.key)
        tx.create(replace(old, created_at=datetime(2018, 9, 30, 23, 59, 59, tzinfo=UTC).timestamp()))
    with pytest.raises(AwsError) as refused:
        world.call("CreateHyperParameterTuningJob", **warm())
    assert (refused.value.code, refused.value.message) == (
        "ValidationException",
        "The tuning job parent cannot be a parent of a warm start tuning job: it was created before October 1, 2018.",
    )


def test_a_hyperparameter_that_becomes_tunable_is_learned_with_its_static_value(world: World, parent: Params) -> None:
    ranges = {**RANGES, "IntegerParameterRanges": [*RANGES["IntegerParameterRanges"],
                                                   {"Name": "epochs", "MinValue": "1", "MaxValue": "20"}]}  # fmt: skip
    static = {"sagemaker_program": '"train.py"'}
    world.call(
        "CreateHyperParameterTuningJob",
        **warm(ParameterRanges=ranges, TrainingJobDefinition=definition(StaticHyperParameters=static)),
    )
    assert {trial.parameters["epochs"] for trial in learned(world)} == {"9"}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (warm(parents=("parent", "nobody")), "can't find a tuning job with the name nobody"),
        (
            warm(HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "loss"}),
            "The objective metric for the new tuning job must be the same as for all parent jobs",
        ),
        (warm(TrainingJobDefinition=definition(AlgorithmSpecification=OTHER_IMAGE)), "TrainingImage differs"),
        (warm(TrainingJobDefinition=definition(InputDataConfig=OTHER_DATA)), "InputDataConfig differs"),
        (
            warm(TrainingJobDefinition=definition(StaticHyperParameters={"a": "1", "b": "2", "epochs": "9"})),
            "The total number of static plus tunable hyperparameters must remain the same",
        ),
        (
            warm(
                ParameterRanges={
                    **RANGES,
                    "IntegerParameterRanges": [],
                    "CategoricalParameterRanges": [
                        *RANGES["CategoricalParameterRanges"],
                        {"Name": "n", "Values": ["1", "2"]},
                    ],
                }
            ),
            "The type of the hyperparameter n must not change: it is integer",
        ),
    ],
)
def test_what_does_not_fit_its_parents_is_refused(world: World, parent: Params, request_: Params, said: str) -> None:
    with pytest.raises(AwsError) as raised:
        world.call("CreateHyperParameterTuningJob", **request_)
    assert said in raised.value.message
    assert len(world.call("ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"]) == 1


def test_more_than_ten_changes_of_static_values_are_refused(world: World) -> None:
    many = {f"h{each}": "old" for each in range(6)}
    first = tuning_job("parent", most=1, TrainingJobDefinition=definition(StaticHyperParameters=many))
    world.call("CreateHyperParameterTuningJob", **first)
    run(world, x_squared, "parent")
    for count, refused in ((5, False), (6, True)):
        static = {**many, **{f"h{each}": "new" for each in range(count)}}
        request = warm(TrainingJobDefinition=definition(StaticHyperParameters=static))
        if refused:
            request["HyperParameterTuningJobName"] = "another"
            with pytest.raises(AwsError, match="since parent there are 12"):
                world.call("CreateHyperParameterTuningJob", **request)
        else:
            world.call("CreateHyperParameterTuningJob", **request)


def test_a_parent_that_still_runs_is_refused(world: World) -> None:
    world.call("CreateHyperParameterTuningJob", **tuning_job("parent"))
    with pytest.raises(AwsError, match="parent is in status InProgress"):
        world.call("CreateHyperParameterTuningJob", **warm())
