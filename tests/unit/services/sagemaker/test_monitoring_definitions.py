"""The four kinds of monitoring job definitions."""

from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import ROLE, World, model, variant, without

ENDPOINT_INPUT = {"EndpointName": "e", "LocalPath": "/opt/ml/processing/input"}
BATCH_INPUT = {
    "DataCapturedDestinationS3Uri": "s3://c",
    "DatasetFormat": {"Csv": {"Header": True}},
    "LocalPath": "/opt/ml/processing/input",
}
OUTPUT = {"MonitoringOutputs": [{"S3Output": {"S3Uri": "s3://out", "LocalPath": "/opt/ml/processing/output"}}]}
CLUSTER = {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}}
TRUTH = {"GroundTruthS3Input": {"S3Uri": "s3://truth"}}
SPECIFICATIONS: dict[str, Params] = {
    "DataQuality": {"ImageUri": "analyzer"},
    "ModelQuality": {"ImageUri": "analyzer", "ProblemType": "Regression"},
    "ModelBias": {"ImageUri": "clarify", "ConfigUri": "s3://config"},
    "ModelExplainability": {"ImageUri": "clarify", "ConfigUri": "s3://config"},
}
RESOURCE_TYPES = {
    "DataQuality": "data-quality-job-definition",
    "ModelQuality": "model-quality-job-definition",
    "ModelBias": "model-bias-job-definition",
    "ModelExplainability": "model-explainability-job-definition",
}
every_quality = pytest.mark.parametrize("of", SPECIFICATIONS)


def definition(of: str, name: str, **sources: Any) -> Params:
    """The input of Create<of>JobDefinition."""
    truth = TRUTH if of in ("ModelQuality", "ModelBias") else {}
    return {
        "JobDefinitionName": name,
        f"{of}AppSpecification": SPECIFICATIONS[of],
        f"{of}JobInput": {**(sources or {"EndpointInput": ENDPOINT_INPUT}), **truth},
        f"{of}JobOutputConfig": OUTPUT,
        "JobResources": CLUSTER,
        "RoleArn": ROLE,
    }


def endpoint(world: World, name: str) -> None:
    world.call("CreateModel", **model(f"m-{name}"))
    world.call("CreateEndpointConfig", EndpointConfigName=f"c-{name}", ProductionVariants=[variant(f"m-{name}")])
    world.call("CreateEndpoint", EndpointName=name, EndpointConfigName=f"c-{name}")


@every_quality
def test_a_definition_lives_as_a_record(world: World, of: str) -> None:
    endpoint(world, "e")
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:{RESOURCE_TYPES[of]}/d"
    given = definition(of, "D")
    assert checked(world, f"Create{of}JobDefinition", **given, Tags=[{"Key": "a", "Value": "b"}]) == {
        "JobDefinitionArn": arn
    }
    described = checked(world, f"Describe{of}JobDefinition", JobDefinitionName="D")
    shown = {member: described[member] for member in given}
    source = {**ENDPOINT_INPUT, "S3InputMode": "File", "S3DataDistributionType": "FullyReplicated"}
    assert shown == {**given, f"{of}JobInput": {**given[f"{of}JobInput"], "EndpointInput": source}}
    assert described["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert world.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert world.call(f"Delete{of}JobDefinition", JobDefinitionName="d") == {}
    for operation in (f"Describe{of}JobDefinition", f"Delete{of}JobDefinition"):
        error = refused(world, operation, JobDefinitionName="d")
        assert (error.code, error.message) == (
            "ResourceNotFound",
            f"Resource Not Found: Amazon SageMaker can't find a {of}JobDefinition with name d.",
        )


@every_quality
def test_a_name_is_taken_once_by_each_kind(world: World, of: str) -> None:
    endpoint(world, "e")
    for each in SPECIFICATIONS:
        checked(world, f"Create{each}JobDefinition", **definition(each, "d"))
    error = refused(world, f"Create{of}JobDefinition", **definition(of, "D"))
    assert (error.code, error.message) == (
        "ResourceInUse",
        f"Resource Already Exists: {of}JobDefinition with name D already exists. Choose a different name.",
    )


@every_quality
def test_definitions_are_listed_by_endpoint_name_and_time_the_newest_first(world: World, of: str) -> None:
    endpoint(world, "e")
    endpoint(world, "f")
    checked(world, f"Create{of}JobDefinition", **definition(of, "first"))
    other = definition(of, "second", EndpointInput={**ENDPOINT_INPUT, "EndpointName": "f"})
    checked(world, f"Create{of}JobDefinition", **other)
    checked(world, f"Create{of}JobDefinition", **definition(of, "third", BatchTransformInput=BATCH_INPUT))

    def listed(**filters: Any) -> list[str]:
        found = checked(world, f"List{of}JobDefinitions", **filters)["JobDefinitionSummaries"]
        return [each["MonitoringJobDefinitionName"] for each in found]

    assert listed() == ["third", "second", "first"]
    assert listed(SortBy="Name", SortOrder="Ascending") == ["first", "second", "third"]
    assert listed(EndpointName="f") == ["second"]
    assert listed(EndpointName="g") == []
    assert listed(NameContains="ir") == ["third", "first"]
    described = checked(world, f"Describe{of}JobDefinition", JobDefinitionName="second")
    assert listed(CreationTimeAfter=described["CreationTime"] + 60) == []
    assert listed(CreationTimeBefore=described["CreationTime"] - 60) == []
    assert len(listed(CreationTimeAfter=described["CreationTime"] - 60)) == 3
    summaries = checked(world, f"List{of}JobDefinitions")["JobDefinitionSummaries"]
    assert [each["EndpointName"] for each in summaries] == ["", "f", "e"]
    assert summaries[1]["MonitoringJobDefinitionArn"] == described["JobDefinitionArn"]
    assert summaries[1]["CreationTime"] == described["CreationTime"]


@every_quality
def test_a_definition_needs_its_endpoint(world: World, of: str) -> None:
    error = refused(world, f"Create{of}JobDefinition", **definition(of, "d"))
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"
    assert (error.code, error.message) == ("ValidationException", f'Could not find endpoint "{arn}".')
    assert checked(world, f"List{of}JobDefinitions")["JobDefinitionSummaries"] == []


@every_quality
def test_a_definition_has_one_source_of_data(world: World, of: str) -> None:
    endpoint(world, "e")
    both = definition(of, "d", EndpointInput=ENDPOINT_INPUT, BatchTransformInput=BATCH_INPUT)
    none = definition(of, "d")
    none[f"{of}JobInput"] = without(none[f"{of}JobInput"], "EndpointInput")
    for wrong in (both, none):
        error = refused(world, f"Create{of}JobDefinition", **wrong)
        assert (error.code, error.message) == (
            "ValidationException",
            f"{of}JobInput must have exactly one of EndpointInput and BatchTransformInput.",
        )
