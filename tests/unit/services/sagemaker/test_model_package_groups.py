"""Model package groups, and the policies that say who may see them."""

from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group"
POLICY = '{"Version": "2012-10-17", "Statement": []}'


def create(world: World, name: str) -> str:
    return str(checked(world, "CreateModelPackageGroup", ModelPackageGroupName=name)["ModelPackageGroupArn"])


def test_a_group_is_described_by_its_name_or_arn_with_who_made_it(world: World) -> None:
    assert create(world, "Fraud") == f"{ARN}/fraud"
    described = checked(world, "DescribeModelPackageGroup", ModelPackageGroupName="fraud")
    assert described == checked(world, "DescribeModelPackageGroup", ModelPackageGroupName=f"{ARN}/fraud")
    assert described["ModelPackageGroupStatus"] == "Completed"
    assert described["CreatedBy"] == {
        "IamIdentity": {"Arn": "arn:aws:sts::123456789012:assumed-role/R/s", "PrincipalId": "AROA:s"}
    }
    (listed,) = checked(world, "ListModelPackageGroups", CrossAccountFilterOption="SameAccount")[
        "ModelPackageGroupSummaryList"
    ]
    assert listed == {member: described[member] for member in listed}


def test_a_group_that_is_there_or_is_not_is_worded_as_aws_words_it(world: World) -> None:
    create(world, "a")
    error = refused(world, "CreateModelPackageGroup", ModelPackageGroupName="a")
    assert (error.code, error.message) == ("ValidationException", f"Model Package Group already exists: {ARN}/a")
    for operation in ("DescribeModelPackageGroup", "DeleteModelPackageGroup"):
        error = refused(world, operation, ModelPackageGroupName="b")
        assert (error.code, error.message) == ("ValidationException", f"ModelPackageGroup {ARN}/b does not exist.")


def test_a_list_begins_with_the_oldest_group_unless_it_is_asked_otherwise(world: World) -> None:
    for name in ("b", "a"):
        create(world, name)

    def names(**asked: str) -> list[str]:
        listed = checked(world, "ListModelPackageGroups", **asked)["ModelPackageGroupSummaryList"]
        return [each["ModelPackageGroupName"] for each in listed]

    assert names() == ["b", "a"]
    assert names(SortOrder="Descending") == names(SortBy="Name") == ["a", "b"]


def test_an_arn_of_another_region_account_or_kind_is_not_found(world: World) -> None:
    create(world, "a")
    for arn in (
        f"{ARN}/a".replace("us-east-1", "eu-west-1"),
        f"{ARN}/a".replace("123456789012", "210987654321"),
        f"{ARN}/a".replace("model-package-group", "model"),
    ):
        error = refused(world, "DescribeModelPackageGroup", ModelPackageGroupName=arn)
        assert error.message == f"ModelPackageGroup {arn} does not exist."


def test_a_policy_is_kept_until_it_is_deleted(world: World) -> None:
    create(world, "a")
    missing = refused(world, "GetModelPackageGroupPolicy", ModelPackageGroupName="a")
    assert (missing.code, missing.message) == ("ValidationException", f"Cannot find resource policy for: {ARN}/a")
    put = checked(world, "PutModelPackageGroupPolicy", ModelPackageGroupName="a", ResourcePolicy=POLICY)
    assert put == {"ModelPackageGroupArn": f"{ARN}/a"}
    assert checked(world, "GetModelPackageGroupPolicy", ModelPackageGroupName="a") == {"ResourcePolicy": POLICY}
    assert "_policy" not in world.call("DescribeModelPackageGroup", ModelPackageGroupName="a")
    assert world.call("DeleteModelPackageGroupPolicy", ModelPackageGroupName="a") == {}
    assert refused(world, "DeleteModelPackageGroupPolicy", ModelPackageGroupName="a").message == missing.message


def test_a_policy_must_be_json_and_belong_to_a_group(world: World) -> None:
    create(world, "a")
    for text in ("{", "[]", '"all"'):
        error = refused(world, "PutModelPackageGroupPolicy", ModelPackageGroupName="a", ResourcePolicy=text)
        assert error.code == "ValidationException"
    error = refused(world, "PutModelPackageGroupPolicy", ModelPackageGroupName="b", ResourcePolicy=POLICY)
    assert error.message == f"Cannot find Model Package Group: {ARN}/b"


def test_a_group_whose_packages_are_to_be_stored_by_the_service_is_not_built(world: World) -> None:
    managed = {"ManagedStorageType": "Restricted"}
    error = refused(world, "CreateModelPackageGroup", ModelPackageGroupName="a", ManagedConfiguration=managed)
    assert (error.code, error.status) == ("NotImplementedException", 501)
    assert checked(world, "ListModelPackageGroups")["ModelPackageGroupSummaryList"] == []
