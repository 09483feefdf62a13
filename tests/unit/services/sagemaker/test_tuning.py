"""The life of a tuning job, against the real store and training jobs whose programs do what a test says."""

from typing import Any

import pytest

from sagesmith.compute.base import MetricSample
from sagesmith.services.sagemaker.tuning import reconciler
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.tunings import (
    LETTERS,
    definition,
    describe,
    finish,
    run,
    trials,
    tuning_job,
    x_squared,
)
from tests.unit.services.sagemaker.world import Task, World


def create(world: World, name: str = "tune", **changes: Any) -> None:
    world.call("CreateHyperParameterTuningJob", **tuning_job(name, **changes))


def test_a_new_tuning_job_is_in_progress_with_counters_at_zero(world: World) -> None:
    create(world)
    described = describe(world)
    assert described["HyperParameterTuningJobArn"].endswith(":hyper-parameter-tuning-job/tune")
    assert described["HyperParameterTuningJobStatus"] == "InProgress"
    assert described["TrainingJobStatusCounters"]["InProgress"] == 0
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 0}
    assert described["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] == "Off"
    assert described["TrainingJobDefinition"]["StaticHyperParameters"]["_tuning_objective_metric"] == "loss"
    assert not any(member.startswith("_") for member in described)


def test_as_many_training_jobs_run_at_once_as_may_and_the_next_follows_when_one_ends(world: World) -> None:
    create(world, parallel=2)
    world.turn(6)
    assert len(trials(world)) == 2
    finish(next(iter(world.backend.present.values())), 1.0)
    world.turn(6)
    described = describe(world)
    assert described["TrainingJobStatusCounters"] == {
        "Completed": 1,
        "InProgress": 2,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 1, "Pending": 2, "Failed": 0}


def test_a_tuning_job_ends_after_all_its_training_jobs_and_names_the_best(world: World) -> None:
    create(world, most=6)
    described = run(world, x_squared)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["Completed"] == 6
    found = trials(world, SortBy="FinalObjectiveMetricValue")
    values = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in found]
    assert values == sorted(values)
    best = described["BestTrainingJob"]
    assert best["TrainingJobName"] == found[0]["TrainingJobName"]
    assert best["ObjectiveStatus"] == "Succeeded"
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {"MetricName": "loss", "Value": values[0]}
    assert described["HyperParameterTuningEndTime"] >= described["CreationTime"]
    assert described["ConsumedResources"]["RuntimeInSeconds"] >= 0


def test_a_training_job_has_static_and_tuned_hyperparameters_and_knows_its_tuning_job(world: World) -> None:
    create(
        world, most=1, Tags=[{"Key": "team", "Value": "blue"}], TrainingJobDefinition=definition(Environment={"A": "1"})
    )
    world.turn(4)
    (trial,) = trials(world)
    job = world.call("DescribeTrainingJob", TrainingJobName=trial["TrainingJobName"])
    assert job["TuningJobArn"] == describe(world)["HyperParameterTuningJobArn"]
    assert set(job["HyperParameters"]) == {"x", "n", "c", "sagemaker_program", "epochs", "_tuning_objective_metric"}
    assert job["HyperParameters"]["_tuning_objective_metric"] == "loss"
    assert {name: job["HyperParameters"][name] for name in ("x", "n", "c")} == trial["TunedHyperParameters"]
    assert job["Environment"] == {"A": "1"}
    assert world.call("ListTags", ResourceArn=trial["TrainingJobArn"])["Tags"] == [{"Key": "team", "Value": "blue"}]
    assert world.backend.only().spec.hyperparameters == job["HyperParameters"]
    component = f"{trial['TrainingJobName']}-aws-training-job"
    assert world.call("DescribeTrialComponent", TrialComponentName=component)["TrialComponentName"] == component


def test_training_jobs_are_named_after_the_tuning_job_and_numbered(world: World) -> None:
    create(world, most=3)
    run(world, x_squared)
    names = [each["TrainingJobName"] for each in trials(world)]
    assert [name.rsplit("-", 1)[0] for name in names] == ["tune-001", "tune-002", "tune-003"]
    assert all(len(name.rsplit("-", 1)[1]) == 8 for name in names)


