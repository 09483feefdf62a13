"""CBOR: items as RFC 8949 writes them, and CloudWatch called in each of the protocols that its clients speak."""

import gzip
import math
import struct
from datetime import UTC, datetime
from typing import Any

import botocore.model
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.wire.answers import error_response
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError
from sagesmith.wire.protocols.cbor_items import MalformedCbor, Timestamp, decode, encode
from tests.unit.wire.clients import client_for, request_context

ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


@given(ITEMS)
def test_what_is_written_is_read_again(item: Any) -> None:
    assert decode(encode(item)) == item


@pytest.mark.parametrize(
    ("data", "item"),
    [
        ("1b000000e8d4a51000", 1_000_000_000_000),
        ("3863", -100),
        ("f93c00", 1.0),
        ("fa47c35000", 100_000.0),
        ("f97c00", math.inf),
        ("5f42010243030405ff", bytes([1, 2, 3, 4, 5])),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
        ("f7", None),
    ],
)
def test_the_examples_of_the_standard_are_read(data: str, item: Any) -> None:
    assert decode(bytes.fromhex(data)) == item


def test_times_are_tagged() -> None:
    read = decode(bytes.fromhex("c1fb41d452d9ec200000"))
    assert isinstance(read, Timestamp)
    assert read == 1_363_896_240.5
    assert encode(Timestamp(1_363_896_240.0)).hex() == "c11a514b67b0"


@pytest.mark.parametrize(
    "data", ["", "18", "62c328", "9b7fffffffffffffff", "a10102", "c000", "c1f97e00", "f8", "0000", "1c", "5f6161ff"]
)
def test_what_is_not_cbor_is_refused(data: str) -> None:
    with pytest.raises(MalformedCbor):
        decode(bytes.fromhex(data))


def test_items_that_are_nested_without_end_are_refused() -> None:
    with pytest.raises(MalformedCbor, match="nested"):
        decode(b"\x81" * 100_000)


class Metrics:
    """Handlers that answer, refuse, and remember what they were given."""

    def __init__(self) -> None:
        self.given: list[Params] = []

    def put(self, _context: RequestContext, params: Params) -> Params:
        self.given.append(params)
        return {}

    def get(self, _context: RequestContext, params: Params) -> Params:
        self.given.append(params)
        return {"Label": "loss", "Datapoints": [{"Timestamp": 1_700_000_000.5, "Average": 3, "Unit": "None"}]}

    def refuse(self, _context: RequestContext, _params: Params) -> Params:
        raise AwsError("InvalidParameterValue", "It is wrong.", 400)

    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            {
                "cloudwatch": {
                    "PutMetricData": self.put,
                    "GetMetricStatistics": self.get,
                    "ListMetrics": self.refuse,
                }
            }
        )


@pytest.fixture(params=["json", "smithy-rpc-v2-cbor", "query"])
def protocol(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(botocore.model, "PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (request.param,))
    return str(request.param)


@pytest.mark.usefixtures("protocol")
def test_cloudwatch_is_answered_in_every_protocol_that_it_has() -> None:
    metrics = Metrics()
    client = client_for("cloudwatch", metrics.dispatcher())
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    client.put_metric_data(
        Namespace="N",
        MetricData=[
            {"MetricName": "m", "Timestamp": at, "Values": [1.5, 2.5], "Dimensions": [{"Name": "a", "Value": "é"}]}
        ],
    )
    assert metrics.given[0] == {
        "Namespace": "N",
        "MetricData": [
            {
                "MetricName": "m",
                "Timestamp": at.timestamp(),
                "Values": [1.5, 2.5],
                "Dimensions": [{"Name": "a", "Value": "é"}],
            }
        ],
    }
    answer = client.get_metric_statistics(
        Namespace="N", MetricName="m", StartTime=at, EndTime=at, Period=60, Statistics=["Average"]
    )
    assert answer["Datapoints"] == [
        {"Timestamp": datetime.fromtimestamp(1_700_000_000.5, UTC), "Average": 3.0, "Unit": "None"}
    ]
    assert answer["ResponseMetadata"]["RequestId"]


def test_an_error_has_the_code_that_query_has_and_the_class_of_its_shape(protocol: str) -> None:
    client = client_for("cloudwatch", Metrics().dispatcher())
    with pytest.raises(ClientError) as refused:
        client.list_metrics()
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert refused.value.response["Error"]["Message"] == "It is wrong."
    if protocol != "query":
        assert isinstance(refused.value, client.exceptions.InvalidParameterValueException)
    with pytest.raises(ClientError) as refused:
        client.describe_alarms()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.usefixtures("protocol")
def test_a_large_request_may_come_compressed() -> None:
    metrics = Metrics()
    client = client_for("cloudwatch", metrics.dispatcher())
    seen = []
    client.meta.events.register_first("before-send.*", lambda request, **_: seen.append(request.headers))
    client.put_metric_data(Namespace="N", MetricData=[{"MetricName": f"m{each}", "Value": 1.0} for each in range(500)])
    assert seen[0]["Content-Encoding"] in ("gzip", b"gzip")
    assert len(metrics.given[0]["MetricData"]) == 500


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"not gzip", 400), (gzip.compress(b"{}", mtime=0)[:-4], 400), (gzip.compress(bytes(17 << 20)), 413)],
)
def test_a_compressed_request_that_is_broken_or_too_large_is_refused(body: bytes, status: int) -> None:
    headers = [
        (b"x-amz-target", b"GraniteServiceVersion20100801.PutMetricData"),
        (b"content-encoding", b"gzip"),
    ]
    answer = Metrics().dispatcher().dispatch(request_context("monitoring"), "POST", b"/", headers, body)
    assert answer.status == status


@pytest.mark.parametrize("body", [b"\xff", encode([1]), encode({"Namespace": 1}), struct.pack(">B", 0x5B)])
def test_a_request_that_is_not_its_shape_is_refused(body: bytes) -> None:
    path = b"/service/GraniteServiceVersion20100801/operation/PutMetricData"
    headers = [(b"smithy-protocol", b"rpc-v2-cbor")]
    answer = Metrics().dispatcher().dispatch(request_context("monitoring"), "POST", path, headers, body)
    assert isinstance(answer.body, bytes)
    assert answer.status == 400
    assert decode(answer.body)["__type"] == "SerializationException"


def test_an_operation_that_is_not_there_and_a_refusal_of_a_router_are_cbor() -> None:
    headers = [(b"smithy-protocol", b"rpc-v2-cbor")]
    answer = Metrics().dispatcher().dispatch(request_context("monitoring"), "POST", b"/nowhere", headers, b"")
    refusal = error_response("", b"/nowhere", headers, AwsError("MissingAuthenticationToken", "No.", 403), "id")
    assert isinstance(answer.body, bytes)
    assert isinstance(refusal.body, bytes)
    assert decode(answer.body)["__type"] == "UnknownOperationException"
    assert decode(refusal.body) == {"__type": "MissingAuthenticationToken", "message": "No."}
