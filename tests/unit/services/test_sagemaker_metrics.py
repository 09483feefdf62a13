"""Metrics: put in batches, summarised by the component that they are of, read as statistics over time or iterations."""

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.services import sagemaker_metrics
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked
from tests.unit.services.sagemaker.world import World
from tests.unit.wire.clients import client_for

ARN = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/run"
NOW = float(int(time.time()) // 3600 * 3600)
"""The beginning of an hour, so that minutes after it are in it."""


@pytest.fixture
def client(world: World) -> Any:
    handlers = {"sagemaker": world.operations, "sagemaker-metrics": sagemaker_metrics.handlers(world.home)}
    checked(world, "CreateTrialComponent", TrialComponentName="Run")
    return client_for("sagemaker-metrics", Dispatcher(handlers))


def point(value: float, seconds: float = 0.0, step: int | None = None, name: str = "loss") -> Params:
    data: Params = {"MetricName": name, "Timestamp": NOW - 3600 + seconds, "Value": value}
    return data if step is None else {**data, "Step": step}


def put(client: Any, *points: Params) -> list[Params]:
    errors: list[Params] = []
    for start in range(0, len(points), 10):
        batch = list(points[start : start + 10])
        answer = client.batch_put_metrics(TrialComponentName="run", MetricData=batch)
        errors += answer.get("Errors") or []
    return errors


def get(client: Any, statistic: str, period: str, axis: str, **more: Any) -> tuple[list[int], list[float]]:
    query = {"MetricName": "loss", "ResourceArn": ARN, "MetricStat": statistic, "Period": period, "XAxisType": axis}
    (result,) = client.batch_get_metrics(MetricQueries=[{**query, **more}])["MetricQueryResults"]
    assert result["Status"] == "Complete"
    return result["XAxisValues"], result["MetricValues"]


def summaries(world: World) -> dict[str, Params]:
    metrics = checked(world, "DescribeTrialComponent", TrialComponentName="run").get("Metrics", [])
    return {each["MetricName"]: each for each in metrics}


def assert_summary(summary: Params, values: Sequence[float]) -> None:
    assert summary["Count"] == len(values)
    assert (summary["Min"], summary["Max"], summary["Last"]) == (min(values), max(values), values[-1])
    assert summary["Avg"] == pytest.approx(statistics.fmean(values))
    assert summary["StdDev"] == pytest.approx(statistics.pstdev(values))


def test_a_component_sums_up_its_metrics_however_they_came(world: World, client: Any) -> None:
    losses = [1 / (1 + number) for number in range(57)]
    assert put(client, *(point(value, seconds, step=seconds) for seconds, value in enumerate(losses))) == []
    assert put(client, point(0.9, name="accuracy")) == []
    found = summaries(world)
    assert sorted(found) == ["accuracy", "loss"]
    assert_summary(found["loss"], losses)
    assert_summary(found["accuracy"], [0.9])
    assert found["loss"]["SourceArn"] == ARN
    assert found["loss"]["TimeStamp"] == NOW - 3600 + 56


def test_the_last_value_is_the_latest_not_the_one_that_came_last(world: World, client: Any) -> None:
    put(client, point(1.0, seconds=20), point(2.0, seconds=10))
    put(client, point(3.0, seconds=5))
    assert (summaries(world)["loss"]["Last"], summaries(world)["loss"]["TimeStamp"]) == (1.0, NOW - 3600 + 20)
    put(client, point(4.0, seconds=20))
    assert summaries(world)["loss"]["Last"] == 4.0


def test_components_are_searched_and_sorted_by_their_metrics(world: World, client: Any) -> None:
    checked(world, "CreateTrialComponent", TrialComponentName="other")
    put(client, point(0.25))
    client.batch_put_metrics(TrialComponentName="other", MetricData=[point(0.75)])
    query: Params = {"Resource": "ExperimentTrialComponent", "SortBy": "Metrics.loss.max", "SortOrder": "Ascending"}
    answer = checked(world, "Search", **query)
    assert [each["TrialComponent"]["TrialComponentName"] for each in answer["Results"]] == ["Run", "other"]
    low = {"Name": "Metrics.loss.Last", "Operator": "LessThan", "Value": "0.5"}
    (result,) = checked(world, "Search", **query, SearchExpression={"Filters": [low]})["Results"]
    assert result["TrialComponent"]["Metrics"][0]["Avg"] == 0.25


def test_wrong_metrics_are_told_by_their_index_and_the_others_kept(world: World, client: Any) -> None:
    two_weeks = 14 * 86_400.0
    errors = put(
        client,
        point(1.0),
        {"MetricName": "loss", "Timestamp": time.time() - two_weeks - 60, "Value": 2.0},
        {"MetricName": "loss", "Timestamp": time.time() + 7200 + 60, "Value": 3.0},
        point(math.nan),
        point(math.inf),
        {"MetricName": "loss", "Timestamp": time.time() - two_weeks + 60, "Value": 4.0},
        {"MetricName": "loss", "Timestamp": time.time() + 7200 - 60, "Value": 5.0},
    )
    assert errors == [{"Code": "VALIDATION_ERROR", "MetricIndex": index} for index in (1, 2, 3, 4)]
    assert (summaries(world)["loss"]["Count"], summaries(world)["loss"]["Max"]) == (3, 5.0)


def test_nothing_but_wrong_metrics_changes_nothing(world: World, client: Any) -> None:
    before = world.stored("experiment-trial-component", "run")
    assert len(put(client, point(math.nan))) == 1
    assert world.stored("experiment-trial-component", "run") == before


def test_values_as_large_as_numbers_get_have_statistics_too(world: World, client: Any) -> None:
    assert put(client, point(1.7e308), point(-1.7e308), point(1.7e308)) == []
    assert put(client, point(0.0)) == []
    summary = summaries(world)["loss"]
    assert (summary["Min"], summary["Max"], summary["Count"]) == (-1.7e308, 1.7e308, 4)
    assert math.isfinite(summary["Avg"])
    assert math.isfinite(summary["StdDev"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"TrialComponentName": "none"}, "ResourceNotFound"),
        ({"TrialComponentName": "Run"}, "ValidationException"),
        ({"MetricData": []}, "ValidationException"),
        ({"MetricData": [point(1.0)] * 11}, "ValidationException"),
        ({"MetricData": [point(1.0, name="")]}, "ValidationException"),
        ({"MetricData": [point(1.0, step=-1)]}, "ValidationException"),
    ],
    ids=["missing", "upper case", "none", "too many", "no name", "negative step"],
)
def test_a_batch_that_is_wrong_is_refused_whole(world: World, client: Any, changes: Params, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        client.batch_put_metrics(**{"TrialComponentName": "run", "MetricData": [point(1.0)], **changes})
    assert refused.value.response["Error"]["Code"] == code
    assert summaries(world) == {}


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("Min", [1.0, 4.0]),
        ("Max", [3.0, 8.0]),
        ("Avg", [2.0, 6.0]),
        ("Count", [3.0, 2.0]),
        ("Last", [2.0, 4.0]),
        ("StdDev", [pytest.approx(math.sqrt(2 / 3)), 2.0]),
    ],
)
def test_each_minute_has_a_statistic_of_its_values(client: Any, statistic: str, expected: list[float]) -> None:
    put(
        client,
        point(1.0, 0),
        point(3.0, 10),
        point(2.0, 59),
        point(8.0, 120),
        point(4.0, 130),
        point(9.0, name="other"),
    )
    start = int(NOW) - 3600
    assert get(client, statistic, "OneMinute", "Timestamp") == ([start, start + 120], expected)


