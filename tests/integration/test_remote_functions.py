"""`@remote` functions: the SDK's own entry point in an image that does not have the SDK."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module", params=["sdk-v2", "sdk-v3"])
def client(request: pytest.FixtureRequest, platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, request.param, "remote.py", tmp_path_factory.mktemp(request.param))


def test_a_function_runs_in_its_image_and_its_value_comes_back(client: Seen) -> None:
    seen = client["a_function"]
    assert seen["quotient"] == 2.5
    assert seen["sklearn"] == "1.4.2"
    assert seen["python"] == seen["client"]


def test_what_a_function_raises_is_raised_where_it_was_called(client: Seen) -> None:
    assert client["an_error"] == ["ValueError", "what the function raised"]


def test_a_function_has_its_requirements_and_the_working_directory(client: Seen) -> None:
    assert client["dependencies_and_the_working_directory"] == ["a module of the working directory", "0.9.0"]
