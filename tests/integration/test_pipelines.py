"""Pipelines as both SDKs define them."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "sdk_v2_pipelines.py", tmp_path_factory.mktemp("pipelines"))


def test_a_pipeline_of_every_step_is_made_and_changed(v2: Seen) -> None:
    seen = v2["upsert_every_step"]
    assert seen["arn"] == seen["again"]
    assert seen["description"] == "second"
    assert seen["types"] == [
        "AutoML",
        "Callback",
        "ClarifyCheck",
        "Condition",
        "EMR",
        "Fail",
        "Lambda",
        "Model",
        "Processing",
        "QualityCheck",
        "RegisterModel",
        "Training",
        "Transform",
        "Tuning",
    ]
    assert {tag["Key"]: tag["Value"] for tag in seen["tags"]} == {"team": "red", "stage": "test"}
    assert seen["executions"] == []


def test_a_definition_that_is_too_long_for_a_request_is_read_from_s3(v2: Seen) -> None:
    seen = v2["a_large_definition_goes_through_s3"]
    assert seen["length"] > 120_000


def test_a_definition_that_cannot_be_read_is_refused(v2: Seen) -> None:
    seen = v2["what_cannot_be_read_is_refused"]
    assert {key: "ValidationException" in each["words"] for key, each in seen.items()} == dict.fromkeys(seen, True)
    assert "NoSuchKey" in seen["missing"]["words"]
    assert "EntityTooLarge" in seen["huge"]["words"]
    assert "UTF-8" in seen["binary"]["words"]


def test_a_pipeline_is_not_run_and_is_deleted(v2: Seen) -> None:
    seen = v2["delete_and_start"]
    assert "NotImplementedException" in seen["started"]["words"]
    assert "ResourceNotFound" in seen["gone"]["words"]


@pytest.fixture(scope="module")
def v3(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "sdk_v3_pipelines.py", tmp_path_factory.mktemp("pipelines-v3"))


def test_steps_that_v3_alone_has_are_accepted(v3: Seen) -> None:
    seen = v3["upsert"]
    assert seen["types"] == ["Cleanup", "Condition", "EMRServerless", "ForEach", "Lambda", "Processing", "Training"]
    assert seen["waits"] == [{"Step": "Train", "Trigger": "Failed"}]
    assert seen["described"] == [seen["arn"], "Active", "second"]
    assert seen["listed"] == [seen["arn"].rsplit("/", 1)[1]]


def test_feature_groups_are_made_extended_and_written_about(v3: Seen) -> None:
    seen = v3["feature_groups"]
    assert (seen["status"], seen["features"]) == ("Created", ["id", "time", "amount"])
    assert seen["metadata"] == ["net", "EUR"]
    assert len(seen["listed"]) == 1
