"""The audit trail, as its calls are written and as boto3's CloudTrail client reads it."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.platform import retention
from sagesmith.services import all_handlers, not_built
from sagesmith.services.audit import HIDDEN, AuditTrail, is_recorded
from sagesmith.services.base import Home
from sagesmith.store import Transaction
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import RequestContext
from sagesmith.wire.models import load_model
from tests.unit.services.home import home_in
from tests.unit.wire.clients import ACCOUNT, CALLER, REGION, client_for, request_context

ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerExecutionRole"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/scikit:1"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = home_in(tmp_path)
    yield made
    made.store.close()


class Clients:
    """Clients of one home, by service."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.dispatcher = Dispatcher(all_handlers(home), not_built(), AuditTrail(home.store))

    def __call__(self, service: str, region: str = REGION) -> Any:
        return client_for(service, self.dispatcher, region=region)

    def model(self, name: str = "m", **environment: str) -> None:
        container = {"Image": IMAGE, "Environment": environment}
        self("sagemaker").create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)

    def events(self, region: str = REGION, **attribute: str) -> list[dict[str, Any]]:
        """All events, or those with an attribute, the latest first."""
        attributes = [{"AttributeKey": key, "AttributeValue": value} for key, value in attribute.items()]
        found: list[dict[str, Any]] = self("cloudtrail", region).lookup_events(LookupAttributes=attributes)["Events"]
        return found

    def names(self, **attribute: str) -> list[str]:
        return [each["EventName"] for each in self.events(**attribute)]


@pytest.fixture
def clients(home: Home) -> Clients:
    return Clients(home)


