"""Experiments as the SageMaker SDKs keep them: v2's `Run`, and the same of v3."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module", params=["sdk-v2", "sdk-v3"])
def runs(request: pytest.FixtureRequest, platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, request.param, "experiments.py", tmp_path_factory.mktemp(request.param))


def test_a_run_logs_parameters_files_artifacts_and_metrics(runs: Seen) -> None:
    seen = runs["a_run_that_logs"]
    described = seen["described"]
    assert seen["within"] == {"PrimaryStatus": "InProgress", "Message": "Within a run context"}
    assert described["Status"]["PrimaryStatus"] == "Completed"
    assert described["Parameters"] == {
        "rate": {"NumberValue": 0.125},
        "model": {"StringValue": "xgb"},
        "depth": {"NumberValue": 5.0},
    }
    assert seen["file"] == "what was seen"
    weights = {"MediaType": "application/x-weights", "Value": "s3://somewhere/weights"}
    assert described["OutputArtifacts"] == {"weights": weights}
    accuracy, loss = described["Metrics"]
    assert (accuracy["MetricName"], accuracy["Last"], accuracy["Count"]) == ("accuracy", 0.75, 1)
    assert (loss["MetricName"], loss["Min"], loss["Max"], loss["Last"], loss["Count"]) == ("loss", 0.04, 1.0, 0.04, 25)
    assert {"Key": "team", "Value": "red"} in seen["tags"]
    assert {"Key": "sagemaker:trial-component-source", "Value": "run"} in seen["tags"]
    assert seen["config"]["TrialName"].startswith("Default-Run-Group-churn-")


def test_a_run_that_is_loaded_goes_on_where_it_was(runs: Seen) -> None:
    seen = runs["the_same_run_loaded"]
    assert seen["Parameters"]["rate"] == {"NumberValue": 0.25}
    assert seen["Parameters"]["model"] == {"StringValue": "xgb"}
    assert seen["Metrics"][1]["Count"] == 26
    assert seen["TrialComponentArn"] == runs["a_run_that_logs"]["described"]["TrialComponentArn"]
    assert runs["a_run_within_a_run_is_the_same"] == {"same": True}


def test_a_run_that_fails_says_why(runs: Seen) -> None:
    seen = runs["a_run_that_fails"]
    assert seen["error"] == "ValueError"
    assert seen["status"] == {"PrimaryStatus": "Failed", "Message": "no such column"}


# Training with SDK v3 has nothing to do with runs.
@pytest.mark.parametrize("runs", ["sdk-v2"], indirect=True)
def test_a_job_that_is_started_within_a_run_is_a_part_of_it(runs: Seen) -> None:
    seen = runs["a_job_within_a_run"]
    source = {"SourceArn": seen["job"]["TrainingJobArn"], "SourceType": "SageMakerTrainingJob"}
    assert seen["run"]["Sources"] == [source]
    (inside,) = seen["run"]["Metrics"]
    assert (inside["MetricName"], inside["Last"]) == ("inside", 0.5)
    assert seen["component"]["Source"] == source
    assert seen["component"]["Status"] == {"PrimaryStatus": "Completed"}
    assert seen["component"]["Parameters"]["depth"] == {"NumberValue": 5.0}
    (loss,) = seen["component"]["Metrics"]
    assert (loss["MetricName"], loss["Last"], loss["SourceArn"]) == ("loss", 0.25, source["SourceArn"])
    model = seen["component"]["OutputArtifacts"]["SageMaker.ModelArtifact"]
    assert model["Value"] == seen["job"]["ModelArtifacts"]["S3ModelArtifacts"]


def test_metrics_are_read_by_iteration_and_by_time(runs: Seen) -> None:
    seen = runs["its_metrics_over_time"]
    assert seen == {"steps": [23, 24, 25], "values": [1 / 24, 0.04, 0.5], "points": 26.0}


def test_runs_are_listed_the_latest_first(runs: Seen) -> None:
    listed = runs["the_runs_of_the_experiment"]["runs"]
    assert [name for name in listed if name != "training"] == ["third", "second", "first"]


def test_analytics_make_a_table_of_runs_in_the_order_of_a_metric(runs: Seen) -> None:
    rows = {row["TrialComponentName"].rpartition("-")[2]: row for row in runs["a_table_of_the_runs"]["rows"]}
    assert {"first", "second", "third"} <= set(rows)
    assert [each for each in rows if each in ("first", "second")] == ["first", "second"]
    assert (rows["first"]["rate"], rows["first"]["model"]) == (0.25, "xgb")
    assert (rows["first"]["loss - Max"], rows["second"]["loss - Max"]) == (1.0, 2.0)
    assert rows["first"]["weights - Value"] == "s3://somewhere/weights"
    assert rows["third"]["Trials"] == [runs["a_run_that_logs"]["config"]["TrialName"]]


def test_an_experiment_ends_with_all_that_is_in_it(runs: Seen) -> None:
    seen = runs["its_end"]
    assert seen["trials"] == [runs["a_run_that_logs"]["config"]["TrialName"]]
    assert "is linked to 1 or more trials and cannot be deleted." in seen["refused"]["words"]
    assert "(ResourceNotFound)" in seen["gone"]["words"]


@pytest.fixture(scope="module")
def resources(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "experiments_v3.py", tmp_path_factory.mktemp("resources"))


def test_resources_of_v3_are_made_changed_listed_and_deleted(resources: Seen) -> None:
    experiment = resources["an_experiment"]
    assert experiment["before"] == [experiment["name"], "first"]
    assert experiment["after"] == ["better", "second"]
    assert experiment["name"] in experiment["listed"]
    component = resources["a_component_in_a_trial"]
    assert component["experiment"] == component["name"]
    assert component["parameters"] == {}
    assert component["of_trial"] == component["of_component"] == [component["name"]]
    end = resources["their_end"]
    assert "is linked to 1 or more trials and cannot be deleted." in end["in_use"]["words"]
    assert "(ResourceNotFound)" in end["gone"]["words"]


def test_resources_of_v3_put_and_get_metrics(resources: Seen) -> None:
    assert resources["its_metrics"] == {"values": [1.0, 0.5, 1 / 3, 0.25], "count": 4, "last": 0.25}
