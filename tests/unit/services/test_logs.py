"""The logs service on a real store; answers are checked against botocore's model."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import orjson
import pytest
from botocore.validate import ParamValidator

from sagesmith.credentials import Principal
from sagesmith.services import logs
from sagesmith.services.base import Home
from sagesmith.services.logs.patterns import compile_pattern
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError
from tests.unit.services.home import home_in
from tests.unit.wire.clients import ACCOUNT, REGION

Call = Callable[..., dict[str, Any]]
NOW = int(time.time() * 1000)
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = home_in(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def call(home: Home) -> Call:
    """call("Operation", member=value): the answer, valid by the model's output shape."""
    model = botocore.session.get_session().get_service_model("logs")
    handlers = logs.handlers(home)
    root = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "AKIAEXAMPLE", ACCOUNT)
    context = RequestContext("request", "logs", "", REGION, root, "127.0.0.1")

    def answer(operation: str, **params: Any) -> dict[str, Any]:
        shapes = model.operation_model(operation)
        assert not ParamValidator().validate(params, shapes.input_shape).has_errors()
        said = {name: value for name, value in handlers[operation](context, params).items() if value is not None}
        # A page of events is JSON already.
        said = {name: orjson.loads(orjson.dumps(value)) for name, value in said.items()}
        if shapes.output_shape is None:
            assert said == {}
        else:
            assert set(said) <= set(shapes.output_shape.members)
            report = ParamValidator().validate(said, shapes.output_shape)
            assert not report.has_errors(), report.generate_report()
        return said

    return answer


