"""Metric alarms on a real store, called by botocore's client, and the rules by which their state follows the values."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.services import cloudwatch, sns, sqs
from sagesmith.services.base import Home
from sagesmith.services.cloudwatch.alarm_rules import Condition, Point, judge
from sagesmith.services.reconcile import ReconcileLoop
from sagesmith.store import Datum, Metric, StatisticSet
from sagesmith.wire.app import Dispatcher
from tests.unit.services.home import home_in
from tests.unit.wire.clients import REGION, client_for

SPACE = "Test"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = home_in(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def client(home: Home) -> Any:
    return client_for("cloudwatch", Dispatcher({"cloudwatch": cloudwatch.handlers(home)}))


def put_alarm(client: Any, name: str = "errors", **changes: Any) -> None:
    given = {
        "Namespace": SPACE,
        "MetricName": "Errors",
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 2.0,
        "ComparisonOperator": "GreaterThanThreshold",
        **changes,
    }
    client.put_metric_alarm(AlarmName=name, **{member: value for member, value in given.items() if value is not None})


def measure(home: Home, value: float, minutes_ago: int = 1, name: str = "Errors") -> None:
    """A value in the middle of a minute that is over."""
    at = int(time.time()) // 60 * 60 - 60 * minutes_ago + 30
    with home.store.write() as tx:
        metric = Metric(SPACE, name, (("EndpointName", "e"),))
        tx.put_statistics(REGION, [Datum(metric, at, "None", StatisticSet.of([value]))])


def look(home: Home) -> None:
    loop = ReconcileLoop(home, cloudwatch.reconcilers())
    loop.recover()
    while loop.turn():
        pass


def alarm(client: Any, name: str = "errors") -> dict[str, Any]:
    (found,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found


def refusal(call: Any, *arguments: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(*arguments, **params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_alarm_is_described_as_it_was_put(client: Any) -> None:
    put_alarm(client, AlarmDescription="too many", AlarmActions=["arn:aws:sns:us-east-1:1:topic"])
    found = alarm(client)
    assert (found["AlarmDescription"], found["Threshold"], found["ActionsEnabled"]) == ("too many", 2.0, True)
    assert (found["StateValue"], found["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    assert found["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"
    assert found["OKActions"] == []


def test_the_state_follows_what_is_measured_and_the_history_tells(client: Any, home: Home) -> None:
    put_alarm(client)
    measure(home, 5.0)
    look(home)
    found = alarm(client)
    assert found["StateValue"] == "ALARM"
    assert found["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoint [5.0 (")
    assert found["StateReason"].endswith(
        "was greater than the threshold (2.0) (minimum 1 datapoint for INSUFFICIENT_DATA -> ALARM transition)."
    )
    put_alarm(client, Threshold=10.0)
    assert alarm(client)["StateValue"] == "ALARM", "new settings leave the state until the alarm is looked at"
    look(home)
    assert alarm(client)["StateValue"] == "OK"
    items = client.describe_alarm_history(AlarmName="errors", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in items] == [
        'Alarm "errors" created',
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        'Alarm "errors" updated',
        "Alarm updated from ALARM to OK",
    ]


def test_a_change_is_an_event_for_eventbridge(client: Any, home: Home) -> None:
    put_alarm(client)
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    with home.store.read() as tx:
        (event,) = tx.events().events
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["detail"]["state"]["value"] == "ALARM"
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"


def test_an_alarm_tells_the_topic_among_its_actions_of_its_change(home: Home) -> None:
    told = {"cloudwatch": cloudwatch.handlers(home), "sns": sns.handlers(home), "sqs": sqs.handlers(home)}
    client, topics, queues = (client_for(service, Dispatcher(told)) for service in told)
    topic = topics.create_topic(Name="alarms")["TopicArn"]
    queue = queues.create_queue(QueueName="alarms")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    put_alarm(client, AlarmActions=[topic], AlarmDescription="too many")
    client.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="a test")
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="once more")
    (received,) = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    notice = json.loads(received["Body"])
    assert notice["Subject"] == f'ALARM: "errors" in {REGION}'
    message = json.loads(notice["Message"])
    states = {"OldStateValue": "OK", "NewStateValue": "ALARM", "NewStateReason": "a test"}
    assert {member: message[member] for member in states} == states
    assert message["AlarmDescription"] == "too many"
    assert message["AlarmActions"] == [topic]
    assert re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}\+0000", message["StateChangeTime"])
    assert message["Trigger"] == {
        "MetricName": "Errors",
        "Namespace": SPACE,
        "StatisticType": "Statistic",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": [{"value": "e", "name": "EndpointName"}],
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 2.0,
        "TreatMissingData": "",
        "EvaluateLowSampleCountPercentile": "",
    }
    (item,) = client.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert item["HistorySummary"] == f"Successfully executed action {topic}"


@pytest.mark.parametrize("action", ["arn:aws:swf:us-east-1:1:action/actions/x", "arn:aws:sns:us-east-1:1:not-there"])
def test_an_action_that_cannot_be_taken_is_said_to_have_failed_and_the_state_changes(client: Any, action: str) -> None:
    put_alarm(client, AlarmActions=[action])
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    (alarm,) = client.describe_alarms(AlarmNames=["errors"])["MetricAlarms"]
    assert alarm["StateValue"] == "ALARM"
    (item,) = client.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert item["HistorySummary"] == f"Failed to execute action {action}"


def test_an_action_that_is_not_taken_is_said_to_have_failed(client: Any) -> None:
    put_alarm(client, AlarmActions=["arn:aws:sns:us-east-1:1:topic"])
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    (item,) = client.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert item["HistorySummary"] == "Failed to execute action arn:aws:sns:us-east-1:1:topic"
    client.disable_alarm_actions(AlarmNames=["errors", "not-there"])
    client.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="a test")
    client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    assert len(client.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]) == 1


def test_an_alarm_on_an_expression_looks_at_its_value(client: Any, home: Home) -> None:
    stat = {
        "Metric": {
            "Namespace": SPACE,
            "MetricName": "Errors",
            "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
        },
        "Period": 60,
        "Stat": "Sum",
    }
    metrics = [
        {"Id": "m1", "MetricStat": stat, "ReturnData": False},
        {"Id": "twice", "Expression": "m1 * 2", "Period": 60},
    ]
    without = dict.fromkeys(("Namespace", "MetricName", "Dimensions", "Statistic", "Period"))
    put_alarm(client, Metrics=metrics, **without)
    measure(home, 1.5)
    look(home)
    assert alarm(client)["StateValue"] == "ALARM"


def test_alarms_are_found_by_prefix_state_metric_and_page(client: Any) -> None:
    for name in ("a-1", "a-2", "b-1"):
        put_alarm(client, name, MetricName=f"Metric-{name}")
    client.set_alarm_state(AlarmName="a-2", StateValue="OK", StateReason="")

    def names(**asked: Any) -> list[str]:
        return [each["AlarmName"] for each in client.describe_alarms(**asked)["MetricAlarms"]]

    assert names() == ["a-1", "a-2", "b-1"]
    assert names(AlarmNamePrefix="a-") == ["a-1", "a-2"]
    assert names(StateValue="OK") == ["a-2"]
    assert names(ActionPrefix="arn:") == []
    first = client.describe_alarms(MaxRecords=2)
    assert [each["AlarmName"] for each in first["MetricAlarms"]] == ["a-1", "a-2"]
    assert names(NextToken=first["NextToken"]) == ["b-1"]
    found = client.describe_alarms_for_metric(
        Namespace=SPACE, MetricName="Metric-b-1", Dimensions=[{"Name": "EndpointName", "Value": "e"}]
    )
    assert [each["AlarmName"] for each in found["MetricAlarms"]] == ["b-1"]


def test_one_alarm_that_is_not_there_keeps_all_from_being_deleted(client: Any) -> None:
    put_alarm(client)
    assert refusal(client.delete_alarms, AlarmNames=["errors", "gone"])[0] == "ResourceNotFound"
    assert alarm(client)
    client.delete_alarms(AlarmNames=["errors"])
    assert client.describe_alarms()["MetricAlarms"] == []


def test_alarms_have_tags(client: Any) -> None:
    put_alarm(client, Tags=[{"Key": "team", "Value": "a"}])
    arn = alarm(client)["AlarmArn"]
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "cost", "Value": "b"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "cost", "Value": "b"}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Statistic": None}, "The parameter Statistic or ExtendedStatistic is required."),
        ({"ExtendedStatistic": "p99"}, "mutually exclusive"),
        ({"Threshold": None}, "The parameter Threshold is required."),
        ({"Period": 45}, "Period must be 10, 20, 30 or a multiple of 60"),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm should be less than or equal to EvaluationPeriods"),
        ({"EvaluationPeriods": 2000}, "Metrics cannot be checked across more than a day"),
        ({"TreatMissingData": "maybe"}, "Option maybe is not supported"),
        ({"Metrics": [{"Id": "m", "Expression": "1", "Period": 60}]}, "mutually exclusive"),
    ],
)
def test_an_alarm_that_makes_no_sense_is_refused(client: Any, changes: dict[str, Any], said: str) -> None:
    code, message = refusal(put_alarm, client, **changes)
    assert code == "ValidationError"
    assert said in message
    assert client.describe_alarms()["MetricAlarms"] == []


TABLE = [
    # Documented for an alarm of three periods: what was measured (X breaches), how many of three, and the state if what
    # is missing counts as missing, is ignored, breaches, does not.
    ("0-X-X", 3, "OK", "OK", "OK", "OK"),
    ("0----", 3, "OK", "OK", "OK", "OK"),
    ("-----", 3, "INSUFFICIENT_DATA", None, "ALARM", "OK"),
    ("0XX-X", 3, "ALARM", "ALARM", "ALARM", "ALARM"),
    ("--X--", 3, "ALARM", None, "ALARM", "OK"),
    ("0-X-X", 2, "ALARM", "ALARM", "ALARM", "ALARM"),
    ("00X0X", 2, "ALARM", "ALARM", "ALARM", "ALARM"),
    ("0-X--", 2, "OK", "OK", "ALARM", "OK"),
    ("----0", 2, "OK", "OK", "ALARM", "OK"),
    ("---X-", 2, "ALARM", None, "ALARM", "OK"),
]


@pytest.mark.parametrize(("measured", "enough", "missing", "ignore", "breaching", "not_breaching"), TABLE)
def test_missing_data_count_as_the_documentation_says(
    measured: str, enough: int, missing: str, ignore: str | None, breaching: str, not_breaching: str
) -> None:
    points = [Point(at * 60, float(each == "X")) for at, each in enumerate(measured) if each != "-"]

    def state(treatment: str) -> str | None:
        return judge(Condition("GreaterThanThreshold", 0.5, 3, enough, treatment), points).state

    assert [state(each) for each in ("missing", "ignore", "breaching", "notBreaching")] == [
        missing,
        ignore,
        breaching,
        not_breaching,
    ]
