"""What training jobs of the SageMaker SDK v2 leave behind."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def outputs(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "sdk_v2_outputs.py", tmp_path_factory.mktemp("outputs"))


def test_a_job_with_debugger_rules_runs_and_says_that_they_are_not_evaluated(outputs: Seen) -> None:
    seen = outputs["debugger_and_tensorboard"]
    assert (seen["status"], seen["retries"]) == ("Completed", 2)
    assert [each["RuleConfigurationName"] for each in seen["rules"]] == ["LossNotDecreasing", "ProfilerReport"]
    for rule in seen["rules"]:
        assert rule["RuleEvaluationStatus"] == "Error"
        assert "are not evaluated here" in rule["StatusDetails"]


def test_event_files_are_where_the_sdk_says_that_tensorboard_finds_them(outputs: Seen) -> None:
    assert outputs["debugger_and_tensorboard"]["events"] == ["/events.out.1"]


def test_output_without_compression_lies_file_by_file_where_the_sdk_looks_for_a_model(outputs: Seen) -> None:
    seen = outputs["debugger_and_tensorboard"]
    assert seen["outputs"] == ["/output/model/deep/weights", "/output/output/report.json"]
    assert seen["model"] == "/output/model/"


def test_the_next_spot_job_begins_with_the_checkpoint_of_the_one_before(outputs: Seen) -> None:
    seen = outputs["a_spot_job_and_the_next_one"]
    assert seen["checkpoints"] == ["/state.txt"]
    assert seen["seconds"][0] == seen["seconds"][1] > 0
    assert "begins with what was learnt" in outputs.output


def test_intermediate_output_is_uploaded_beside_the_archives(outputs: Seen) -> None:
    seen = outputs["a_spot_job_and_the_next_one"]
    assert seen["outputs"] == ["/output/intermediate/step.txt", "/output/model.tar.gz", "/output/output.tar.gz"]


def test_the_next_job_reuses_a_warm_pool_which_an_update_ends(outputs: Seen) -> None:
    seen = outputs["a_warm_pool"]
    assert seen["reused"] == [seen["jobs"]]
    assert seen["after"] == "Terminated"
