"""The trial component that a training job has: where it is, and how it follows the job."""

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import Task, World, training_job

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
JOB = f"{ARN}:training-job/job"
SOURCE = {"SourceArn": JOB, "SourceType": "SageMakerTrainingJob"}
NAME = "Job-aws-training-job"


def create(world: World, **changes: object) -> None:
    world.call("CreateTrainingJob", **training_job("Job", **changes))


def started(world: World, **changes: object) -> Task:
    create(world, **changes)
    world.turn()
    task = world.backend.only()
    task.say("Starting")
    task.say("Downloading")
    return task


def component(world: World) -> Params:
    return checked(world, "DescribeTrialComponent", TrialComponentName=NAME)


def experiment(world: World, name: str, *trials: str) -> None:
    checked(world, "CreateExperiment", ExperimentName=name)
    for trial in trials:
        checked(world, "CreateTrial", TrialName=trial, ExperimentName=name)


def parents(world: World) -> list[Params]:
    (result,) = checked(world, "Search", Resource="ExperimentTrialComponent")["Results"]
    found: list[Params] = result["TrialComponent"]["Parents"]
    return found


def test_a_job_has_a_component_of_what_it_was_given(world: World) -> None:
    create(world, HyperParameters={"depth": "5", "rate": "1e-3", "model": '"xgb"', "none": "nan"})
    described = component(world)
    assert (described["DisplayName"], described["Source"]) == (NAME, SOURCE)
    assert described["Status"] == {"PrimaryStatus": "InProgress"}
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    assert described["Parameters"] == {
        "SageMaker.ImageUri": {"StringValue": image},
        "SageMaker.InstanceType": {"StringValue": "ml.m5.large"},
        "SageMaker.InstanceCount": {"NumberValue": 1.0},
        "SageMaker.VolumeSizeInGB": {"NumberValue": 30.0},
        "depth": {"NumberValue": 5.0},
        "rate": {"NumberValue": 0.001},
        "model": {"StringValue": '"xgb"'},
        "none": {"StringValue": "nan"},
    }
    assert described["InputArtifacts"] == {"train": {"Value": "s3://data/train"}}
    assert described["OutputArtifacts"] == {}
    (listed,) = checked(world, "ListTrialComponents", SourceArn=JOB)["TrialComponentSummaries"]
    assert (listed["TrialComponentName"], listed["TrialComponentSource"]) == (NAME, SOURCE)


def test_a_component_follows_its_job_to_its_completion(world: World) -> None:
    task = started(world)
    world.turn()
    job = checked(world, "DescribeTrainingJob", TrainingJobName="job")
    assert component(world)["StartTime"] == job["TrainingStartTime"]
    assert "EndTime" not in component(world)
    checked(world, "UpdateTrialComponent", TrialComponentName=NAME, Parameters={"mine": {"NumberValue": 1.0}})
    metrics = [{"MetricName": "loss", "Value": 0.5, "Timestamp": 1_700_000_000.0}]
    task.say("Completed", model_artifacts="s3://out/job/output/model.tar.gz", metrics=metrics)
    world.turn()
    job = checked(world, "DescribeTrainingJob", TrainingJobName="job")
    described = component(world)
    assert described["Status"] == {"PrimaryStatus": "Completed"}
    assert described["EndTime"] == job["TrainingEndTime"]
    assert described["OutputArtifacts"] == {"SageMaker.ModelArtifact": {"Value": "s3://out/job/output/model.tar.gz"}}
    assert described["Metrics"] == [{"MetricName": "loss", "SourceArn": JOB, "TimeStamp": 1_700_000_000.0, "Last": 0.5}]
    assert described["Parameters"]["mine"] == {"NumberValue": 1.0}


def test_a_component_of_a_job_that_fails_says_why(world: World) -> None:
    task = started(world)
    task.say("Failed", failure_reason="AlgorithmError: no such column")
    world.turn()
    status = {"PrimaryStatus": "Failed", "Message": "AlgorithmError: no such column"}
    assert component(world)["Status"] == status
    assert component(world)["OutputArtifacts"] == {}


def test_a_component_of_a_job_that_is_stopped_is_stopped(world: World) -> None:
    task = started(world)
    world.turn()
    checked(world, "StopTrainingJob", TrainingJobName="job")
    world.turn()
    assert component(world)["Status"] == {"PrimaryStatus": "Stopping"}
    task.say("Stopped")
    world.turn()
    assert component(world)["Status"] == {"PrimaryStatus": "Stopped"}


