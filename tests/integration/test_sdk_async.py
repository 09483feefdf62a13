"""Asynchronous inference as the SageMaker SDK does it."""

from pathlib import Path

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "async_v2.py", tmp_path_factory.mktemp("async"))


def test_v2_deploys_with_an_async_inference_config(v2: Seen) -> None:
    seen = v2["deploy"]
    assert seen["class"] == "AsyncPredictor"
    output = seen["config"]["OutputConfig"]
    assert (output["S3OutputPath"], output["S3FailurePath"]) == (f"{seen['prefix']}/out", f"{seen['prefix']}/failed")
    assert seen["config"]["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 2}


def test_v2_waits_for_a_prediction(v2: Seen) -> None:
    assert v2["predict_and_wait"] == [[3.0, 6.0], [9.0, 12.0]]


def test_v2_finds_a_prediction_that_it_did_not_wait_for(v2: Seen) -> None:
    seen = v2["predict_without_waiting"]
    assert seen["result"] == [[15.0, 18.0]]
    assert seen["output"].startswith(f"{v2['deploy']['prefix']}/out/")
    assert seen["failure"].startswith(f"{v2['deploy']['prefix']}/failed/")


def test_v2_raises_what_the_model_said(v2: Seen) -> None:
    seen = v2["fail"]
    assert seen["error"] == "AsyncInferenceModelError"
    assert "asked to fail" in seen["words"]
    assert v2["delete"]


def test_v3_invokes_with_its_resource_classes(platform: Running, tmp_path: Path) -> None:
    seen = programs.run(platform, "sdk-v3", "async_v3.py", tmp_path)["invoke"]
    assert seen == {"id": "mine", "answer": "[[2.0, 4.0]]", "concurrency": 1}