def test_the_same_seed_tries_the_same_values(world: World) -> None:
    tried = []
    for name in ("one", "two"):
        create(world, name, most=4, parallel=3 if name == "one" else 1)
        run(world, x_squared, name)
        tried.append([each["TunedHyperParameters"] for each in trials(world, name)])
    assert tried[0] == tried[1]


def test_without_a_seed_two_tuning_jobs_try_other_values(world: World) -> None:
    for name in ("one", "two"):
        create(world, name, most=2, RandomSeed=None)
        run(world, x_squared, name)
    one, two = ([each["TunedHyperParameters"] for each in trials(world, name)] for name in ("one", "two"))
    assert one != two


def test_grid_tries_every_combination_once_without_being_told_how_many(world: World) -> None:
    ranges = {
        "CategoricalParameterRanges": [{"Name": "a", "Values": ["1", "2"]}, {"Name": "b", "Values": ["x", "y", "z"]}]
    }
    create(world, most=None, Strategy="Grid", ParameterRanges=ranges)
    assert run(world, lambda _: 1.0)["HyperParameterTuningJobStatus"] == "Completed"
    tried = [(each["TunedHyperParameters"]["a"], each["TunedHyperParameters"]["b"]) for each in trials(world)]
    assert sorted(tried) == [(a, b) for a in "12" for b in "xyz"]


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_no_combination_of_a_finite_space_is_tried_twice(world: World, strategy: str) -> None:
    create(world, most=6, Strategy=strategy, ParameterRanges=LETTERS)
    run(world, lambda _: 1.0)
    assert sorted(each["TunedHyperParameters"]["c"] for each in trials(world)) == list("abcdef")


def test_a_crash_between_any_two_steps_neither_loses_nor_repeats_a_trial(world: World) -> None:
    create(world, most=5, parallel=2)
    for _ in range(60):
        world.new_loop().turn()
        for task in list(world.backend.present.values()):
            if task.alive:
                finish(task, x_squared(task.spec.hyperparameters))
        if describe(world)["HyperParameterTuningJobStatus"] == "Completed":
            break
    assert [each["TrainingJobName"][5:8] for each in trials(world)] == ["001", "002", "003", "004", "005"]
    assert len(world.backend.started) == 5


def test_a_step_that_was_stored_and_not_acknowledged_is_not_taken_twice(world: World) -> None:
    create(world, most=3, parallel=1)
    before = world.stored("hyper-parameter-tuning-job", "tune")
    steps = reconciler.TuningReconciler()
    steps.step(world.home, before)
    with pytest.raises(Exception, match="tune"):
        steps.step(world.home, before)
    assert len(trials(world)) == 1


def test_stopping_ends_the_running_training_jobs_and_launches_no_more(world: World) -> None:
    create(world, most=6, parallel=2)
    world.turn(6)
    assert world.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="tune") == {}
    assert describe(world)["HyperParameterTuningJobStatus"] == "Stopping"
    world.turn(3)
    tasks = list(world.backend.present.values())
    assert all(task.stopped for task in tasks)
    assert len(tasks) == 2
    for task in tasks:
        task.say("Stopped")
    world.turn(3)
    described = describe(world)
    assert described["HyperParameterTuningJobStatus"] == "Stopped"
    assert described["TrainingJobStatusCounters"]["Stopped"] == 2
    assert len(trials(world)) == 2


def test_a_metric_that_never_appears_fails_the_tuning_job_after_five_training_jobs(world: World) -> None:
    create(world, most=20, parallel=1)
    described = run(world, lambda _: None)
    assert described["HyperParameterTuningJobStatus"] == "Failed"
    assert described["FailureReason"] == (
        "No objective metrics found after running 5 training jobs. Please ensure that the custom algorithm is emitting "
        "the objective metric as defined by the regular expression provided."
    )
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 5}
    assert "BestTrainingJob" not in described
    assert {each["TrainingJobStatus"] for each in trials(world)} == {"Completed"}
    assert trials(world, SortBy="FinalObjectiveMetricValue") == []


