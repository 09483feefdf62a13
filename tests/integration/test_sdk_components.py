"""Inference components with both SageMaker SDKs."""

import json

import pytest

from tests.integration import components, programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def version_2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "components_v2.py", tmp_path_factory.mktemp("components"))


def test_models_of_sdk_v2_share_an_endpoint(version_2: Seen) -> None:
    assert version_2["deploy_two_models_on_one_endpoint"] == {
        "components": ["-2", "-3"],
        "endpoints": 1,
        "answers": [[2.0, 4.0], [3.0, 6.0]],
    }


def test_predictors_of_sdk_v2_name_their_component(version_2: Seen) -> None:
    seen = version_2["ask_by_the_name_of_a_component"]
    assert seen["answer"] == [15.0]
    assert "Inference Component Name header is required" in seen["without"]["words"]


def test_a_component_is_updated_by_what_changes_alone(version_2: Seen) -> None:
    seen = version_2["give_a_component_other_room"]
    assert (seen["status"], seen["copies"], seen["answer"], seen["related"]) == ("InService", 2, [8.0], 2)
    assert seen["specification"]["ModelName"].endswith("-2")
    assert seen["specification"]["ComputeResourceRequirements"]["MinMemoryRequiredInMb"] == 256


def test_an_endpoint_goes_after_its_components(version_2: Seen) -> None:
    seen = version_2["delete_the_components_and_then_the_endpoint"]
    assert "it hosts inference components" in seen["before"]["words"]


def test_resources_of_sdk_v3_ask_a_component(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> None:
    endpoint = components.endpoint(platform)
    called = components.component(platform, endpoint, components.model(platform, "7"))
    folder = tmp_path_factory.mktemp("components-v3")
    (folder / "facts.json").write_text(json.dumps({"endpoint": endpoint, "component": called}), encoding="utf-8")
    seen = programs.run(platform, "sdk-v3", "components_v3.py", folder)
    assert seen["ask_a_component"] == {"answer": "7", "variant": "AllTraffic"}
    assert seen["find_a_component"]["names"] == [called]
    components.delete(platform, endpoint)