def test_a_job_is_in_the_trial_that_its_experiment_config_names(world: World) -> None:
    experiment(world, "Churn", "First")
    config = {"ExperimentName": "churn", "TrialName": "first", "TrialComponentDisplayName": "training"}
    create(world, ExperimentConfig=config)
    assert parents(world) == [{"TrialName": "First", "ExperimentName": "Churn"}]
    assert component(world)["DisplayName"] == "training"
    assert checked(world, "DescribeTrainingJob", TrainingJobName="job")["ExperimentConfig"] == config


def test_a_trial_is_made_for_a_job_of_which_the_experiment_alone_is_named(world: World) -> None:
    experiment(world, "Churn")
    create(world, ExperimentConfig={"ExperimentName": "Churn"})
    (trial,) = checked(world, "ListTrials", ExperimentName="Churn")["TrialSummaries"]
    assert parents(world) == [{"TrialName": trial["TrialName"], "ExperimentName": "Churn"}]


def test_a_job_is_a_source_of_its_run(world: World) -> None:
    experiment(world, "Churn", "Default")
    checked(world, "CreateTrialComponent", TrialComponentName="churn-run")
    create(world, ExperimentConfig={"ExperimentName": "Churn", "TrialName": "Default", "RunName": "churn-run"})
    run = checked(world, "DescribeTrialComponent", TrialComponentName="churn-run")
    assert run["Sources"] == [SOURCE]
    assert "Source" not in run


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"ExperimentName": "none"}, "ResourceNotFound", f"Experiment '{ARN}:experiment/none' does not exist."),
        ({"TrialName": "none"}, "ResourceNotFound", f"Trial '{ARN}:experiment-trial/none' does not exist."),
        (
            {"RunName": "none"},
            "ResourceNotFound",
            f"TrialComponent '{ARN}:experiment-trial-component/none' does not exist.",
        ),
        (
            {"ExperimentName": "Other", "TrialName": "First"},
            "ValidationException",
            f"Trial '{ARN}:experiment-trial/first' is not in Experiment 'Other'.",
        ),
    ],
)
def test_a_job_whose_experiment_config_does_not_fit_is_not_made(
    world: World, config: Params, code: str, words: str
) -> None:
    experiment(world, "Churn", "First")
    experiment(world, "Other")
    error = refused(world, "CreateTrainingJob", **training_job("Job", ExperimentConfig=config))
    assert (error.code, error.message) == (code, words)
    assert checked(world, "ListTrainingJobs")["TrainingJobSummaries"] == []
    assert checked(world, "ListTrialComponents")["TrialComponentSummaries"] == []


def test_a_job_does_without_its_component_once_that_is_deleted(world: World) -> None:
    task = started(world)
    checked(world, "DeleteTrialComponent", TrialComponentName=NAME)
    task.say("Completed")
    world.turn()
    assert checked(world, "DescribeTrainingJob", TrainingJobName="job")["TrainingJobStatus"] == "Completed"
    assert checked(world, "ListTrialComponents")["TrialComponentSummaries"] == []


def test_a_later_job_of_the_same_name_takes_the_component_and_its_trials_over(world: World) -> None:
    experiment(world, "Churn", "First")
    task = started(world, HyperParameters={"old": "1"}, ExperimentConfig={"TrialName": "First"})
    task.say("Failed", failure_reason="AlgorithmError: of the first")
    world.turn()
    checked(world, "DeleteTrainingJob", TrainingJobName="job")
    create(world, HyperParameters={"new": "2"})
    described = component(world)
    assert described["Status"] == {"PrimaryStatus": "InProgress"}
    assert "EndTime" not in described
    assert "old" not in described["Parameters"]
    assert described["Parameters"]["new"] == {"NumberValue": 2.0}
    assert parents(world) == [{"TrialName": "First", "ExperimentName": "Churn"}]


def test_search_shows_the_job_that_a_component_is_of(world: World) -> None:
    create(world)
    (result,) = checked(world, "Search", Resource="ExperimentTrialComponent")["Results"]
    detail = result["TrialComponent"]["SourceDetail"]
    assert detail["SourceArn"] == JOB
    assert detail["TrainingJob"]["TrainingJobName"] == "Job"
    checked(world, "CreateTrialComponent", TrialComponentName="loose")
    named = [{"Name": "TrialComponentName", "Operator": "Equals", "Value": "loose"}]
    answer = checked(world, "Search", Resource="ExperimentTrialComponent", SearchExpression={"Filters": named})
    assert "SourceDetail" not in answer["Results"][0]["TrialComponent"]
