"""Processing jobs of the SageMaker SDK v2's processors."""

import shutil

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def client(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "sdk_v2_processing.py", tmp_path_factory.mktemp("processing"))


def test_a_script_of_one_file_runs_and_shows_its_log(client: Seen) -> None:
    seen = client["a_script_of_one_file"]
    assert seen == {"status": "Completed", "train": "b\na\n", "attached": True, "inputs": ["input-1", "code"]}
    assert "alone with --ratio 0.2" in client.output


def test_a_folder_comes_with_its_modules_and_requirements(client: Seen) -> None:
    ran = client["a_folder_with_requirements"]
    seen = ran["seen"]
    assert seen.pop("python") == "/opt/venv/bin/python"
    assert seen == {
        "arguments": {"ratio": 0.25},
        "helper": "a module beside the script",
        "sklearn": "1.2.1",
        "tabulate": "0.9.0",
        "colour": "blue",
        "name": ran["job"],
    }
    assert (ran["train"], ran["message"], ran["max_runtime"]) == ("a\nb", "2 rows", 1234)
    assert ran["tags"] == [{"Key": "team", "Value": "red"}]


def test_a_script_that_fails_is_an_error_that_says_why(client: Seen) -> None:
    seen = client["a_script_that_fails"]
    assert seen["error"] == "UnexpectedStatusException"
    assert "Failed. Reason: AlgorithmError: " in seen["words"]
    assert "ValueError: no such column, exit code: 1" in seen["words"]
    assert seen["kept"] == "b\na\n"


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java: apt-get install openjdk-17-jre-headless")
def test_a_spark_application_reads_and_writes_s3_and_folders(client: Seen) -> None:
    seen = client["a_spark_application"]
    assert seen["counted"] == ["ONE,1", "TWO,2"]
    assert seen["words"] == [{"word": "ONE", "count": 1}, {"word": "TWO", "count": 2}]
    assert (len(seen["events"]), seen["event"]) == (1, "SparkListenerLogStart")
    assert seen["events"][0].startswith("local-")
    assert "SETTING 3 3.5.9" in client.output
    assert "Spark 3.3 is not shipped: running with Spark 3.5.9" in client.output
