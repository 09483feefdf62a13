"""CloudWatch on a real store, called by botocore's client, which checks every answer against the model."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.platform import retention
from sagesmith.services import cloudwatch
from sagesmith.services.base import Home
from sagesmith.services.cloudwatch.extended import statistic
from sagesmith.services.cloudwatch.labels import filled_in, timezone_of
from sagesmith.store import Datum, Metric, StatisticSet
from sagesmith.wire.app import Dispatcher
from tests.unit.services.home import home_in
from tests.unit.wire.clients import client_for

NOW = int(time.time())
HOUR = NOW // 3600 * 3600 - 3600
SPACE = "Test"
DIMENSIONS = [{"Name": "Job", "Value": "a"}]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = home_in(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def client(home: Home) -> Any:
    return client_for("cloudwatch", Dispatcher({"cloudwatch": cloudwatch.handlers(home)}))


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(HOUR + seconds, UTC)


def put(client: Any, name: str, values: dict[float, float], **more: Any) -> None:
    """Values by the seconds after HOUR."""
    data = [{"MetricName": name, "Timestamp": at(after), "Value": value, **more} for after, value in values.items()]
    client.put_metric_data(Namespace=SPACE, MetricData=data)


def statistics(client: Any, name: str, *wanted: str, **more: Any) -> list[dict[str, Any]]:
    given = {"Namespace": SPACE, "MetricName": name, "StartTime": at(0), "EndTime": at(600), "Period": 60}
    named = {"Statistics": list(wanted)} if wanted else {}
    answer = client.get_metric_statistics(**{**given, **named, **more})
    assert answer["Label"] == name
    return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])


def stat(name: str, identifier: str = "m1", wanted: str = "Average", **more: Any) -> dict[str, Any]:
    metric = {"Namespace": SPACE, "MetricName": name}
    return {"Id": identifier, "MetricStat": {"Metric": metric, "Period": 60, "Stat": wanted}, **more}


def data(client: Any, *queries: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    given = {"StartTime": at(0), "EndTime": at(600), "ScanBy": "TimestampAscending", "MetricDataQueries": queries}
    results: list[dict[str, Any]] = client.get_metric_data(**{**given, **more})["MetricDataResults"]
    return results


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_statistics_are_of_all_values_of_a_period(client: Any) -> None:
    put(client, "loss", {0: 1.0, 30: 3.0, 61: 10.0}, Unit="Seconds")
    first, second = statistics(client, "loss", "Average", "Sum", "SampleCount", "Minimum", "Maximum")
    assert first == {
        "Timestamp": at(0),
        "SampleCount": 2.0,
        "Average": 2.0,
        "Sum": 4.0,
        "Minimum": 1.0,
        "Maximum": 3.0,
        "Unit": "Seconds",
    }
    assert (second["Timestamp"], second["Average"]) == (at(60), 10.0)
    assert statistics(client, "loss", "Sum", Unit="Count") == []
    assert statistics(client, "loss", "Sum", Dimensions=DIMENSIONS) == []


def test_values_are_kept_by_the_minute_or_by_the_second(client: Any) -> None:
    put(client, "coarse", {10: 1.0, 20: 2.0})
    put(client, "fine", {10: 1.0, 20: 2.0}, StorageResolution=1)
    assert [point["Timestamp"] for point in statistics(client, "coarse", "Sum", Period=10)] == [at(0)]
    assert [point["Timestamp"] for point in statistics(client, "fine", "Sum", Period=10)] == [at(10), at(20)]


def test_periods_begin_at_the_start_rounded_down_to_the_minute(client: Any) -> None:
    put(client, "loss", {0: 1.0, 60: 2.0, 120: 4.0, 180: 8.0})
    found = statistics(client, "loss", "Sum", StartTime=at(95), EndTime=at(185), Period=120)
    assert [(point["Timestamp"], point["Sum"]) for point in found] == [(at(60), 6.0), (at(180), 8.0)]


def test_values_come_with_counts_and_as_statistic_sets(client: Any) -> None:
    put_metric = {"MetricName": "m", "Timestamp": at(0)}
    client.put_metric_data(
        Namespace=SPACE,
        MetricData=[
            {**put_metric, "Values": [1.0, 5.0], "Counts": [3.0, 1.0]},
            {
                **put_metric,
                "StatisticValues": {"SampleCount": 2, "Sum": 20, "Minimum": 10, "Maximum": 10},
                "Dimensions": DIMENSIONS,
            },
            {
                **put_metric,
                "MetricName": "opaque",
                "StatisticValues": {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2},
            },
        ],
    )
    (point,) = statistics(client, "m", "Average", "SampleCount")
    assert (point["Average"], point["SampleCount"]) == (2.0, 4.0)
    (point,) = statistics(client, "m", ExtendedStatistics=["p50", "tm90"], Dimensions=DIMENSIONS)
    assert point["ExtendedStatistics"] == {"p50": 10.0, "tm90": 10.0}
    assert statistics(client, "opaque", ExtendedStatistics=["p50"]) == []


VALUES = StatisticSet.of([float(each) for each in range(1, 101)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p0", 1.0),
        ("p50", 50.5),
        ("p99.9", 99.901),
        ("p100", 100.0),
        ("tm90", 45.5),
        ("TM(10%:90%)", 50.5),
        ("TM(150:1000)", None),
        ("TM(90:)", 95.5),
        ("tc90", 90.0),
        ("TC(:10)", 10.0),
        ("TS(98:100)", 199.0),
        ("IQM", 50.5),
        ("WM(:50)", 37.75),
        ("PR(:30)", 30.0),
        ("PR(10:20)", 10.0),
    ],
)
def test_extended_statistics_are_what_their_definitions_say(name: str, value: float | None) -> None:
    compute = statistic(name)
    assert compute is not None
    found = compute(VALUES)
    assert found == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    "name", ["", "p101", "p", "q50", "TM()", "TM(10%:90)", "PR(10%:20%)", "TM(90%:10%)", "average"]
)
def test_there_is_no_statistic_of_another_name(name: str) -> None:
    assert statistic(name) is None


def test_negative_values_have_no_percentiles_but_ranges() -> None:
    negative = StatisticSet.of([-1.0, 1.0])
    percentile, part = statistic("p50"), statistic("PR(:0)")
    assert percentile is not None
    assert part is not None
    assert percentile(negative) is None
    assert part(negative) == 50.0


def test_several_metrics_are_read_at_once_in_the_order_of_time(client: Any) -> None:
    put(client, "loss", {0: 1.0, 60: 2.0})
    put(client, "auc", {0: 0.5})
    loss, auc, none = data(client, stat("loss"), stat("auc", "m2", "Sum", Label="AUC"), stat("no", "m3"))
    assert loss == {
        "Id": "m1",
        "Label": "loss",
        "Timestamps": [at(0), at(60)],
        "Values": [1.0, 2.0],
        "StatusCode": "Complete",
    }
    assert (auc["Label"], auc["Values"]) == ("AUC", [0.5])
    assert (none["Values"], none["StatusCode"]) == ([], "Complete")
    assert data(client, stat("loss"), ScanBy="TimestampDescending")[0]["Values"] == [2.0, 1.0]


def test_units_are_results_of_their_own(client: Any) -> None:
    put(client, "m", {0: 1.0}, Unit="Count")
    put(client, "m", {0: 2.0}, Unit="Bytes")
    assert [each["Values"] for each in data(client, stat("m"))] == [[2.0], [1.0]]


@pytest.mark.parametrize("order", ["TimestampAscending", "TimestampDescending"])
def test_pages_hold_every_point_once(client: Any, order: str) -> None:
    put(client, "a", {60.0 * each: float(each) for each in range(5)})
    put(client, "b", {60.0 * each: float(10 + each) for each in range(3)})
    given = {
        "MetricDataQueries": [stat("a"), stat("b", "m2")],
        "StartTime": at(0),
        "EndTime": at(600),
        "ScanBy": order,
        "MaxDatapoints": 2,
    }
    found: dict[str, list[float]] = {"m1": [], "m2": []}
    sizes, token = [], {}
    while True:
        page = client.get_metric_data(**given, **token)
        sizes.append(sum(len(each["Values"]) for each in page["MetricDataResults"]))
        for each in page["MetricDataResults"]:
            found[each["Id"]] += each["Values"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert sizes == [2, 2, 2, 2]
    assert sorted(found["m1"]) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert sorted(found["m2"]) == [10.0, 11.0, 12.0]
    assert (found["m1"] == sorted(found["m1"])) == (order == "TimestampAscending")
    other = {**given, "MetricDataQueries": [stat("b")]}
    assert refusal(client.get_metric_data, **other, **token)[0] == "InvalidNextToken"


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("m1 * 100", [100.0, 200.0, 400.0]),
        ("m1 / m2", [0.1, 0.4]),
        ("-(m1 - 1) ^ 2", [0.0, -1.0, -9.0]),
        ("SUM([m1, m2])", [11.0, 2.0, 14.0]),
        ("SUM(METRICS())", [11.0, 2.0, 14.0]),
        ("m1 / MAX(m1)", [0.25, 0.5, 1.0]),
        ("m1 - AVG(m1) * METRIC_COUNT(METRICS('m1'))", [1 - 7 / 3, 2 - 7 / 3, 4 - 7 / 3]),
        ("FILL(m2, 0)", [10.0, 0.0, 10.0, 0.0]),
        ("FILL(m2, REPEAT)", [10.0, 10.0, 10.0, 10.0]),
        ("DIFF(m1)", [1.0, 2.0]),
        ("RATE(m1)", [1 / 60, 2 / 60]),
        ("IF(m1 > 1, m1, 0)", [0.0, 2.0, 4.0]),
        ("m1 / (m1 - 2)", [-1.0, 2.0]),
        ("m1 * PERIOD(m1)", [60.0, 120.0, 240.0]),
        ("e2 + 1", [3.0, 5.0, 9.0]),
        ("CEIL(m1 / 3)", [1.0, 1.0, 2.0]),
    ],
)
def test_expressions_are_arithmetic_on_what_is_there(client: Any, expression: str, values: list[float]) -> None:
    put(client, "a", {0: 1.0, 60: 2.0, 120: 4.0})
    put(client, "b", {0: 10.0, 120: 10.0})
    hidden = {"ReturnData": False}
    queries = (stat("a", **hidden), stat("b", "m2", **hidden), {"Id": "e2", "Expression": "m1 * 2", **hidden})
    (found,) = data(client, *queries, {"Id": "e1", "Expression": expression}, EndTime=at(240))
    assert found["Values"] == pytest.approx(values)
    assert found["Label"] == "e1"


@pytest.mark.parametrize(
    ("expression", "code", "message"),
    [
        ("m1 +", "ValidationError", "Error in expression 'e1' [it is not a valid expression]"),
        ("m9 + 1", "ValidationError", "Error in expression 'e1' [Undefined id: m9]"),
        ("e1 + 1", "ValidationError", "Error in expression 'e1' [e1 refers to itself]"),
        ("1 + 1", "ValidationError", "the expression must return a time series"),
        ("AVG(m1)", "ValidationError", "the expression must return a time series"),
        ("ANOMALY_DETECTION_BAND(m1)", "NotImplementedException", "ANOMALY_DETECTION_BAND"),
        ("SELECT AVG(x) FROM y", "NotImplementedException", "Metrics Insights"),
        ("SEARCH('{x}', 'Sum')", "NotImplementedException", "SEARCH"),
        ("m1 && m1", "ValidationError", "not a valid expression"),
        ("m1.real", "NotImplementedException", "Attribute"),
        ("(lambda: 1)()", "NotImplementedException", "not implemented"),
        ("-" * 60 + "m1", "ValidationError", "nested too deeply"),
        ("(" * 300 + "m1" + ")" * 300, "ValidationError", "not a valid expression"),
    ],
)
def test_an_expression_that_is_none_or_is_not_built_is_refused(
    client: Any, expression: str, code: str, message: str
) -> None:
    put(client, "a", {0: 1.0})
    queries = [stat("a"), {"Id": "e1", "Expression": expression}]
    found = refusal(client.get_metric_data, MetricDataQueries=queries, StartTime=at(0), EndTime=at(60))
    assert found[0] == code
    assert message in found[1]


def test_labels_say_what_the_series_has() -> None:
    series = {0: 1.0, 3600: 3.0}
    properties = {"MetricName": "loss", "Dim.Job": "a"}
    zone = timezone_of("+0130")
    assert zone is not None
    label = "${LABEL} ${PROP('Dim.Job')} ${AVG} ${MAX} ${DATAPOINT_COUNT} ${LAST_TIME} ${OTHER} ${PROP('Dim.X')}"
    expected = "loss a 2 3 2 1970-01-01 02:30:00 +01:30 ${OTHER} ${PROP('Dim.X')}"
    assert filled_in(label, series, properties, zone) == expected
    assert filled_in("${MAX} ${DATAPOINT_COUNT}", {}, properties) == "-- 0"
    assert timezone_of("0130") is None


def test_metrics_are_listed_by_name_dimension_and_activity(client: Any) -> None:
    put(client, "loss", {0: 1.0}, Dimensions=DIMENSIONS)
    put(client, "auc", {0: 1.0})
    put(client, "idle", {-5 * 3600: 1.0})
    put(client, "gone", {-13.9 * 86400: 1.0})
    listed = client.list_metrics(Namespace=SPACE, Dimensions=[{"Name": "Job"}])["Metrics"]
    assert listed == [{"Namespace": SPACE, "MetricName": "loss", "Dimensions": DIMENSIONS}]
    recent = client.list_metrics(RecentlyActive="PT3H")["Metrics"]
    assert {each["MetricName"] for each in recent} == {"loss", "auc"}
    assert {each["MetricName"] for each in client.list_metrics()["Metrics"]} == {"loss", "auc", "idle", "gone"}
    assert client.list_metrics(MetricName="auc", IncludeLinkedAccounts=True)["OwningAccounts"] == ["123456789012"]
    assert refusal(client.list_metrics, NextToken="x")[0] == "InvalidParameterValue"


def test_a_list_of_many_metrics_has_pages(client: Any) -> None:
    names = [f"m{each}" for each in range(501)]
    client.put_metric_data(Namespace=SPACE, MetricData=[{"MetricName": name, "Value": 1.0} for name in names[:500]])
    client.put_metric_data(Namespace=SPACE, MetricData=[{"MetricName": names[500], "Value": 1.0}])
    pages = list(client.get_paginator("list_metrics").paginate(Namespace=SPACE))
    assert [len(page["Metrics"]) for page in pages] == [500, 1]
    assert {each["MetricName"] for page in pages for each in page["Metrics"]} == set(names)


def test_old_data_become_coarser_and_then_are_removed(home: Home, client: Any) -> None:
    long_ago, metric = HOUR - 2 * 86400, Metric(SPACE, "m")
    with home.store.write() as tx:
        tx.put_statistics("us-east-1", [Datum(metric, long_ago, "None", StatisticSet.of([1.0, 2.0]))])
        tx.put_statistics("us-east-1", [Datum(metric, HOUR + 1, "None", StatisticSet.of([4.0]))])
    retention.keep(home.platform, home.store)
    whole = {"StartTime": at(-3 * 86400), "EndTime": at(600), "Period": 3600}
    assert [point["Sum"] for point in statistics(client, "m", "Sum", **whole)] == [3.0, 4.0]
    with home.store.read() as tx:
        assert tx.statistics_offset("rolled-up/60") > HOUR - 4 * 3600
    retention.keep(replace(home.platform, metrics_days=1), home.store)
    assert [point["Sum"] for point in statistics(client, "m", "Sum", **whole)] == [4.0]


WRONG = "MetricData.member.1"


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue", f"The value NaN for parameter {WRONG}.Value is invalid."),
        ({"Value": 2.0**361}, "InvalidParameterValue", f"for parameter {WRONG}.Value is invalid."),
        (
            {"Value": 1.0, "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}},
            "InvalidParameterCombination",
            f"{WRONG}.Value and {WRONG}.StatisticValues are mutually exclusive and you have specified both.",
        ),
        ({}, "InvalidParameterCombination", "must be specified"),
        (
            {"Values": [float(each) for each in range(151)]},
            "InvalidParameterValue",
            f"The collection {WRONG}.Values must not have a size greater than 150.",
        ),
        ({"Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValue", "same size"),
        ({"Values": [1.0], "Counts": [0.0]}, "InvalidParameterValue", "Counts.member.1 is invalid"),
        (
            {"Value": 1.0, "Timestamp": at(-15 * 86400)},
            "InvalidParameterValue",
            f"The parameter {WRONG}.Timestamp must specify a time within the past two weeks.",
        ),
        ({"Value": 1.0, "Timestamp": at(24 * 3600)}, "InvalidParameterValue", "two hours in the future"),
        ({"Value": 1.0, "StorageResolution": 30}, "InvalidParameterValue", "either 1 or 60"),
        ({"Value": 1.0, "Dimensions": [{"Name": "a", "Value": " "}]}, "InvalidParameterValue", "is invalid"),
        ({"Value": 1.0, "Dimensions": DIMENSIONS * 2}, "InvalidParameterValue", "same name"),
        (
            {"StatisticValues": {"SampleCount": 0, "Sum": 1, "Minimum": 2, "Maximum": 1}},
            "InvalidParameterValue",
            "SampleCount must be greater than 0",
        ),
        ({"Value": 1.0, "Unit": "Furlongs"}, "ValidationError", "Member must satisfy enum value set"),
    ],
)
def test_data_that_are_wrong_are_refused_and_nothing_is_stored(
    client: Any, datum: dict[str, Any], code: str, message: str
) -> None:
    bad, good = {"MetricName": "m", **datum}, {"MetricName": "m", "Value": 1.0}
    found = refusal(client.put_metric_data, Namespace=SPACE, MetricData=[bad, good])
    assert found[0] == code
    assert message in found[1]
    assert client.list_metrics()["Metrics"] == []


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"Namespace": SPACE}, "MissingParameter"),
        ({"Namespace": "AWS/EC2", "MetricData": [{"MetricName": "m", "Value": 1.0}]}, "InvalidParameterValue"),
        ({"Namespace": SPACE, "MetricData": [{"MetricName": "m", "Value": 1.0}] * 1001}, "InvalidParameterValue"),
        ({"Namespace": SPACE, "EntityMetricData": [{"MetricData": []}]}, "NotImplementedException"),
    ],
)
def test_a_request_that_puts_what_may_not_be_is_refused(client: Any, request_: dict[str, Any], code: str) -> None:
    assert refusal(client.put_metric_data, **request_)[0] == code


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"Period": 61}, "InvalidParameterValue", "multiple of 60"),
        ({"EndTime": at(-1)}, "InvalidParameterValue", "StartTime must be less than the parameter EndTime"),
        ({"StartTime": at(-2 * 86400)}, "InvalidParameterCombination", "You have requested up to 2,890 datapoints"),
        ({"Statistics": []}, "ValidationError", "'statistics'"),
        ({"ExtendedStatistics": ["p50"]}, "InvalidParameterCombination", "mutually exclusive"),
        ({"Statistics": None, "ExtendedStatistics": ["p200"]}, "InvalidParameterValue", "p200"),
        ({"Statistics": None}, "InvalidParameterCombination", "Must specify either"),
    ],
)
def test_statistics_that_cannot_be_are_refused(client: Any, params: dict[str, Any], code: str, message: str) -> None:
    given = {
        "Namespace": SPACE,
        "MetricName": "m",
        "StartTime": at(0),
        "EndTime": at(600),
        "Period": 60,
        "Statistics": ["Sum"],
        **params,
    }
    found = refusal(client.get_metric_statistics, **{name: value for name, value in given.items() if value is not None})
    assert found[0] == code
    assert message in found[1]


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([], "must not have a size less than 1"),
        ([stat("m", "M1")], "is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."),
        ([stat("m"), stat("n")], "The values for parameter id in MetricDataQueries are not unique."),
        ([stat("m", wanted="Mean")], "MetricDataQueries.member.1.MetricStat.Stat is not a valid statistic."),
        ([{"Id": "a"}], "is required"),
        ([{**stat("m"), "Expression": "m1"}], "mutually exclusive"),
        ([stat("m", ReturnData=False)], "ReturnData"),
        ([stat("m")] * 501, "must not have a size greater than 500"),
    ],
)
def test_queries_that_are_wrong_are_refused(client: Any, queries: list[dict[str, Any]], message: str) -> None:
    code, said = refusal(client.get_metric_data, MetricDataQueries=queries, StartTime=at(0), EndTime=at(60))
    assert code == "ValidationError"
    assert message in said


def test_times_that_are_far_away_have_no_data(client: Any) -> None:
    put(client, "m", {0: 1.0})
    far = datetime(9999, 1, 1, tzinfo=UTC)
    assert data(client, stat("m"), StartTime=datetime(1800, 1, 1, tzinfo=UTC), EndTime=far)[0]["Values"] == [1.0]
    assert data(client, stat("m"), StartTime=datetime(9998, 1, 1, tzinfo=UTC), EndTime=far)[0]["Values"] == []