def test_longer_periods_take_more_values_together(client: Any) -> None:
    put(client, *(point(1.0, minute * 60) for minute in range(0, 60, 2)), point(1.0, 3600))
    start = int(NOW) - 3600
    assert get(client, "Count", "FiveMinute", "Timestamp")[1][:3] == [3.0, 2.0, 3.0]
    assert get(client, "Count", "OneHour", "Timestamp") == ([start, start + 3600], [30.0, 1.0])


def test_iterations_are_an_axis_and_a_period_for_values_that_have_one(client: Any) -> None:
    put(
        client,
        point(1.0, 0, step=0),
        point(2.0, 70, step=1),
        point(4.0, 80, step=1),
        point(8.0, 90),
        point(5.0, 200, step=2),
    )
    start = int(NOW) - 3600
    assert get(client, "Max", "IterationNumber", "IterationNumber") == ([0, 1, 2], [1.0, 4.0, 5.0])
    assert get(client, "Last", "IterationNumber", "Timestamp") == ([start, start + 70, start + 200], [1.0, 4.0, 5.0])
    assert get(client, "Count", "OneMinute", "IterationNumber") == ([0, 1, 2], [1.0, 2.0, 1.0])


def test_a_window_has_both_its_ends(client: Any) -> None:
    put(client, *(point(float(step), step * 60, step=step) for step in range(10)))
    start = int(NOW) - 3600
    by_step = get(client, "Last", "IterationNumber", "IterationNumber", Start=3, End=5)
    assert by_step == ([3, 4, 5], [3.0, 4.0, 5.0])
    by_time = get(client, "Last", "OneMinute", "Timestamp", Start=start + 120, End=start + 180)
    assert by_time == ([start + 120, start + 180], [2.0, 3.0])
    assert get(client, "Last", "OneMinute", "Timestamp", Start=start + 541) == ([], [])
    assert get(client, "Last", "IterationNumber", "IterationNumber", End=0) == ([0], [0.0])


def test_a_query_that_cannot_be_answered_leaves_the_others_be(client: Any) -> None:
    put(client, point(1.0, step=0))
    query = {
        "MetricName": "loss",
        "ResourceArn": ARN,
        "MetricStat": "Last",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    }
    missing = f"{ARN}s"
    elsewhere = ARN.replace("us-east-1", "eu-west-1")
    answer = client.batch_get_metrics(
        MetricQueries=[
            {**query, "ResourceArn": missing},
            query,
            {**query, "Start": 2, "End": 1},
            {**query, "MetricName": "never put"},
            {**query, "ResourceArn": elsewhere},
        ]
    )
    first, second, third, fourth, fifth = answer["MetricQueryResults"]
    assert (first["Status"], first["Message"]) == ("ValidationError", f"TrialComponent '{missing}' does not exist.")
    assert (second["Status"], second["MetricValues"]) == ("Complete", [1.0])
    assert (third["Status"], third["Message"]) == ("ValidationError", "Start must not be after End.")
    assert (fourth["Status"], fourth["XAxisValues"], fourth["MetricValues"]) == ("Complete", [], [])
    assert fifth["Status"] == "ValidationError"


def test_metrics_end_with_their_component(world: World, client: Any) -> None:
    put(client, point(1.0, step=0))
    checked(world, "DeleteTrialComponent", TrialComponentName="run")
    checked(world, "CreateTrialComponent", TrialComponentName="run")
    assert summaries(world) == {}
    assert get(client, "Last", "IterationNumber", "IterationNumber") == ([], [])


def test_updates_of_a_component_keep_its_metrics(world: World, client: Any) -> None:
    put(client, point(1.0))
    checked(world, "UpdateTrialComponent", TrialComponentName="run", Status={"PrimaryStatus": "Completed"})
    put(client, point(3.0, 1))
    assert_summary(summaries(world)["loss"], [1.0, 3.0])
