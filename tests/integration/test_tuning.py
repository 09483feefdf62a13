"""Tuning jobs on a real platform: programs run, their output is scraped, and the search follows it."""

import time

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import Running
from tests.integration.jobs import wait_job
from tests.integration.tunings import start_tuning, trials_of, wait_tuning

EPOCHS = """
import argparse, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
rate = parser.parse_known_args()[0].rate
for epoch in range(1, 4 if 1 < rate < 9 else 10_000):
    print(f"loss={rate + 1 / epoch:.6f}", flush=True)
    time.sleep(0.05)
"""
"""A program of three epochs, or, for a rate below 1 or from 9 on, one that goes on until it is stopped."""


def test_a_search_finds_what_its_programs_print(platform: Running) -> None:
    called = start_tuning(platform, trials=5, Tags=[{"Key": "team", "Value": "blue"}])
    described = wait_tuning(platform, called)
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    assert described["TrainingJobStatusCounters"]["Completed"] == 5
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 5, "Pending": 0, "Failed": 0}
    found = trials_of(platform, called, SortBy="FinalObjectiveMetricValue", MaxResults=2)
    assert len(found) == 5
    for trial in found:
        rate = float(trial["TunedHyperParameters"]["rate"])
        value = trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert value == pytest.approx((rate - 0.3) ** 2, abs=1e-5)
    best = described["BestTrainingJob"]
    assert best["TrainingJobName"] == found[0]["TrainingJobName"]
    job = wait_job(platform, best["TrainingJobName"])
    assert job["TuningJobArn"] == described["HyperParameterTuningJobArn"]
    assert job["HyperParameters"]["_tuning_objective_metric"] == "loss"
    tags = platform.client("sagemaker").list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]


def test_a_warm_start_goes_on_from_its_parent(platform: Running) -> None:
    parent = start_tuning(platform, trials=2)
    before = wait_tuning(platform, parent)["BestTrainingJob"]
    client = platform.client("sagemaker")
    request = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=parent)
    called = f"{parent}-2"
    client.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=called,
        HyperParameterTuningJobConfig=request["HyperParameterTuningJobConfig"],
        TrainingJobDefinition=request["TrainingJobDefinition"],
        WarmStartConfig={
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}],
            "WarmStartType": "IdenticalDataAndAlgorithm",
        },
    )
    described = wait_tuning(platform, called)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    candidates = [before, described["BestTrainingJob"]]
    best = min(candidates, key=lambda each: each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
    assert described["OverallBestTrainingJob"]["TrainingJobName"] == best["TrainingJobName"]
    assert client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=parent)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=parent)


def test_stopping_a_tuning_job_stops_its_training_jobs(platform: Running) -> None:
    called = start_tuning(platform, trials=3, script=EPOCHS)
    client = platform.client("sagemaker")
    while not any(
        client.describe_training_job(TrainingJobName=each["TrainingJobName"])["SecondaryStatus"] == "Training"
        for each in trials_of(platform, called)
    ):
        time.sleep(0.1)
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=called)
    described = wait_tuning(platform, called)
    assert described["HyperParameterTuningJobStatus"] == "Stopped"
    assert {each["TrainingJobStatus"] for each in trials_of(platform, called)} == {"Stopped"}


def test_hyperband_stops_a_program_that_has_had_its_epochs(platform: Running) -> None:
    config = {
        "Strategy": "Hyperband",
        "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 5}},
    }
    called = start_tuning(platform, trials=1, script=EPOCHS, Config=config)
    described = wait_tuning(platform, called)
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    (trial,) = trials_of(platform, called)
    assert (trial["TrainingJobStatus"], trial["ObjectiveStatus"]) == ("Stopped", "Succeeded")
    assert described["BestTrainingJob"]["TrainingJobName"] == trial["TrainingJobName"]


def test_early_stopping_ends_a_program_that_is_worse_than_those_before(platform: Running) -> None:
    config = {
        "Strategy": "Grid",
        "TrainingJobEarlyStoppingType": "Auto",
        "ResourceLimits": {"MaxParallelTrainingJobs": 1},
        "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "rate", "Values": ["2", "3", "4", "99"]}]},
    }
    called = start_tuning(platform, script=EPOCHS, Config=config)
    described = wait_tuning(platform, called)
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    statuses = {each["TunedHyperParameters"]["rate"]: each["TrainingJobStatus"] for each in trials_of(platform, called)}
    assert statuses == {"2": "Completed", "3": "Completed", "4": "Completed", "99": "Stopped"}
    assert described["BestTrainingJob"]["TunedHyperParameters"] == {"rate": "2"}