def test_training_jobs_that_all_fail_fail_the_tuning_job(world: World) -> None:
    create(world, most=3, parallel=1)

    def reached() -> bool:
        for task in list(world.backend.present.values()):
            if task.alive:
                task.say("Failed", failure_reason="AlgorithmError: no")
        return describe(world)["HyperParameterTuningJobStatus"] != "InProgress"

    world.until(reached)
    described = describe(world)
    assert described["FailureReason"].startswith("No training job succeeded after 3 attempts.")
    assert described["TrainingJobStatusCounters"]["NonRetryableError"] == 3
    assert trials(world)[0]["FailureReason"] == "AlgorithmError: no"


def test_one_failed_training_job_does_not_end_the_search(world: World) -> None:
    create(world, most=4, parallel=1)
    failed: list[str] = []

    def reached() -> bool:
        for task in list(world.backend.present.values()):
            if task.alive and not failed:
                failed.append(task.spec.job_name)
                task.say("Failed", failure_reason="InternalServerError: lost")
            elif task.alive:
                finish(task, 1.0)
        return describe(world)["HyperParameterTuningJobStatus"] != "InProgress"

    world.until(reached)
    described = describe(world)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["RetryableError"] == 1
    assert described["TrainingJobStatusCounters"]["Completed"] == 3


@pytest.mark.parametrize(
    ("criteria", "objective", "count"),
    [
        ({"TargetObjectiveMetricValue": 0.5}, lambda hyperparameters: 0.4, 1),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, lambda hyperparameters: 1.0, 4),
        ({"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}, lambda hyperparameters: 1.0, 26),
    ],
)
def test_a_completion_criterion_ends_the_search(world: World, criteria: Params, objective: Any, count: int) -> None:
    create(world, most=40, parallel=1, TuningJobCompletionCriteria=criteria)
    described = run(world, objective)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert len(trials(world)) == count
    details = described["TuningJobCompletionDetails"]
    assert details["NumberOfTrainingJobsObjectiveNotImproving"] == count - 1
    assert ("ConvergenceDetectedTime" in details) == ("ConvergenceDetected" in criteria)


def test_a_tuning_job_over_its_time_stops_its_training_jobs_and_completes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"MaxParallelTrainingJobs": 1, "MaxNumberOfTrainingJobs": 9, "MaxRuntimeInSeconds": 120}
    create(world, ResourceLimits=limits)
    world.turn(4)
    finish(world.backend.only(), 1.0)
    world.turn(4)
    created = describe(world)["CreationTime"]
    monkeypatch.setattr(reconciler.time, "time", lambda: created + 121)
    world.turn(3)
    task = world.backend.only()
    assert task.stopped
    task.say("Stopped")
    world.until(lambda: describe(world)["HyperParameterTuningJobStatus"] == "Completed")
    assert len(trials(world)) == 2


def test_several_definitions_take_turns_each_with_its_own_ranges_and_objective(world: World) -> None:
    definitions = [
        definition(
            DefinitionName=name,
            TuningObjective={"Type": "Minimize", "MetricName": "loss"},
            HyperParameterRanges={"IntegerParameterRanges": [{"Name": name, "MinValue": "1", "MaxValue": "9"}]},
        )
        for name in ("first", "second")
    ]
    request = tuning_job(most=4, HyperParameterTuningJobObjective=None, ParameterRanges=None)
    request.pop("TrainingJobDefinition")
    world.call("CreateHyperParameterTuningJob", **request, TrainingJobDefinitions=definitions)
    described = run(world, lambda values: 0.1 if "second" in values else 0.2)
    found = trials(world)
    assert [each["TrainingJobDefinitionName"] for each in found] == ["first", "second", "first", "second"]
    assert [list(each["TunedHyperParameters"]) for each in found[:2]] == [["first"], ["second"]]
    best = described["BestTrainingJob"]
    assert best["TrainingJobDefinitionName"] == "second"
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Type"] == "Minimize"


