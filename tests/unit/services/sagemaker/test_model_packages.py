"""Model packages: versions in a group, packages without one, what they are made from, approval, deletion."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import World, model

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
CONTAINER = {"Image": IMAGE, "ModelDataUrl": "s3://out/model.tar.gz"}
SPECIFICATION = {"Containers": [CONTAINER]}
WHOLE = {
    **SPECIFICATION,
    "SupportedTransformInstanceTypes": ["ml.m5.large"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
}
TRAINING = {
    "TrainingImage": IMAGE,
    "SupportedTrainingInstanceTypes": ["ml.m5.large"],
    "TrainingChannels": [{"Name": "train", "SupportedContentTypes": ["text/csv"], "SupportedInputModes": ["File"]}],
}


def group(world: World, name: str = "Fraud") -> None:
    checked(world, "CreateModelPackageGroup", ModelPackageGroupName=name)


def version(world: World, name: str = "Fraud", **members: Any) -> str:
    given = {"InferenceSpecification": SPECIFICATION, **members}
    return str(checked(world, "CreateModelPackage", ModelPackageGroupName=name, **given)["ModelPackageArn"])


def describe(world: World, name: str, **members: Any) -> Params:
    return checked(world, "DescribeModelPackage", ModelPackageName=name, **members)


def arns(world: World, **filters: Any) -> list[str]:
    listed = checked(world, "ListModelPackages", **filters)["ModelPackageSummaryList"]
    return [each["ModelPackageArn"] for each in listed]


def message(world: World, operation: str, **params: Any) -> str:
    error = refused(world, operation, **params)
    assert error.code == "ValidationException"
    return error.message


def test_versions_of_a_group_are_numbered_and_wait_for_approval(world: World) -> None:
    group(world)
    assert [version(world), version(world)] == [f"{ARN}/fraud/1", f"{ARN}/fraud/2"]
    described = describe(world, f"{ARN}/fraud/2")
    assert described == describe(world, "Fraud/2")
    assert (described["ModelPackageGroupName"], described["ModelPackageVersion"]) == ("Fraud", 2)
    assert (described["ModelPackageName"], described["ModelPackageStatus"]) == ("Fraud/2", "Completed")
    assert (described["ModelApprovalStatus"], described["CertifyForMarketplace"]) == ("PendingManualApproval", False)
    assert described["ModelPackageStatusDetails"] == {"ValidationStatuses": [], "ImageScanStatuses": []}
    assert described["InferenceSpecification"] == SPECIFICATION


def test_the_number_of_a_deleted_version_is_not_given_out_again(world: World) -> None:
    group(world)
    version(world)
    latest = version(world)
    assert world.call("DeleteModelPackage", ModelPackageName=latest) == {}
    assert message(world, "DescribeModelPackage", ModelPackageName=latest) == f"ModelPackage {latest} does not exist."
    assert version(world) == f"{ARN}/fraud/3"


def test_versions_that_are_made_at_once_have_numbers_of_their_own(world: World) -> None:
    group(world)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: version(world), range(24)))
    assert sorted(made, key=lambda arn: int(arn.rpartition("/")[2])) == [f"{ARN}/fraud/{n}" for n in range(1, 25)]


def test_a_group_may_be_named_by_its_arn_and_must_exist(world: World) -> None:
    group(world)
    assert version(world, f"{ARN}-group/fraud") == f"{ARN}/fraud/1"
    assert describe(world, "Fraud/1")["ModelPackageGroupName"] == "Fraud"
    said = message(world, "CreateModelPackage", ModelPackageGroupName="other")
    assert said == f"ModelPackageGroup {ARN}-group/other does not exist."


def test_a_group_is_deleted_after_its_versions(world: World) -> None:
    group(world)
    version(world)
    error = refused(world, "DeleteModelPackageGroup", ModelPackageGroupName="Fraud")
    assert error.code == "ConflictException"
    assert error.message == f"Model Package Group cannot be deleted as it is not empty: {ARN}-group/fraud"
    world.call("DeleteModelPackage", ModelPackageName="Fraud/1")
    world.call("DeleteModelPackageGroup", ModelPackageGroupName="Fraud")


def test_a_package_without_a_group_has_a_name_of_its_own(world: World) -> None:
    created = checked(world, "CreateModelPackage", ModelPackageName="Own", InferenceSpecification=WHOLE)
    assert created == {"ModelPackageArn": f"{ARN}/own"}
    described = describe(world, "Own")
    assert described["ModelPackageName"] == "Own"
    assert not {"ModelPackageGroupName", "ModelPackageVersion", "ModelApprovalStatus"} & described.keys()
    again = message(world, "CreateModelPackage", ModelPackageName="own", InferenceSpecification=WHOLE)
    assert again == f"ModelPackage already exists: {ARN}/own"
    updated = message(world, "UpdateModelPackage", ModelPackageArn=f"{ARN}/own", ModelApprovalStatus="Approved")
    assert updated == f"Only versioned model packages can be updated: {ARN}/own"


def test_a_package_is_named_or_belongs_to_a_group(world: World) -> None:
    group(world)
    assert message(world, "CreateModelPackage", InferenceSpecification=WHOLE) == "Missing ARN."
    both = message(world, "CreateModelPackage", ModelPackageName="a", ModelPackageGroupName="Fraud")
    assert both.startswith("Both ModelPackageName and ModelPackageGroupName are provided in the input.")


@pytest.mark.parametrize("member", ["SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes"])
def test_a_package_without_a_group_names_the_instance_types_it_runs_on(world: World, member: str) -> None:
    specification = {name: value for name, value in WHOLE.items() if name != member}
    said = message(world, "CreateModelPackage", ModelPackageName="a", InferenceSpecification=specification)
    assert said == f"InferenceSpecification.{member} is required for unversioned models."
    assert arns(world) == []


def test_tags_belong_to_the_group_and_not_to_a_version(world: World) -> None:
    group(world)
    tags = [{"Key": "a", "Value": "b"}]
    refusal = "Tags are not supported in Model Package versions. Please add them to the Model Package Group."
    assert message(world, "CreateModelPackage", ModelPackageGroupName="Fraud", Tags=tags) == refusal
    arn = version(world)
    assert arn == f"{ARN}/fraud/1"
    assert message(world, "AddTags", ResourceArn=arn, Tags=tags) == refusal
    assert checked(world, "ListTags", ResourceArn=arn)["Tags"] == []
    checked(world, "CreateModelPackage", ModelPackageName="Own", InferenceSpecification=WHOLE, Tags=tags)
    assert checked(world, "ListTags", ResourceArn=f"{ARN}/own")["Tags"] == tags
    checked(world, "AddTags", ResourceArn=f"{ARN}/own", Tags=[{"Key": "c", "Value": "d"}])


def test_a_list_shows_packages_without_a_group_unless_it_is_asked_for_versions(world: World) -> None:
    group(world)
    group(world, "Churn")
    first, second, other = version(world), version(world), version(world, "Churn")
    own = checked(world, "CreateModelPackage", ModelPackageName="Own", InferenceSpecification=WHOLE)["ModelPackageArn"]
    assert arns(world) == arns(world, ModelPackageType="Unversioned") == [own]
    assert arns(world, ModelPackageType="Versioned") == [first, second, other]
    assert arns(world, ModelPackageType="Both") == [first, second, other, own]
    assert arns(world, ModelPackageGroupName="Fraud") == [first, second]
    assert arns(world, ModelPackageGroupName=f"{ARN}-group/fraud", SortOrder="Descending") == [second, first]
    assert arns(world, ModelPackageGroupName="Fraud", ModelPackageType="Unversioned") == []
    assert arns(world, ModelPackageType="Both", NameContains="Chu") == [other]
    checked(world, "UpdateModelPackage", ModelPackageArn=second, ModelApprovalStatus="Approved")
    assert arns(world, ModelPackageGroupName="Fraud", ModelApprovalStatus="Approved") == [second]
    (summary,) = checked(world, "ListModelPackages", ModelPackageGroupName="Churn")["ModelPackageSummaryList"]
    described = describe(world, other)
    assert summary == {member: described[member] for member in summary}
    assert summary["ModelPackageVersion"] == 1


def test_a_version_is_approved_and_rejected_with_a_reason(world: World) -> None:
    group(world)
    arn = version(world)
    for status in ("Approved", "Rejected", "PendingManualApproval"):
        answer = checked(
            world, "UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription="why"
        )
        assert answer == {"ModelPackageArn": arn}
        described = describe(world, arn)
        assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == (status, "why")
        assert described["LastModifiedBy"]["IamIdentity"]["PrincipalId"] == "AROA:s"
    missing = message(world, "UpdateModelPackage", ModelPackageArn=f"{arn}1", ModelApprovalStatus="Approved")
    assert missing == f"ModelPackage {arn}1 does not exist."


def test_metadata_are_added_changed_and_removed_by_key(world: World) -> None:
    group(world)
    arn = version(world, CustomerMetadataProperties={"a": "1", "b": "2"})
    checked(
        world,
        "UpdateModelPackage",
        ModelPackageArn=arn,
        CustomerMetadataProperties={"b": "3", "c": "4"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    assert describe(world, arn)["CustomerMetadataProperties"] == {"b": "3", "c": "4"}
    many = {f"k{number}": "v" for number in range(49)}
    said = message(world, "UpdateModelPackage", ModelPackageArn=arn, CustomerMetadataProperties=many)
    assert said == "A model package has at most 50 customer metadata properties."
    assert describe(world, arn)["CustomerMetadataProperties"] == {"b": "3", "c": "4"}


def test_additional_specifications_are_added_under_names_of_their_own(world: World) -> None:
    group(world)
    arn = version(world, AdditionalInferenceSpecifications=[{"Name": "a", **SPECIFICATION}])
    more = [{"Name": "b", **SPECIFICATION}]
    checked(world, "UpdateModelPackage", ModelPackageArn=arn, AdditionalInferenceSpecificationsToAdd=more)
    assert [each["Name"] for each in describe(world, arn)["AdditionalInferenceSpecifications"]] == ["a", "b"]
    said = message(world, "UpdateModelPackage", ModelPackageArn=arn, AdditionalInferenceSpecificationsToAdd=more)
    assert said == "The names of additional inference specifications must be unique: b."
    many = [{"Name": f"n{number}", **SPECIFICATION} for number in range(14)]
    said = message(world, "UpdateModelPackage", ModelPackageArn=arn, AdditionalInferenceSpecificationsToAdd=many)
    assert said == "A model package has at most 15 additional inference specifications."


def test_the_card_of_a_package_is_checked_and_changed_in_parts(world: World) -> None:
    group(world)
    content = json.dumps({"model_overview": {"model_creator": "Ann"}, "intended_uses": {"risk_rating": "Low"}})
    arn = version(world, ModelCard={"ModelCardContent": content, "ModelCardStatus": "Draft"})
    checked(world, "UpdateModelPackage", ModelPackageArn=arn, ModelCard={"ModelCardStatus": "Approved"})
    assert describe(world, arn)["ModelCard"] == {"ModelCardContent": content, "ModelCardStatus": "Approved"}
    sanitized = describe(world, arn, IncludedData="MetadataOnly")
    assert json.loads(sanitized["ModelCard"]["ModelCardContent"]) == {"intended_uses": {"risk_rating": "Low"}}
    assert sanitized["InferenceSpecification"] == SPECIFICATION
    wrong = json.dumps({"model_overview": {"model_owner": "Bob"}})
    card = {"ModelCardContent": wrong}
    refusal = "Invalid model card content: #/model_overview/model_owner is not permitted."
    assert message(world, "UpdateModelPackage", ModelPackageArn=arn, ModelCard=card) == refusal
    assert message(world, "CreateModelPackage", ModelPackageGroupName="Fraud", ModelCard=card) == refusal
    assert describe(world, arn)["ModelCard"]["ModelCardContent"] == content


def test_a_life_cycle_a_registration_type_and_a_source_are_replaced(world: World) -> None:
    group(world)
    cycle = {"Stage": "Staging", "StageStatus": "Pending"}
    arn = version(world, ModelLifeCycle=cycle, ModelPackageRegistrationType="Logged")
    assert describe(world, arn)["ModelLifeCycle"] == cycle
    cycle = {"Stage": "Production", "StageStatus": "Active", "StageDescription": "d"}
    members = {"ModelLifeCycle": cycle, "ModelPackageRegistrationType": "Registered", "SourceUri": "mlflow:/1"}
    checked(world, "UpdateModelPackage", ModelPackageArn=arn, **members)
    described = describe(world, arn)
    assert {member: described[member] for member in members} == members
    other = {"Containers": [{"Image": "other"}]}
    checked(world, "UpdateModelPackage", ModelPackageArn=arn, InferenceSpecification=other)
    assert describe(world, arn)["InferenceSpecification"] == other
    both = {"SourceUri": "s3://b/m", "InferenceSpecification": SPECIFICATION}
    refusal = "SourceUri and InferenceSpecification cannot both be given: use one of them."
    assert message(world, "UpdateModelPackage", ModelPackageArn=arn, **both) == refusal
    assert message(world, "CreateModelPackage", ModelPackageGroupName="Fraud", **both) == refusal


def test_versions_are_searched_for_by_what_they_say(world: World) -> None:
    group(world)
    first, second = version(world, CustomerMetadataProperties={"team": "a"}), version(world)
    checked(world, "UpdateModelPackage", ModelPackageArn=second, ModelApprovalStatus="Approved")

    def found(name: str, value: str) -> list[str]:
        wanted = {"Filters": [{"Name": name, "Operator": "Equals", "Value": value}]}
        results = world.call("Search", Resource="ModelPackage", SearchExpression=wanted)["Results"]
        return [each["ModelPackage"]["ModelPackageArn"] for each in results]

    assert found("ModelApprovalStatus", "Approved") == [second]
    assert found("CustomerMetadataProperties.team", "a") == [first]
    assert found("ModelPackageVersion", "2") == [second]
    assert sorted(found("ModelPackageGroupName", "Fraud")) == [first, second]
    assert found("ModelPackageGroupName", "Other") == []


def test_a_package_takes_its_containers_from_the_package_or_model_that_it_is_made_from(world: World) -> None:
    group(world)
    first = version(world)
    clone = checked(world, "CreateModelPackage", ModelPackageGroupName="Fraud", SourceUri=first)["ModelPackageArn"]
    described = describe(world, clone)
    assert (described["SourceUri"], described["InferenceSpecification"]) == (first, SPECIFICATION)
    made = checked(world, "CreateModel", **model("m"))["ModelArn"]
    registered = checked(world, "CreateModelPackage", ModelPackageGroupName="Fraud", SourceUri=made)["ModelPackageArn"]
    (container,) = describe(world, registered)["InferenceSpecification"]["Containers"]
    assert container == model("m")["PrimaryContainer"]
    world.call("CreateModel", region="eu-west-1", **model("elsewhere"))
    for gone in (f"{ARN}/fraud/9", made.replace("us-east-1", "eu-west-1").replace("/m", "/elsewhere")):
        said = message(world, "CreateModelPackage", ModelPackageGroupName="Fraud", SourceUri=gone)
        assert said == f'Could not find the source of the model package "{gone}".'


def test_a_package_of_an_algorithm_infers_as_the_algorithm_says_with_its_own_artifacts(world: World) -> None:
    algorithm = "arn:aws:sagemaker:us-east-1:123456789012:algorithm/boost"
    source = {"SourceAlgorithms": [{"AlgorithmName": "Boost", "ModelDataUrl": "s3://out/boost.tar.gz"}]}
    given = {"ModelPackageName": "Own", "SourceAlgorithmSpecification": source}
    missing = refused(world, "CreateModelPackage", **given)
    assert (missing.code, missing.message) == ("ResourceNotFound", f"Algorithm {algorithm} does not exist.")
    checked(world, "CreateAlgorithm", AlgorithmName="Boost", TrainingSpecification=TRAINING)
    said = message(world, "CreateModelPackage", **given)
    assert said == f"Algorithm {algorithm} has no InferenceSpecification to make a model package of."
    world.call("DeleteAlgorithm", AlgorithmName="Boost")
    inference = {**WHOLE, "Containers": [{"Image": IMAGE}]}
    checked(
        world,
        "CreateAlgorithm",
        AlgorithmName="Boost",
        TrainingSpecification=TRAINING,
        InferenceSpecification=inference,
    )
    checked(world, "CreateModelPackage", **given)
    described = describe(world, "Own")
    assert described["SourceAlgorithmSpecification"] == source
    containers = [{"Image": IMAGE, "ModelDataUrl": "s3://out/boost.tar.gz"}]
    assert described["InferenceSpecification"] == {**WHOLE, "Containers": containers}


def test_several_versions_are_described_at_once_and_what_is_not_there_is_an_error_of_its_own(world: World) -> None:
    group(world)
    arn, gone = version(world, ModelPackageDescription="d"), f"{ARN}/fraud/7"
    answer = checked(world, "BatchDescribeModelPackage", ModelPackageArnList=[arn, gone])
    (summary,) = answer["ModelPackageSummaries"].values()
    described = describe(world, arn)
    assert summary == {member: described[member] for member in summary}
    assert (summary["ModelPackageArn"], summary["InferenceSpecification"]) == (arn, SPECIFICATION)
    assert answer["BatchDescribeModelPackageErrorMap"] == {
        gone: {"ErrorCode": "ValidationException", "ErrorResponse": f"ModelPackage {gone} does not exist."}
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"CertifyForMarketplace": True},
        {"ManagedStorageType": "Restricted"},
        {"ValidationSpecification": {"ValidationRole": "arn:aws:iam::123456789012:role/R", "ValidationProfiles": []}},
    ],
)
def test_what_would_run_something_is_not_built_and_takes_no_number(world: World, asked: Params) -> None:
    group(world)
    error = refused(world, "CreateModelPackage", ModelPackageGroupName="Fraud", **asked)
    assert (error.code, error.status) == ("NotImplementedException", 501)
    assert version(world) == f"{ARN}/fraud/1"


def test_the_same_token_makes_one_version(world: World) -> None:
    group(world)
    assert version(world, ClientToken="t") == version(world, ClientToken="t") == f"{ARN}/fraud/1"
    assert version(world, ClientToken="u") == f"{ARN}/fraud/2"