def whole(event: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(event["CloudTrailEvent"])
    return record


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = raised.value.response["Error"]["Code"]
    return found


def test_a_call_leaves_a_record_in_cloudtrails_form(clients: Clients) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    answer = clients("sagemaker").create_model(
        ModelName="m", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE, Tags=[{"Key": "a", "Value": "b"}]
    )
    (event,) = clients.events()
    assert before <= event["EventTime"] <= datetime.now(UTC)
    assert event["EventName"] == "CreateModel"
    assert event["EventSource"] == "sagemaker.amazonaws.com"
    assert event["ReadOnly"] == "false"
    assert event["Username"] == "sagesmith"
    assert event["AccessKeyId"] == CALLER.access_key_id
    assert event["Resources"] == [{"ResourceType": "AWS::SageMaker::Model", "ResourceName": "m"}]
    record = whole(event)
    assert record["requestParameters"] == {
        "modelName": "m",
        "primaryContainer": {"image": IMAGE},
        "executionRoleArn": ROLE,
        "tags": [{"key": "a", "value": "b"}],
    }
    assert record["responseElements"] == {"modelArn": answer["ModelArn"]}
    assert record["requestID"] == answer["ResponseMetadata"]["RequestId"]
    assert record["eventID"] == event["EventId"]
    assert record["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] == "SageMakerExecutionRole"
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert record["readOnly"] is False
    assert record["managementEvent"] is True
    assert record["recipientAccountId"] == ACCOUNT
    assert "errorCode" not in record


def test_the_record_says_with_what_program_a_call_was_made(clients: Clients) -> None:
    context = request_context("sagemaker")
    named = replace(context, user_agent="Boto3/1.44")
    assert RequestContext.from_header(named.to_header()) == named
    headers = [(b"x-amz-target", b"SageMaker.DeleteModel"), (b"content-type", b"application/x-amz-json-1.1")]
    clients.dispatcher.dispatch(named, "POST", b"/", headers, b'{"ModelName":"m"}')
    assert whole(clients.events()[0])["userAgent"] == "Boto3/1.44"


def test_what_was_refused_is_recorded_with_its_error(clients: Clients) -> None:
    with pytest.raises(ClientError) as raised:
        clients("sagemaker").delete_model(ModelName="absent")
    (event,) = clients.events(ResourceName="absent")
    record = whole(event)
    assert record["errorCode"] == code(raised) == "ValidationException"
    assert record["errorMessage"] == raised.value.response["Error"]["Message"]
    assert record["requestParameters"] == {"modelName": "absent"}
    assert record["responseElements"] is None


def test_what_is_not_valid_or_not_built_is_recorded_without_parameters(clients: Clients) -> None:
    with pytest.raises(ClientError):
        clients("sagemaker").create_model(ModelName="_")
    with pytest.raises(ClientError):
        clients("sagemaker").create_cluster(ClusterName="c", InstanceGroups=[])
    not_built, not_valid = map(whole, clients.events())
    assert (not_built["errorCode"], not_built["requestParameters"]) == ("NotImplementedException", None)
    assert (not_valid["errorCode"], not_valid["requestParameters"]) == ("ValidationException", None)


def test_an_error_of_ours_is_recorded_as_the_client_sees_it(home: Home) -> None:
    def fail(*_: object) -> dict[str, Any]:
        raise ZeroDivisionError("a secret of ours")

    dispatcher = Dispatcher({"sagemaker": {"DeleteModel": fail}}, audit=AuditTrail(home.store))
    with pytest.raises(ClientError):
        client_for("sagemaker", dispatcher).delete_model(ModelName="m")
    record = whole(Clients(home).events()[0])
    assert record["errorCode"] == "InternalFailure"
    assert "secret" not in json.dumps(record)


def test_what_only_reads_is_not_recorded(clients: Clients) -> None:
    clients.model()
    clients("sagemaker").describe_model(ModelName="m")
    clients("sagemaker").list_models()
    clients("sts").get_caller_identity()
    clients.events()
    assert clients.names() == ["CreateModel"]
    assert clients.names(ReadOnly="true") == []
    assert clients.names(ReadOnly="false") == ["CreateModel"]


@pytest.mark.parametrize(
    ("service", "operation", "recorded"),
    [
        ("sagemaker", "CreateModel", True),
        ("sagemaker", "BatchDeleteClusterNodes", True),
        ("sagemaker", "CreatePresignedDomainUrl", True),
        ("sagemaker", "Search", False),
        ("sagemaker", "BatchDescribeModelPackage", False),
        ("sagemaker", "QueryLineage", False),
        ("sagemaker", "RenderUiTemplate", False),
        ("sagemaker", "GetModelPackageGroupPolicy", False),
        ("sagemaker-metrics", "BatchPutMetrics", False),
        ("kms", "CreateKey", True),
        ("kms", "Decrypt", False),
        ("kms", "GenerateDataKeyWithoutPlaintext", False),
        ("logs", "CreateLogGroup", True),
        ("logs", "PutLogEvents", False),
        ("logs", "PutRetentionPolicy", True),
        ("sts", "AssumeRole", False),
    ],
)
def test_management_events_that_write_are_recorded(service: str, operation: str, recorded: bool) -> None:
    assert operation in load_model(service).operations
    assert is_recorded(service, operation) is recorded


def test_calls_of_every_service_are_recorded(clients: Clients) -> None:
    clients("logs").create_log_group(logGroupName="/my/group")
    key = clients("kms").create_key()["KeyMetadata"]["KeyId"]
    group, created = clients.events(EventSource="logs.amazonaws.com") + clients.events(EventSource="kms.amazonaws.com")
    assert group["Resources"] == [{"ResourceType": "AWS::Logs::LogGroup", "ResourceName": "/my/group"}]
    assert created["Resources"] == [{"ResourceType": "AWS::KMS::Key", "ResourceName": key}]
    assert clients.names(EventSource="logs") == []


def test_values_of_environment_variables_are_hidden(clients: Clients) -> None:
    clients.model(API_KEY="do-not-tell")
    record = whole(clients.events()[0])
    assert record["requestParameters"]["primaryContainer"]["environment"] == {"API_KEY": HIDDEN}


def test_what_the_api_marks_as_sensitive_is_hidden(clients: Clients) -> None:
    addresses = ("AuthorizationEndpoint", "Issuer", "JwksUri", "LogoutEndpoint", "TokenEndpoint", "UserInfoEndpoint")
    oidc = {"ClientId": "c", "ClientSecret": "do-not-tell", **dict.fromkeys(addresses, "https://i.example.com/x")}
    clients("sagemaker").create_workforce(WorkforceName="w", OidcConfig=oidc)
    record = whole(clients.events()[0])
    assert record["requestParameters"]["oidcConfig"]["clientSecret"] == HIDDEN
    assert "do-not-tell" not in json.dumps(record)


def test_parameters_that_are_too_large_are_left_out(clients: Clients) -> None:
    template = "<p>" + "x" * 110_000 + "</p>"
    clients("sagemaker").create_human_task_ui(HumanTaskUiName="g", UiTemplate={"Content": template})
    left_out = whole(clients.events(ResourceName="g")[0])["requestParameters"]
    assert left_out["omitted"] is True
    assert left_out["reason"] == "requestParameters too large"
    assert left_out["originalSize"] > 102_400


def test_an_event_is_found_by_its_id_alone(clients: Clients) -> None:
    clients.model("a")
    clients.model("b")
    wanted = clients.events(ResourceName="a")[0]
    assert clients.events(EventId=wanted["EventId"]) == [wanted]
    other_request = ("0" if wanted["EventId"][0] != "0" else "1") + wanted["EventId"][1:]
    assert clients.events(EventId=other_request) == []
    assert clients.events(EventId="no uuid") == []
    assert clients.events("eu-west-1", EventId=wanted["EventId"]) == []


def test_events_are_looked_up_by_every_attribute(clients: Clients) -> None:
    clients.model("a")
    clients("sagemaker").add_tags(
        ResourceArn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/a", Tags=[{"Key": "k", "Value": "v"}]
    )
    clients("sagemaker").create_code_repository(
        CodeRepositoryName="r", GitConfig={"RepositoryUrl": "https://github.com/a/b"}
    )
    assert clients.names(EventName="AddTags") == ["AddTags"]
    assert clients.names(ResourceName="a") == ["AddTags", "CreateModel"]
    assert clients.names(ResourceName=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/a") == ["AddTags", "CreateModel"]
    assert clients.names(ResourceType="AWS::SageMaker::CodeRepository") == ["CreateCodeRepository"]
    assert len(clients.names(Username="sagesmith")) == 3
    assert clients.names(Username="somebody") == []
    assert len(clients.names(AccessKeyId=CALLER.access_key_id)) == 3


def test_events_are_looked_up_by_their_time(clients: Clients) -> None:
    clients.model()
    now, hour = datetime.now(UTC), timedelta(hours=1)
    lookup = clients("cloudtrail").lookup_events
    assert len(lookup(StartTime=now - hour, EndTime=now + hour)["Events"]) == 1
    assert lookup(EndTime=now - hour)["Events"] == []
    assert lookup(StartTime=now + hour)["Events"] == []
    event = lookup()["Events"][0]
    assert lookup(StartTime=event["EventTime"], EndTime=event["EventTime"])["Events"] == [event]


def test_pages_show_every_event_once(clients: Clients) -> None:
    for number in range(5):
        clients.model(f"m{number}")
    pages = clients("cloudtrail").get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 2})
    seen = [event["Resources"][0]["ResourceName"] for page in pages for event in page["Events"]]
    assert seen == ["m4", "m3", "m2", "m1", "m0"]


@pytest.mark.parametrize(
    ("expected", "asked"),
    [
        (
            "InvalidLookupAttributesException",
            {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": each} for each in ("a", "b")]},
        ),
        (
            "ValidationException",
            {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "x" * 2001}]},
        ),
        (
            "InvalidLookupAttributesException",
            {"LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "maybe"}]},
        ),
        ("InvalidTimeRangeException", {"StartTime": 2_000_000_000, "EndTime": 1_000_000_000}),
        ("InvalidNextTokenException", {"NextToken": "mine"}),
        ("ValidationException", {"MaxResults": 51}),
        ("ValidationException", {"LookupAttributes": [{"AttributeKey": "Colour", "AttributeValue": "red"}]}),
    ],
)
def test_a_lookup_that_makes_no_sense_is_refused(clients: Clients, expected: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as raised:
        clients("cloudtrail").lookup_events(**asked)
    assert code(raised) == expected


def test_a_call_whose_record_cannot_be_written_is_not_acknowledged(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken, pytest.raises(ClientError) as raised:
        broken.setattr(Transaction, "put_audit_record", fail)
        clients.model()
    assert code(raised) == "InternalFailure"
    assert clients("sagemaker").list_models()["Models"] == []


def test_a_refusal_reaches_the_client_even_if_it_cannot_be_recorded(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Transaction, "put_audit_record", fail)
    with pytest.raises(ClientError) as raised:
        clients("sagemaker").delete_model(ModelName="absent")
    assert code(raised) == "ValidationException"


def test_a_request_that_is_repeated_with_its_token_is_recorded_each_time(clients: Clients) -> None:
    sagemaker = clients("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="g")
    first, second = (
        sagemaker.create_model_package(
            ModelPackageGroupName="g",
            ClientToken="t",
            InferenceSpecification={"Containers": [{"Image": IMAGE}], "SupportedContentTypes": ["text/csv"]},
        )
        for _ in range(2)
    )
    assert first["ModelPackageArn"] == second["ModelPackageArn"]
    assert clients.names(ResourceName="g/1") == ["CreateModelPackage", "CreateModelPackage"]


def test_records_that_are_older_than_the_setting_are_removed(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    clients.model("old")
    later = time.time() + 91 * 86400
    monkeypatch.setattr(retention.time, "time", lambda: later)
    retention.keep(clients.home.platform, clients.home.store)
    assert clients.names() == []