def test_instance_configurations_give_the_training_jobs_the_first(world: World) -> None:
    resources = {
        "VolumeKmsKeyId": "alias/k",
        "AllocationStrategy": "Prioritized",
        "InstanceConfigs": [
            {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
            {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 6},
        ],
    }
    without = definition(HyperParameterTuningResourceConfig=resources)
    without.pop("ResourceConfig")
    create(world, most=1, TrainingJobDefinition=without)
    assert describe(world)["TrainingJobDefinition"]["ResourceConfig"]["InstanceType"] == "ml.c5.xlarge"
    world.turn(4)
    job = world.call("DescribeTrainingJob", TrainingJobName=trials(world)[0]["TrainingJobName"])
    assert job["ResourceConfig"] == {
        "InstanceType": "ml.c5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 5,
        "VolumeKmsKeyId": "alias/k",
    }


def emit(task: Task, *values: float) -> None:
    """Let a training job's program print these values of the objective, all within a second."""
    task.samples.append(MetricSample("loss", 1, list(values)))


def test_early_stopping_stops_what_is_worse_than_the_median_at_its_epoch(world: World) -> None:
    world.new_loop(concurrency=4)
    create(world, most=5, parallel=1, TrainingJobEarlyStoppingType="Auto")
    for _ in range(3):
        world.turn(4)
        (task,) = (task for task in world.backend.present.values() if task.alive)
        emit(task, 0.5, 0.4, 0.3)
        finish(task, 0.3)
    world.turn(4)
    (task,) = (task for task in world.backend.present.values() if task.alive)
    emit(task, 0.44)
    world.turn(4)
    assert not task.stopped
    emit(task, 0.6)
    world.turn(4)
    assert task.stopped
    task.say("Stopped", metrics=[{"MetricName": "loss", "Value": 0.6, "Timestamp": 1.0}])
    world.turn(2)
    stopped = trials(world)[3]
    assert (stopped["TrainingJobStatus"], stopped["ObjectiveStatus"]) == ("Stopped", "Succeeded")


def test_hyperband_stops_what_falls_behind_and_what_has_had_its_epochs(world: World) -> None:
    world.new_loop(concurrency=4)
    create(
        world,
        most=4,
        parallel=4,
        Strategy="Hyperband",
        StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}},
    )
    world.turn(8)
    tasks = list(world.backend.present.values())
    assert len(tasks) == 4
    for task, value in zip(tasks, (0.1, 0.5, 0.6, 0.7), strict=True):
        emit(task, value)
    world.turn(2)
    assert [task.stopped for task in tasks] == [False, True, True, True]
    emit(tasks[0], *[0.1] * 8)
    world.turn(2)
    assert tasks[0].stopped


def test_a_tuning_job_is_found_listed_and_deleted_without_its_training_jobs(world: World) -> None:
    create(world, most=1)
    with pytest.raises(Exception, match="only jobs that are Completed, Failed or Stopped can be deleted"):
        world.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="tune")
    run(world, x_squared)
    (listed,) = world.call("ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"]
    assert (listed["Strategy"], listed["ResourceLimits"]["MaxNumberOfTrainingJobs"]) == ("Random", 1)
    assert listed["TrainingJobStatusCounters"]["Completed"] == 1
    found = world.call("Search", Resource="HyperParameterTuningJob")["Results"]
    assert found[0]["HyperParameterTuningJob"]["BestTrainingJob"]["TrainingJobStatus"] == "Completed"
    (trial,) = trials(world)
    assert world.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="tune") == {}
    with pytest.raises(Exception, match="can't find a tuning job"):
        describe(world)
    assert world.call("DescribeTrainingJob", TrainingJobName=trial["TrainingJobName"])["TuningJobArn"]


def test_autotune_guesses_ranges_and_leaves_the_container_s_own_settings(world: World) -> None:
    hints = {"depth": "4", "sagemaker_container_log_level": "20", "sagemaker_program": '"train.py"'}
    ranges = {"AutoParameters": [{"Name": name, "ValueHint": hint} for name, hint in hints.items()]}
    static = definition(StaticHyperParameters={})
    create(world, most=None, ParameterRanges=ranges, TrainingJobDefinition=static, Autotune={"Mode": "Enabled"})
    described = run(world, lambda values: float(values["depth"]))
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["Autotune"] == {"Mode": "Enabled"}
    found = [each["TunedHyperParameters"] for each in trials(world)]
    assert 10 < len(found) <= 20
    assert all(1 <= int(each["depth"]) <= 40 for each in found)
    assert {each["sagemaker_container_log_level"] for each in found} == {"20"}
