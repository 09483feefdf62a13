"""Processing jobs of the SageMaker SDK v3's processors."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def client(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "sdk_v3_processing.py", tmp_path_factory.mktemp("processing"))


def test_a_script_of_one_file_runs_and_shows_its_log(client: Seen) -> None:
    assert client["a_script_of_one_file"] == {"status": "Completed", "train": "b\na\n"}
    assert "alone with --ratio 0.2" in client.output


def test_a_folder_comes_with_its_modules_and_requirements(client: Seen) -> None:
    ran = client["a_folder_with_requirements"]
    assert (ran["train"], ran["message"]) == ("a\nb", "2 rows")
    assert (ran["seen"]["tabulate"], ran["seen"]["colour"]) == ("0.9.0", "blue")
    assert ran["seen"]["helper"] == "a module beside the script"


def test_a_script_that_fails_is_an_error_that_says_why(client: Seen) -> None:
    assert "ValueError: no such column, exit code: 1" in client["a_script_that_fails"]["words"]


def test_a_job_that_is_stopped_is_stopped(client: Seen) -> None:
    assert client["a_job_that_is_stopped"] == "Stopped"
