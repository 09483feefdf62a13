"""What a demanding user of the SageMaker SDK v3 does beyond the quickstart."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def client(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "sdk_v3.py", tmp_path_factory.mktemp("sdk-v3"))


def test_hyperparameters_of_every_type_reach_the_script(client: Seen) -> None:
    words = 'a "quoted" $HOME `id` \N{SNOWMAN} \\ end'
    seen = client["a_rich_job"]["seen"]
    assert seen["hyperparameters"] == {
        "depth": 5,
        "rate": 0.125,
        "words": words,
        "flag": True,
        "layers": [1, "two"],
        "nested": {"x": [1]},
    }
    assert seen["arguments"]["words"] == words
    assert seen["arguments"]["nested"] == '{"x": [1]}'


def test_hyperparameters_come_from_a_file(client: Seen) -> None:
    seen = client["hyperparameters_of_a_file"]["seen"]
    assert seen["arguments"]["depth"] == 7
    assert seen["arguments"]["words"] == "from a file"
    assert seen["tabulate"] is None


def test_a_source_folder_comes_with_its_modules_and_requirements(client: Seen) -> None:
    seen = client["a_rich_job"]["seen"]
    assert seen["helper"] == "a module of the source folder"
    assert seen["tabulate"] == "0.9.0"
    assert seen["directory"] == "/opt/ml/input/data/code"
    assert seen["variables"]["COLOUR"] == "blue"


def test_local_folders_and_prefixes_are_channels(client: Seen) -> None:
    channels = client["a_rich_job"]["seen"]["channels"]
    assert channels["local"] == ["rows.csv"]
    assert channels["train"] == ["other.csv"]


def test_the_description_of_a_job_has_what_was_asked_for(client: Seen) -> None:
    seen = client["a_rich_job"]
    assert seen["status"] == "Completed"
    assert seen["max_runtime"] == 1234
    assert seen["volume"] == 5
    assert seen["environment"] == {"COLOUR": "blue"}
    assert seen["tags"] == [{"Key": "team", "Value": "red"}]
    assert seen["metrics"] == {"loss": 0.25}
    assert seen["artifact"] == f"/out/{client['start_jobs']['rich']}/output/model.tar.gz"


def test_a_command_runs_in_the_source_folder_without_network(client: Seen) -> None:
    seen = client["a_command"]
    assert seen["status"] == "Completed", seen["reason"]
    assert seen["isolated"]
    assert seen["seen"]["arguments"]["depth"] == 3
    assert seen["seen"]["variables"]["COLOUR"] == "green"


def test_a_failing_script_raises_with_its_exception(client: Seen) -> None:
    failed = client["a_failing_job"]
    assert failed["error"] == "FailedStatusError"
    assert failed["reason"].startswith("AlgorithmError: ")
    assert 'ValueError: no column "target" in the data' in failed["reason"]
    assert failed["reason"] in failed["words"]


def test_a_failing_command_is_quoted(client: Seen) -> None:
    failed = client["a_failing_command"]
    assert failed["status"] == "Failed"
    assert "cat: /no/such/file: No such file or directory" in failed["reason"]


def test_a_job_is_stopped_and_one_that_is_not_there_is_not_found(client: Seen) -> None:
    seen = client["a_stopped_job"]
    assert seen["status"] == "Stopped"
    assert "Requested resource not found." in seen["absent"]["words"]


def test_jobs_are_listed_in_the_order_asked_for(client: Seen) -> None:
    started = client["start_jobs"]
    listed = client["lists"]["jobs"]
    assert listed[:3] == [started["rich"], started["filed"], started["command"]]
    assert client["lists"]["completed"] == 3


@pytest.mark.parametrize("step", ["a_builder_with_source_code", "a_builder_of_a_packed_model"])
def test_a_model_is_deployed_invoked_and_deleted(client: Seen, step: str) -> None:
    seen = client[step]
    factor = 2 if step == "a_builder_with_source_code" else 3
    assert seen["status"] == "InService"
    assert seen["answer"] == ["AllTraffic", [factor, [2 * factor]]]
    assert seen["where"]["file"] == "/opt/ml/model/code/inference.py"
    assert len(seen["listed"]) == 1
    assert "asked to fail" in seen["fails"]["words"]
    assert seen["after"] == seen["models"] == []
