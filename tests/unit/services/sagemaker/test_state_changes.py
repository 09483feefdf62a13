"""The events of state changes."""

from typing import Any

import pytest

from sagesmith.services.sagemaker import KINDS
from sagesmith.services.sagemaker.engine import view_of
from sagesmith.services.sagemaker.state_changes import STATE_CHANGES
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.answers import checked
from tests.unit.services.sagemaker.world import ACCOUNT, REGION, World, model, training_job, variant

CONTAINER = {"Image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/scikit:1"}
SPECIFICATION = {"Containers": [CONTAINER], "SupportedContentTypes": ["text/csv"]}


def events(world: World, noun: str = "") -> list[dict[str, Any]]:
    with world.store.read() as tx:
        return [each for each in tx.events().events if noun in each["detail-type"]]


def details(world: World, noun: str, member: str) -> list[Any]:
    return [each["detail"][member] for each in events(world, noun)]


def arn(rest: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{rest}"


def test_an_event_has_eventbridges_form(world: World) -> None:
    world.call("CreateModel", **model("m"), Tags=[{"Key": "team", "Value": "a"}])
    (event,) = events(world)
    detail = event.pop("detail")
    assert event.keys() == {"version", "id", "detail-type", "source", "account", "time", "region", "resources"}
    assert event["detail-type"] == "SageMaker Model State Change"
    assert event["source"] == "aws.sagemaker"
    assert event["account"] == ACCOUNT
    assert event["region"] == REGION
    assert event["resources"] == [arn("model/m")]
    described = checked(world, "DescribeModel", ModelName="m")
    assert detail.pop("Tags") == {"team": "a"}
    assert detail.pop("CreationTime") == int(described.pop("CreationTime") * 1000)
    assert detail == {member: value for member, value in described.items() if value is not None}


def test_each_event_has_an_id_of_its_own(world: World) -> None:
    for name in ("a", "b"):
        world.call("CreateModel", **model(name))
    assert len({each["id"] for each in events(world)}) == 2


def test_a_training_job_tells_of_every_step_of_its_life(world: World) -> None:
    world.call("CreateTrainingJob", **training_job("job"))
    world.turn()
    task = world.backend.only()
    for state in ("Downloading", "Training", "Uploading", "Completed"):
        task.say(state)  # type: ignore[arg-type]
        world.turn()
    world.until(lambda: world.stored("training-job", "job").status == "Completed")
    statuses = details(world, "Training Job", "TrainingJobStatus")
    assert statuses[0] == "InProgress"
    assert statuses[-1] == "Completed"
    assert details(world, "Training Job", "SecondaryStatus")[-3:] == ["Training", "Uploading", "Completed"]
    last = events(world, "Training Job")[-1]["detail"]
    assert isinstance(last["TrainingEndTime"], int)
    assert isinstance(last["SecondaryStatusTransitions"][-1]["StartTime"], int)


def test_an_endpoint_spells_its_status_as_eventbridge_does(world: World) -> None:
    world.call("CreateModel", **model("m"))
    world.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("m")])
    world.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    world.turn()
    world.backend.only().say("Serving")
    world.until(lambda: world.stored("endpoint", "e").status == "InService")
    world.call("DeleteEndpoint", EndpointName="e")
    statuses = [each["detail"]["EndpointStatus"] for each in events(world, "Endpoint State Change")]
    assert statuses == ["CREATING", "IN_SERVICE", "DELETING"]


def test_models_and_configurations_tell_of_their_end_too(world: World) -> None:
    world.call("CreateModel", **model("m"))
    world.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("m")])
    world.call("DeleteEndpointConfig", EndpointConfigName="c")
    world.call("DeleteModel", ModelName="m")
    assert [(each["detail-type"], each["resources"][0]) for each in events(world)] == [
        ("SageMaker Model State Change", arn("model/m")),
        ("SageMaker Endpoint Config State Change", arn("endpoint-config/c")),
        ("SageMaker Endpoint Config State Change", arn("endpoint-config/c")),
        ("SageMaker Model State Change", arn("model/m")),
    ]


def test_the_approval_of_a_model_package_is_told_and_nothing_else_of_it(world: World) -> None:
    world.call("CreateModelPackageGroup", ModelPackageGroupName="g")
    made = world.call("CreateModelPackage", ModelPackageGroupName="g", InferenceSpecification=SPECIFICATION)
    package = made["ModelPackageArn"]
    world.call("UpdateModelPackage", ModelPackageArn=package, CustomerMetadataProperties={"a": "b"})
    world.call("UpdateModelPackage", ModelPackageArn=package, ModelApprovalStatus="Approved")
    assert details(world, "Model Package", "ModelPackageStatus") == ["Completed", "Completed"]
    assert details(world, "Model Package", "ModelApprovalStatus")[-1] == "Approved"
    assert str(details(world, "Model Package", "CreationTime")[0]).endswith("Z")


def test_the_content_of_a_model_card_stays_out_of_its_events(world: World) -> None:
    world.call("CreateModelCard", ModelCardName="c", Content='{"intended_uses":{}}', ModelCardStatus="Draft")
    world.call("UpdateModelCard", ModelCardName="c", ModelCardStatus="Approved")
    assert details(world, "Model Card", "ModelCardStatus") == ["Draft", "Approved"]
    assert all("Content" not in each["detail"] for each in events(world, "Model Card"))


def test_a_refused_request_tells_nothing(world: World) -> None:
    world.call("CreateModel", **model("m"))
    with pytest.raises(AwsError):
        world.call("CreateModel", **model("m"))
    assert len(events(world)) == 1


def test_kinds_without_an_event_at_aws_tell_nothing(world: World) -> None:
    world.call("CreateExperiment", ExperimentName="x")
    world.call("CreateModelPackageGroup", ModelPackageGroupName="g")
    assert events(world) == []


def test_what_is_watched_is_shown_by_describe() -> None:
    kinds = {kind.noun: kind for kind in KINDS}
    for noun in STATE_CHANGES.keys() & kinds.keys():
        assert set(STATE_CHANGES[noun].watched) <= view_of(kinds[noun]).members