def _refused(call: Call, operation: str, **params: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as raised:
        call(operation, **params)
    return raised.value.code, raised.value.message


def _stream(call: Call, name: str = "job/algo-1", lines: int = 0, start: int = NOW) -> dict[str, str]:
    place = {"logGroupName": GROUP, "logStreamName": name}
    if not call("DescribeLogGroups")["logGroups"]:
        call("CreateLogGroup", logGroupName=GROUP)
    call("CreateLogStream", **place)
    if lines:
        call("PutLogEvents", **place, logEvents=[_event(f"line {at}", start + at) for at in range(lines)])
    return place


def _event(message: str, timestamp: int = NOW) -> dict[str, Any]:
    return {"message": message, "timestamp": timestamp}


def test_what_is_missing_is_said_in_the_words_of_aws(call: Call) -> None:
    no_group = ("ResourceNotFoundException", "The specified log group does not exist.")
    no_stream = ("ResourceNotFoundException", "The specified log stream does not exist.")
    place = {"logGroupName": "none", "logStreamName": "none"}
    batch = {"logEvents": [_event("x")]}
    assert _refused(call, "DeleteLogGroup", logGroupName="none") == no_group
    assert _refused(call, "DescribeLogStreams", logGroupName="none") == no_group
    assert _refused(call, "CreateLogStream", **place) == no_group
    assert _refused(call, "DeleteLogStream", **place) == no_group
    assert _refused(call, "GetLogEvents", **place) == no_group
    assert _refused(call, "FilterLogEvents", logGroupName="none") == no_group
    assert _refused(call, "PutLogEvents", **place, **batch) == no_group
    assert _refused(call, "PutRetentionPolicy", logGroupName="none", retentionInDays=7) == no_group
    call("CreateLogGroup", logGroupName="none")
    assert _refused(call, "DeleteLogStream", **place) == no_stream
    assert _refused(call, "GetLogEvents", **place) == no_stream
    assert _refused(call, "PutLogEvents", **place, **batch) == no_stream
    assert _refused(call, "FilterLogEvents", logGroupName="none", logStreamNames=["none"]) == no_stream
    assert call("DescribeLogStreams", logGroupName="none")["logStreams"] == []


def test_a_group_and_a_stream_exist_once(call: Call) -> None:
    place = _stream(call)
    assert _refused(call, "CreateLogGroup", logGroupName=GROUP)[0] == "ResourceAlreadyExistsException"
    assert _refused(call, "CreateLogStream", **place)[0] == "ResourceAlreadyExistsException"
    call("DeleteLogStream", **place)
    call("CreateLogStream", **place)
    call("DeleteLogGroup", logGroupName=GROUP)
    assert call("DescribeLogGroups")["logGroups"] == []


def test_a_group_is_described_with_arn_retention_and_size(call: Call) -> None:
    _stream(call, lines=2)
    call("PutRetentionPolicy", logGroupName=GROUP, retentionInDays=14)
    (group,) = call("DescribeLogGroups", logGroupNamePrefix="/aws/sage")["logGroups"]
    assert group["arn"].endswith(f":log-group:{GROUP}:*")
    assert group["logGroupArn"] + ":*" == group["arn"]
    assert (group["retentionInDays"], group["storedBytes"]) == (14, 2 * (6 + 26))
    assert call("DescribeLogGroups", logGroupNamePattern="Training")["logGroups"] == [group]
    assert call("DescribeLogGroups", logGroupIdentifiers=[group["logGroupArn"]])["logGroups"] == [group]
    assert call("DescribeLogGroups", logGroupNamePrefix="sage")["logGroups"] == []
    assert call("DescribeLogGroups", accountIdentifiers=["210987654321"])["logGroups"] == []
    assert _refused(call, "DescribeLogGroups", logGroupNamePrefix="a", logGroupNamePattern="b")[0] == (
        "InvalidParameterException"
    )
    assert _refused(call, "PutRetentionPolicy", logGroupName=GROUP, retentionInDays=8)[0] == "InvalidParameterException"
    call("DeleteRetentionPolicy", logGroupName=GROUP)
    assert "retentionInDays" not in call("DescribeLogGroups")["logGroups"][0]


def test_what_is_not_built_says_so_and_makes_nothing(call: Call) -> None:
    for member, value in (("kmsKeyId", "arn:aws:kms:x"), ("logGroupClass", "DELIVERY")):
        assert _refused(call, "CreateLogGroup", logGroupName="g", **{member: value})[0] == "NotImplementedException"
    assert call("DescribeLogGroups")["logGroups"] == []
    _stream(call)
    assert _refused(call, "FilterLogEvents", logGroupName=GROUP, startFromHead=False)[0] == "NotImplementedException"


def test_streams_are_listed_by_name_prefix_and_last_event(call: Call) -> None:
    _stream(call, "job-a/algo-1", lines=1, start=NOW)
    _stream(call, "job-b/algo-1", lines=1, start=NOW - 1000)
    _stream(call, "job-c/algo-1")
    group = {"logGroupName": GROUP}

    def names(**params: Any) -> list[str]:
        return [stream["logStreamName"][4] for stream in call("DescribeLogStreams", **group, **params)["logStreams"]]

    assert names() == ["a", "b", "c"]
    assert names(logStreamNamePrefix="job-b/") == ["b"]
    assert names(orderBy="LastEventTime", descending=True) == ["a", "b", "c"]
    assert names(orderBy="LastEventTime") == ["c", "b", "a"]
    page = call("DescribeLogStreams", **group, limit=2)
    assert names(limit=2, nextToken=page["nextToken"]) == ["c"]
    first = page["logStreams"][0]
    assert (first["firstEventTimestamp"], first["lastEventTimestamp"]) == (NOW, NOW)
    assert _refused(call, "DescribeLogStreams", **group, orderBy="LastEventTime", logStreamNamePrefix="j") == (
        "InvalidParameterException",
        "Cannot order by LastEventTime with a logStreamNamePrefix.",
    )
    assert _refused(call, "DescribeLogStreams", **group, nextToken="x")[0] == "InvalidParameterException"
    assert _refused(call, "DescribeLogStreams")[0] == "InvalidParameterException"


def test_a_reader_that_follows_gets_the_same_token_at_the_end_and_new_lines_later(call: Call) -> None:
    place = _stream(call, lines=5)
    page = call("GetLogEvents", **place, startFromHead=True, limit=3)
    assert [event["message"] for event in page["events"]] == ["line 0", "line 1", "line 2"]
    page = call("GetLogEvents", **place, startFromHead=True, nextToken=page["nextForwardToken"])
    assert [event["message"] for event in page["events"]] == ["line 3", "line 4"]
    end = page["nextForwardToken"]
    assert end.startswith("f/")
    page = call("GetLogEvents", **place, nextToken=end)
    assert (page["events"], page["nextForwardToken"]) == ([], end)
    call("PutLogEvents", **place, logEvents=[_event("new")])
    page = call("GetLogEvents", **place, nextToken=end)
    assert [event["message"] for event in page["events"]] == ["new"]


def test_a_reader_may_go_back_from_the_end(call: Call) -> None:
    place = _stream(call, lines=5)
    page = call("GetLogEvents", **place, limit=2)
    assert [event["message"] for event in page["events"]] == ["line 3", "line 4"]
    assert page["nextBackwardToken"].startswith("b/")
    page = call("GetLogEvents", **place, limit=9, nextToken=page["nextBackwardToken"])
    assert [event["message"] for event in page["events"]] == ["line 0", "line 1", "line 2"]
    start = page["nextBackwardToken"]
    page = call("GetLogEvents", **place, nextToken=start)
    assert (page["events"], page["nextBackwardToken"]) == ([], start)
    assert len(call("GetLogEvents", **place, nextToken=page["nextForwardToken"])["events"]) == 5


def test_an_empty_stream_can_be_followed_from_its_first_token(call: Call) -> None:
    place = _stream(call)
    token = call("GetLogEvents", **place, startFromHead=True)["nextForwardToken"]
    call("PutLogEvents", **place, logEvents=[_event("first")])
    assert len(call("GetLogEvents", **place, nextToken=token)["events"]) == 1
    for wrong in ("x", "f/", "f/x", "b/" + "9" * 56):
        assert _refused(call, "GetLogEvents", **place, nextToken=wrong)[0] == "InvalidParameterException"


def test_the_end_time_is_exclusive_for_get_and_inclusive_for_filter(call: Call) -> None:
    place = _stream(call, lines=5)
    times = {"startTime": NOW + 1, "endTime": NOW + 3}
    assert [e["message"] for e in call("GetLogEvents", **place, **times)["events"]] == ["line 1", "line 2"]
    found = call("FilterLogEvents", logGroupName=GROUP, **times)["events"]
    assert [e["message"] for e in found] == ["line 1", "line 2", "line 3"]


def test_a_page_holds_a_megabyte_at_most(call: Call) -> None:
    place = _stream(call)
    for _ in range(3):
        call("PutLogEvents", **place, logEvents=[_event("x" * 100_000) for _ in range(5)])
    assert len(call("GetLogEvents", **place)["events"]) == 10
    page = call("FilterLogEvents", logGroupName=GROUP)
    assert len(page["events"]) == 10
    assert len(call("FilterLogEvents", logGroupName=GROUP, nextToken=page["nextToken"])["events"]) == 5


def test_batches_that_aws_refuses_are_refused_whole(call: Call) -> None:
    place = _stream(call)
    day = 86_400_000
    for batch, words in (
        ([_event("a", NOW), _event("b", NOW - 1)], "chronological order"),
        ([_event("a", NOW - day - 1), _event("b", NOW)], "24 hours"),
        ([_event("x" * 600_000), _event("x" * 600_000)], "Upload too large"),
    ):
        code, message = _refused(call, "PutLogEvents", **place, logEvents=batch)
        assert code == "InvalidParameterException"
        assert words in message
    assert call("GetLogEvents", **place)["events"] == []


def test_events_out_of_time_are_left_out_and_named(call: Call) -> None:
    place = _stream(call)
    hour = 3_600_000
    batch = [_event("now", NOW), _event("later", NOW + 3 * hour)]
    answer = call("PutLogEvents", **place, logEvents=batch)
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    batch = [_event("old", NOW - 15 * 24 * hour)]
    assert call("PutLogEvents", **place, logEvents=batch)["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert [event["message"] for event in call("GetLogEvents", **place)["events"]] == ["now"]
    call("PutRetentionPolicy", logGroupName=GROUP, retentionInDays=1)
    batch = [_event("expired", NOW - 25 * hour), _event("kept", NOW - 2 * hour)]
    assert call("PutLogEvents", **place, logEvents=batch)["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert [event["message"] for event in call("GetLogEvents", **place)["events"]] == ["now", "kept"]


def test_events_past_the_retention_are_no_longer_shown(call: Call) -> None:
    place = _stream(call, lines=1, start=NOW - 2 * 86_400_000)
    call("PutRetentionPolicy", logGroupName=GROUP, retentionInDays=1)
    assert call("GetLogEvents", **place)["events"] == []
    assert call("FilterLogEvents", logGroupName=GROUP)["events"] == []


def test_a_search_goes_over_streams_in_the_order_of_time(call: Call) -> None:
    for number in range(3):
        _stream(call, f"AllTraffic/{number}", lines=4, start=NOW + number)
    _stream(call, "other/0", lines=4)
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"nextToken": None}
    while "nextToken" in page:
        token = {"nextToken": page["nextToken"]} if page["nextToken"] else {}
        page = call("FilterLogEvents", logGroupName=GROUP, logStreamNamePrefix="AllTraffic/", limit=5, **token)
        found += page["events"]
    assert [event["timestamp"] for event in found] == sorted(NOW + a + b for a in range(3) for b in range(4))
    assert len({event["eventId"] for event in found}) == 12
    named = call("FilterLogEvents", logGroupName=GROUP, logStreamNames=["other/0"], filterPattern="2")["events"]
    assert [event["message"] for event in named] == ["line 2"]
    assert _refused(call, "FilterLogEvents", logGroupName=GROUP, nextToken="x")[0] == "InvalidParameterException"
    assert _refused(call, "FilterLogEvents", logGroupName=GROUP, logStreamNames=["a"], logStreamNamePrefix="b")[0] == (
        "InvalidParameterException"
    )


def test_tags_are_kept_with_the_group(call: Call) -> None:
    call("CreateLogGroup", logGroupName=GROUP, tags={"a": "1"})
    arn = call("DescribeLogGroups")["logGroups"][0]["logGroupArn"]
    call("TagResource", resourceArn=arn, tags={"b": "2"})
    call("UntagResource", resourceArn=arn, tagKeys=["a"])
    assert call("ListTagsForResource", resourceArn=arn)["tags"] == {"b": "2"}
    call("DeleteLogGroup", logGroupName=GROUP)
    call("CreateLogGroup", logGroupName=GROUP)
    assert call("ListTagsForResource", resourceArn=arn)["tags"] == {}


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", ["anything"], []),
        ("ERROR", ["[ERROR 400] BAD REQUEST"], ["error", "ERRORS", "fine"]),
        ("ERROR REQUEST", ["REQUEST ERROR"], ["ERROR", "REQUEST"]),
        ("?ERROR ?WARN", ["ERROR", "WARN"], ["INFO"]),
        ("ERROR -ARGUMENTS", ["ERROR"], ["ERROR ARGUMENTS", "INFO"]),
        ('-"a b"', ["a c"], ["a b"]),
        ('"bad request"', ["a bad request"], ["bad  request", "bad"]),
        ('?"a=1" ?b', ["a=1", "b"], ["a=2"]),
        ("?ERROR INFO", ["INFO"], ["ERROR"]),
        (r'"say \"hi\""', ['say "hi"'], ["say hi"]),
    ],
)
def test_a_filter_pattern_of_terms_matches_whole_words(pattern: str, matching: list[str], others: list[str]) -> None:
    matches = compile_pattern(pattern) or (lambda _: True)
    assert [matches(message) for message in matching] == [True] * len(matching)
    assert [matches(message) for message in others] == [False] * len(others)


@pytest.mark.parametrize("pattern", ["{ $.a = 1 }", "[a, b]", "%x%", '"open', "-", "a ?"])
def test_a_filter_pattern_that_is_not_understood_is_refused(pattern: str) -> None:
    with pytest.raises(AwsError) as raised:
        compile_pattern(pattern)
    assert raised.value.code == "InvalidParameterException"
