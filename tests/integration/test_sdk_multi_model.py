"""Multi-model endpoints as the SageMaker SDK makes and asks them."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def seen(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "multi_model_v2.py", tmp_path_factory.mktemp("models"))


def test_models_that_share_a_script_answer_by_their_names(seen: Seen) -> None:
    assert seen["deploy"] == [[2.0, 4.0], [3.0, 6.0]]


def test_a_model_is_listed_and_answers_once_it_was_added(seen: Seen) -> None:
    assert seen["add_a_model"] == {
        "listed": ["/deeper/three.tar.gz", "/four.tar.gz", "/two.tar.gz"],
        "answers": [[3.0, 6.0], [4.0, 8.0], [2.0, 4.0]],
    }


def test_a_model_that_is_not_there_is_an_error_of_the_api(seen: Seen) -> None:
    assert seen["what_is_not_there"]["error"] == "ValidationError"
    assert seen["end"] is None


def test_the_resource_classes_of_the_sdk_v3_invoke_models_by_name(
    platform: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    taken = programs.run(platform, "sdk-v3", "multi_model_v3.py", tmp_path_factory.mktemp("models-v3"))
    seen = taken["invoke_models_by_name"]
    assert (seen["container"], seen["answers"]) == ("Enabled", [[2.0, 4.0], [3.0, 6.0]])
    assert "Failed to download model data" in seen["nothing"]["words"]
