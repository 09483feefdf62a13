"""Models: their containers, and what they take from model packages."""

from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import World, variant

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package"
CONTAINER = {"Image": "image", "ModelDataUrl": "s3://out/model.tar.gz", "Environment": {"A": "1"}}
OTHER = {"Image": "other", "ModelDataUrl": "s3://out/other.tar.gz"}


def package(world: World, *containers: Params, status: str = "Approved", **members: Any) -> str:
    """A version in the group `g`."""
    if not checked(world, "ListModelPackageGroups")["ModelPackageGroupSummaryList"]:
        checked(world, "CreateModelPackageGroup", ModelPackageGroupName="g")
    if containers:
        members["InferenceSpecification"] = {"Containers": list(containers)}
    members["ModelApprovalStatus"] = status
    return str(checked(world, "CreateModelPackage", ModelPackageGroupName="g", **members)["ModelPackageArn"])


def message(world: World, **members: Any) -> str:
    error = refused(world, "CreateModel", ModelName="m", **members)
    assert error.code == "ValidationException"
    assert checked(world, "ListModels")["Models"] == []
    return error.message


def test_a_model_of_a_package_has_the_containers_of_the_package(world: World) -> None:
    arn = package(world, CONTAINER)
    checked(world, "CreateModel", ModelName="m", PrimaryContainer={"ModelPackageName": arn})
    described = checked(world, "DescribeModel", ModelName="m")
    assert described["PrimaryContainer"] == {"Mode": "SingleModel", "ModelPackageName": arn, **CONTAINER}
    assert "Containers" not in described
    checked(world, "CreateModel", ModelName="n", Containers=[{"ModelPackageName": "g/1"}])
    described = checked(world, "DescribeModel", ModelName="n")
    assert described["Containers"] == [{"Mode": "SingleModel", "ModelPackageName": "g/1", **CONTAINER}]


def test_an_endpoint_serves_the_model_of_a_package(world: World) -> None:
    arn = package(world, CONTAINER)
    checked(world, "CreateModel", ModelName="m", Containers=[{"ModelPackageName": arn}])
    checked(world, "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("m")])
    checked(world, "CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    world.turn()
    spec = world.backend.only().spec
    assert (spec.image, spec.model_data) == (CONTAINER["Image"], CONTAINER["ModelDataUrl"])
    assert spec.environment["A"] == "1"


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_a_version_is_not_deployed_before_it_is_approved(world: World, status: str) -> None:
    arn = package(world, CONTAINER, status=status)
    said = message(world, PrimaryContainer={"ModelPackageName": arn})
    assert said == f"Cannot create a model of model package {arn}: its approval status is {status}, not Approved."
    checked(world, "UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")
    checked(world, "CreateModel", ModelName="m", PrimaryContainer={"ModelPackageName": arn})


def test_a_package_must_be_there_and_have_something_to_deploy(world: World) -> None:
    gone = f"{ARN}/g/1"
    said = message(world, PrimaryContainer={"ModelPackageName": gone})
    assert said == f"ModelPackage {gone} does not exist."
    arn = package(world)
    said = message(world, PrimaryContainer={"ModelPackageName": arn})
    assert said == f"Model package {arn} has no InferenceSpecification to create a model of."


def test_another_specification_of_a_package_is_taken_by_its_name(world: World) -> None:
    more = [{"Name": "neo", "Containers": [OTHER]}]
    arn = package(world, CONTAINER, AdditionalInferenceSpecifications=more)
    named = {"ModelPackageName": arn, "InferenceSpecificationName": "neo"}
    checked(world, "CreateModel", ModelName="m", PrimaryContainer=named)
    described = checked(world, "DescribeModel", ModelName="m")
    assert described["PrimaryContainer"] == {"Mode": "SingleModel", "Environment": {}, **named, **OTHER}
    world.call("DeleteModel", ModelName="m")
    said = message(world, PrimaryContainer={**named, "InferenceSpecificationName": "gone"})
    assert said == f"Model package {arn} has no additional inference specification gone to create a model of."


def test_a_package_of_several_containers_stands_for_all_of_them(world: World) -> None:
    arn = package(world, CONTAINER, OTHER)
    said = message(world, PrimaryContainer={"ModelPackageName": arn})
    assert said == f"{arn} has several containers: name it in Containers."
    checked(world, "CreateModel", ModelName="m", Containers=[{"ModelPackageName": arn}])
    containers = checked(world, "DescribeModel", ModelName="m")["Containers"]
    assert [each["Image"] for each in containers] == ["image", "other"]


def test_the_environment_is_the_packages_or_the_models(world: World) -> None:
    arn = package(world, CONTAINER)
    said = message(world, PrimaryContainer={"ModelPackageName": arn, "Environment": {"B": "2", "C": "3"}})
    assert said == "Environment variable map cannot be specified both at Model Package {A=1} and Model {B=2, C=3}."
    arn = package(world, OTHER)
    checked(
        world,
        "CreateModel",
        ModelName="m",
        PrimaryContainer={"ModelPackageName": arn, "Environment": {"B": "2"}},
    )
    assert checked(world, "DescribeModel", ModelName="m")["PrimaryContainer"]["Environment"] == {"B": "2"}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "A model needs a PrimaryContainer or Containers."),
        (
            {"PrimaryContainer": OTHER, "Containers": [OTHER]},
            "PrimaryContainer and Containers cannot both be given: use one of them.",
        ),
        ({"PrimaryContainer": {}}, "A model needs a PrimaryContainer or Containers."),
        ({"PrimaryContainer": {"Mode": "SingleModel"}}, "A container needs an Image or a ModelPackageName."),
        (
            {"PrimaryContainer": {"ModelPackageName": "g/1", "Image": "i"}},
            "Image and ModelPackageName cannot both be given: use one of them.",
        ),
        (
            {"PrimaryContainer": {"Image": "i", "InferenceSpecificationName": "a"}},
            "InferenceSpecificationName needs a ModelPackageName.",
        ),
        (
            {"Containers": [{**OTHER, "ContainerHostname": "a"}, OTHER]},
            "Every container of a model has a ContainerHostname of its own, or none has one.",
        ),
        (
            {"Containers": [{**OTHER, "ContainerHostname": "a"}] * 2},
            "Every container of a model has a ContainerHostname of its own, or none has one.",
        ),
        (
            {"Containers": [OTHER, OTHER], "InferenceExecutionConfig": {"Mode": "Direct"}},
            "With InferenceExecutionConfig.Mode Direct, every element of Containers needs a ContainerHostname.",
        ),
    ],
)
def test_containers_that_do_not_fit_together_are_refused(world: World, members: Params, said: str) -> None:
    assert message(world, **members) == said


def test_several_containers_are_kept_in_their_order_with_how_they_are_invoked(world: World) -> None:
    containers = [{**CONTAINER, "ContainerHostname": "a"}, {**OTHER, "ContainerHostname": "b"}]
    checked(world, "CreateModel", ModelName="m", Containers=containers, InferenceExecutionConfig={"Mode": "Serial"})
    described = checked(world, "DescribeModel", ModelName="m")
    assert [each["ContainerHostname"] for each in described["Containers"]] == ["a", "b"]
    assert described["InferenceExecutionConfig"] == {"Mode": "Serial"}
    assert "PrimaryContainer" not in described
