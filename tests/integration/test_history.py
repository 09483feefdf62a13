"""What a running platform tells of what was done: to boto3's CloudTrail client, and on the command line."""

import json

from sagesmith import hosts
from tests.integration.conftest import Running
from tests.integration.servers import IMAGE, ROLE


def test_a_call_is_found_by_its_resource_with_who_made_it_and_from_where(platform: Running) -> None:
    made = platform.client("sagemaker").create_model(
        ModelName="audited", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE
    )
    (event,) = platform.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": "audited"}]
    )["Events"]
    record = json.loads(event["CloudTrailEvent"])
    assert record["eventName"] == "CreateModel"
    assert record["requestID"] == made["ResponseMetadata"]["RequestId"]
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert record["userAgent"].startswith("Boto3/")
    assert record["userIdentity"]["accessKeyId"] == platform.variables["AWS_ACCESS_KEY_ID"]
    assert record["responseElements"] == {"modelArn": made["ModelArn"]}


def test_the_command_line_shows_the_events_of_a_platform_that_runs(platform: Running) -> None:
    platform.client("sagemaker").create_model(
        ModelName="told", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE
    )
    shown = platform.cli("events", "--json")
    assert shown.returncode == 0, shown.stderr
    events = [json.loads(line) for line in shown.stdout.splitlines()]
    assert "SageMaker Model State Change" in [
        each["detail-type"] for each in events if each["detail"].get("ModelName") == "told"
    ]


def test_cloudtrail_is_reached_by_its_host_name() -> None:
    assert hosts.is_provided("cloudtrail.eu-west-1.amazonaws.com")
