"""IAM, called through botocore's client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.services import iam
from sagesmith.wire.app import Dispatcher
from tests.unit.services.home import home_in
from tests.unit.wire.clients import ACCOUNT, client_for

TRAINER = f"arn:aws:iam::{ACCOUNT}:role/service-role/Trainer"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    home = home_in(tmp_path)
    yield client_for("iam", Dispatcher({"iam": iam.handlers(home)}))
    home.store.close()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("SageMakerExecutionRole", "/"),
        ("AmazonSageMaker-ExecutionRole-20260101T000000", "/service-role/"),
        ("AWSServiceRoleForAmazonSageMakerNotebooks", "/aws-service-role/sagemaker.amazonaws.com/"),
    ],
)
def test_every_role_name_stands_for_a_role_that_sagemaker_may_assume(client: Any, name: str, path: str) -> None:
    role = client.get_role(RoleName=name)["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role{path}{name}"
    assert (role["Path"], role["RoleName"]) == (path, name)
    assert role["RoleId"].startswith("AROA")
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    assert client.get_role(RoleName=name)["Role"] == role


def test_a_name_that_no_role_can_have_is_refused(client: Any) -> None:
    with pytest.raises(ClientError) as refused:
        client.get_role(RoleName="no role")
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_every_action_of_a_role_is_allowed_on_every_resource(client: Any) -> None:
    actions, resources = ["s3:GetObject", "sagemaker:CreateModel"], ["arn:aws:s3:::a", "arn:aws:s3:::b"]
    answer = client.simulate_principal_policy(PolicySourceArn=TRAINER, ActionNames=actions, ResourceArns=resources)
    assert not answer["IsTruncated"]
    assert [(each["EvalActionName"], each["EvalResourceName"]) for each in answer["EvaluationResults"]] == [
        (action, resource) for action in actions for resource in resources
    ]
    assert {each["EvalDecision"] for each in answer["EvaluationResults"]} == {"allowed"}
    assert all(each["MatchedStatements"] for each in answer["EvaluationResults"])
    assert answer["EvaluationResults"][0]["MissingContextValues"] == []
    single = client.simulate_principal_policy(PolicySourceArn=TRAINER, ActionNames=["s3:GetObject"])
    assert single["EvaluationResults"][0]["EvalResourceName"] == "*"


@pytest.mark.parametrize(
    ("arn", "code", "status", "message"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/ann", "NoSuchEntity", 404, "The user with name ann cannot be found."),
        ("arn:aws:iam::210987654321:role/r", "NoSuchEntity", 404, "The role with name r cannot be found."),
        (
            f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s",
            "InvalidInput",
            400,
            f"Invalid Entity Arn: arn:aws:sts::{ACCOUNT}:assumed-role/r/s "
            "does not clearly define entity type and name.",
        ),
    ],
)
def test_an_entity_that_is_not_there_is_refused(client: Any, arn: str, code: str, status: int, message: str) -> None:
    with pytest.raises(ClientError) as refused:
        client.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    response = refused.value.response
    assert (response["Error"]["Code"], response["Error"]["Message"]) == (code, message)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_results_come_page_by_page(client: Any) -> None:
    actions = [f"s3:Action{number}" for number in range(7)]
    pages = client.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=TRAINER, ActionNames=actions, PaginationConfig={"PageSize": 3}
    )
    found = [[each["EvalActionName"] for each in page["EvaluationResults"]] for page in pages]
    assert found == [actions[:3], actions[3:6], actions[6:]]


@pytest.mark.parametrize("marker", ["nonsense", "LTE="])
def test_a_marker_of_nobody_is_refused(client: Any, marker: str) -> None:
    with pytest.raises(ClientError, match="Invalid Marker") as raised:
        client.simulate_principal_policy(PolicySourceArn=TRAINER, ActionNames=["s3:GetObject"], Marker=marker)
    assert raised.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(
    "policies",
    [{"PolicyInputList": ["{}"]}, {"PermissionsBoundaryPolicyInputList": ["{}"]}, {"ResourcePolicy": "{}"}],
    ids=lambda policies: next(iter(policies)),
)
def test_a_policy_to_simulate_is_refused_rather_than_ignored(client: Any, policies: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="policies are not evaluated") as raised:
        client.simulate_principal_policy(PolicySourceArn=TRAINER, ActionNames=["s3:GetObject"], **policies)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
