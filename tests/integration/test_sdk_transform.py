"""Batch transform as the SageMaker SDKs ask for it."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "sdk_v2_transform.py", tmp_path_factory.mktemp("transform-v2"))


@pytest.fixture(scope="module")
def v3(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "sdk_v3_transform.py", tmp_path_factory.mktemp("transform-v3"))


def test_a_model_of_sdk_v2_transforms_joins_and_filters(v2: Seen) -> None:
    assert v2["transform_with_a_model"] == {
        "output": "id-1,6\nid-2,14\n",
        "status": "Completed",
        "processing": {"InputFilter": "$[1:]", "OutputFilter": "$[0,-1]", "JoinSource": "Input"},
        "tags": [{"Key": "team", "Value": "red"}],
    }


def test_a_job_is_attached_to_and_its_data_log_is_printed(v2: Seen) -> None:
    seen = v2["attach_and_read_logs"]
    assert (
        "[sagemaker logs]: MaxConcurrentTransforms=2, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD" in seen["printed"]
    )
    assert (seen["strategy"], seen["accept"], seen["payload"], seen["assemble"]) == (
        "MultiRecord",
        "text/csv",
        1,
        "Line",
    )


def test_an_estimator_of_sdk_v2_transforms_with_what_it_trained(v2: Seen) -> None:
    assert v2["transform_with_an_estimator"] == "30\n"


def test_a_job_that_fails_raises_with_its_reason(v2: Seen) -> None:
    seen = v2["a_job_that_fails"]
    assert seen["error"] == "UnexpectedStatusException"
    assert "No S3 objects found" in seen["words"]


def test_sdk_v3_creates_waits_for_and_lists_transform_jobs(v3: Seen) -> None:
    seen = v3["run_a_transform_job"]
    assert (seen["status"], seen["output"]) == ("Completed", "1,2,3\n3,4,7\n")
    assert seen["listed"] == [v3["create_a_model"]]


def test_the_transformer_of_sdk_v3_transforms(v3: Seen) -> None:
    assert v3["use_the_transformer"] == "3\n7\n"
