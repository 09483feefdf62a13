"""The resource classes of the SDK v3: every one whose operations are built, through every call that it has."""

import json

import pytest

from sagesmith.services import all_handlers
from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen
from tests.unit.services.home import home_in

pytestmark = pytest.mark.sdk

_NESTED = "Describe nests the resource, as AWS does; the class looks for its name at the top"
_NO_IMAGE = "the class must have an image_name, which DescribeImageVersion does not answer with"
_DEVICES = "it takes devices as resources, whose fleet it sends along with each; the API takes none there"

BROKEN = {
    "DeviceFleet.register_devices": ('Unknown parameter in Devices[0]: "DeviceFleetName"', _DEVICES),
    "DeviceFleet.update_devices": ('Unknown parameter in Devices[0]: "DeviceFleetName"', _DEVICES),
    "EdgeDeploymentPlan.create_stage": (
        'Unknown parameter in Stages[0]: "DeploymentStatus"',
        "it sends the stages that Describe answered with, of which the API takes the status back from nobody",
    ),
    "HubContent.load": (
        "got an unexpected keyword argument 'service_name'",
        "it makes its client with an argument that there is not",
    ),
    "HubContent.get_all_versions": (
        'Missing required parameter in input: "HubName"',
        "it refreshes what it lists, and a summary does not say of which hub it is",
    ),
    "HubContentPresignedUrls.create": (
        "validation errors for HubContentPresignedUrls",
        "it makes itself of the request's members in the API's spelling instead of its own",
    ),
    "Image.get_all_aliases": ("'str' object has no attribute 'values'", "it takes an alias for a mapping"),
    "ImageVersion.create": ("1 validation error for ImageVersion", _NO_IMAGE),
    "ImageVersion.get": ("1 validation error for ImageVersion", _NO_IMAGE),
    "InferenceExperiment.stop": (
        "object has no attribute 'model_variant_actions'",
        "it sends members of the request that it takes no arguments for",
    ),
    "ModelPackage.create": ("KeyError: 'ModelPackageName'", "CreateModelPackage answers with an ARN alone"),
    "Workforce.create": ("1 validation error for Workforce", _NESTED),
    "Workforce.get": ("1 validation error for Workforce", _NESTED),
    "Workteam.create": ("1 validation error for Workteam", _NESTED),
    "Workteam.get": ("1 validation error for Workteam", _NESTED),
}
"""Calls that fail in the SDK itself, whatever a service answers → words of the failure, and why."""


@pytest.fixture(scope="module")
def walk(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    home = home_in(tmp_path_factory.mktemp("handlers"))
    built = [operation for operations in all_handlers(home).values() for operation in operations]
    home.store.close()
    folder = tmp_path_factory.mktemp("resources")
    (folder / "built.json").write_text(json.dumps(built), encoding="utf-8")
    return programs.run(platform, "sdk-v3", "resources_v3.py", folder)


def test_every_call_whose_operations_are_built_is_tried(walk: Seen) -> None:
    assert walk["the_walk"]["untried"] == []
    assert len(walk["the_walk"]["made"]) >= 43


def test_every_call_succeeds_but_those_that_fail_in_the_sdk(walk: Seen) -> None:
    failures = walk["the_walk"]["failures"]
    assert {call: words for call, words in failures.items() if call not in BROKEN} == {}


@pytest.mark.parametrize("call", BROKEN)
def test_a_call_that_failed_in_the_sdk_still_does(walk: Seen, call: str) -> None:
    words, _ = BROKEN[call]
    assert words in walk["the_walk"]["failures"].get(call, "nothing: take it out of the table")
