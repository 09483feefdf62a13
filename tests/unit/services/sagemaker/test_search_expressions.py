"""Any expression finds what somebody would who reads all records and compares them, one by one."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagesmith.services.sagemaker.search.expression import MAX_PARTS
from sagesmith.store import Document, searching
from tests.unit.services.sagemaker.world import World

Record = dict[str, Any]
Values = Callable[[Record], list[Any]]
Expression = dict[str, Any]

REGION = "us-east-1"
WORDS = ("red", "Red", "a,b", "x y", "ünï", '"q"\\')
DECIMALS = ("0.5", "-0.5", "1", "1.5", "1e3", "7.9", "none")
TIMES = ("2026-01-01T00:00:00", "2026-01-01T00:00:02Z", "1767225603", "2026-01-01T01:00:04+01:00")
START = 1_767_225_600.0


def job(number: int, source: random.Random) -> Document:
    name = f"{source.choice(('job', 'run'))}-{number}"
    maybe: Record = {
        "FailureReason": source.choice(WORDS),
        "HyperParameters": {"lr": source.choice(DECIMALS), "a.b": source.choice(WORDS)},
        "BillableTimeInSeconds": source.randrange(4),
        "EnableNetworkIsolation": source.random() < 0.5,
        "TrainingStartTime": START + source.randrange(6),
        "InputDataConfig": [
            {"ChannelName": source.choice(WORDS), "ContentType": source.choice(WORDS)}
            for _ in range(source.randrange(3))
        ],
        "FinalMetricDataList": [
            {"MetricName": metric, "Value": source.choice((0.5, 1.0, 2.5)), "Timestamp": START}
            for metric in source.sample(("acc", "loss"), source.randrange(3))
        ],
    }
    body = {member: value for member, value in maybe.items() if source.random() < 0.8}
    return Document(
        "training-job",
        REGION,
        name,
        name,
        f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{name}",
        {"TrainingJobName": name, **body},
        status=source.choice(("Completed", "Failed", "InProgress")),
        created_at=START + source.randrange(6),
        updated_at=START + source.randrange(6),
        searchable=True,
    )


@pytest.fixture
def filled(world: World) -> World:
    source = random.Random(11)
    with world.store.write() as tx:
        for number in range(50):
            tags = {key: source.choice(WORDS) for key in ("team", "x.y") if source.random() < 0.5}
            tx.create(job(number, source), tags)
    return world


def member(*path: str) -> Values:
    def values(record: Record) -> list[Any]:
        found = [record]
        for step in path:
            found = [each[step] for each in found if step in each]
            found = [inner for each in found for inner in (each if isinstance(each, list) else [each])]
        return found

    return values


def named(list_: str, by: str, name: str, value: str = "Value") -> Values:
    return lambda record: [each[value] for each in record.get(list_, ()) if each[by] == name]


TEXTS: dict[str, Values] = {
    "TrainingJobName": member("TrainingJobName"),
    "TrainingJobStatus": member("TrainingJobStatus"),
    "FailureReason": member("FailureReason"),
    "Tags.team": named("Tags", "Key", "team"),
    "Tags.x.y": named("Tags", "Key", "x.y"),
    "InputDataConfig.ChannelName": member("InputDataConfig", "ChannelName"),
}
NUMBERS: dict[str, Values] = {
    "BillableTimeInSeconds": member("BillableTimeInSeconds"),
    "Metrics.acc": named("FinalMetricDataList", "MetricName", "acc"),
    "metrics.loss": named("FinalMetricDataList", "MetricName", "loss"),
}
MOMENTS: dict[str, Values] = {each: member(each) for each in ("CreationTime", "LastModifiedTime", "TrainingStartTime")}
PARAMETERS: dict[str, Values] = {
    "HyperParameters.lr": member("HyperParameters", "lr"),
    "HyperParameters.a.b": member("HyperParameters", "a.b"),
}
FLAGS: dict[str, Values] = {"EnableNetworkIsolation": member("EnableNetworkIsolation")}
ALL = TEXTS | NUMBERS | MOMENTS | PARAMETERS | FLAGS

ORDER: dict[str, Callable[[float, float], bool]] = {
    "Equals": lambda left, right: left == right,
    "GreaterThan": lambda left, right: left > right,
    "GreaterThanOrEqualTo": lambda left, right: left >= right,
    "LessThan": lambda left, right: left < right,
    "LessThanOrEqualTo": lambda left, right: left <= right,
}
SECONDS = dict(zip(TIMES, (START, START + 2, START + 3, START + 4), strict=True))


def parsed(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def one_holds(filter_: Record, value: Any) -> bool:
    """Whether one value satisfies a filter that is no negation."""
    name, operator, wanted = filter_["Name"], filter_["Operator"], filter_.get("Value", "")
    if operator == "Contains":
        return wanted in value
    if operator == "In":
        return value in wanted.split(",")
    if name in FLAGS:
        return value is (wanted == "true")
    if name in MOMENTS:
        return ORDER[operator](value, SECONDS[wanted])
    if name in NUMBERS:
        return ORDER[operator](value, float(wanted))
    if name in PARAMETERS and (number := parsed(wanted)) is not None and (given_ := parsed(value)) is not None:
        return ORDER[operator](math.trunc(given_) if wanted.isdigit() else given_, number)
    return operator == "Equals" and bool(value == wanted)


def holds(filter_: Record, values: list[Any]) -> bool:
    match filter_["Operator"]:
        case "Exists":
            return bool(values)
        case "NotExists":
            return not values
        case "NotEquals":
            return not any(one_holds({**filter_, "Operator": "Equals"}, each) for each in values)
    return any(one_holds(filter_, each) for each in values)


def satisfies(expression: Expression, record: Record) -> bool:
    def parts() -> Iterator[bool]:
        for each in expression.get("Filters", ()):
            yield holds(each, ALL[each["Name"]](record))
        for each in expression.get("NestedFilters", ()):
            yield any(
                all(holds(one, member(one["Name"].split(".")[1])(element)) for one in each["Filters"])
                for element in record.get("InputDataConfig", ())
            )
        for each in expression.get("SubExpressions", ()):
            yield satisfies(each, record)

    return any(parts()) if expression.get("Operator") == "Or" else all(parts())


def filters(names: dict[str, Values], operators: tuple[str, ...], values: tuple[str, ...]) -> Any:
    return st.fixed_dictionaries(
        {
            "Name": st.sampled_from(sorted(names)),
            "Operator": st.sampled_from(operators),
            "Value": st.sampled_from(values),
        }
    )


TEXT_VALUES = (*WORDS, "Completed", "Failed", "job-1", "run-2")
EQUALITY = ("Equals", "NotEquals")
TEXT_FILTERS = filters(TEXTS, (*EQUALITY, "In"), TEXT_VALUES)
CONTAINS = filters(TEXTS, ("Contains",), ("e", "1", "ob-", "run-", '"', "\\", "ünï", "zz"))
FILTERS = st.one_of(
    TEXT_FILTERS,
    filters(NUMBERS, ("NotEquals", *ORDER), ("0.5", "1", "2", "-1", "2.5")),
    filters(MOMENTS, ("NotEquals", *ORDER), TIMES),
    filters(PARAMETERS, ("NotEquals", *ORDER), ("0", "1", "7", "0.5", "1000", "1.0")),
    filters(PARAMETERS, (*EQUALITY, "In"), ("red", "none", "1e3", "x y")),
    filters(FLAGS, EQUALITY, ("true", "false")),
    st.fixed_dictionaries({"Name": st.sampled_from(sorted(ALL)), "Operator": st.sampled_from(("Exists", "NotExists"))}),
)
CHANNELS: dict[str, Values] = dict.fromkeys(
    ("InputDataConfig.ChannelName", "InputDataConfig.ContentType"), lambda record: []
)
NESTED = st.fixed_dictionaries(
    {
        "NestedPropertyName": st.just("InputDataConfig"),
        "Filters": st.lists(filters(CHANNELS, (*EQUALITY, "In", "Exists", "NotExists"), WORDS), min_size=1, max_size=2),
    }
)
LEAVES = st.fixed_dictionaries(
    {"Filters": st.lists(FILTERS, min_size=1, max_size=3)},
    optional={"NestedFilters": st.lists(NESTED, min_size=1, max_size=2), "Operator": st.sampled_from(("And", "Or"))},
)


def parts(expression: Expression) -> int:
    """How many filters, nested filters and sub-expressions an expression has, however deep."""
    count = len(expression.get("Filters", ()))
    count += sum(1 + len(each["Filters"]) for each in expression.get("NestedFilters", ()))
    return count + sum(1 + parts(each) for each in expression.get("SubExpressions", ()))


EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.fixed_dictionaries(
        {"SubExpressions": st.lists(inner, min_size=1, max_size=3)},
        optional={"Filters": st.lists(FILTERS, min_size=1, max_size=2), "Operator": st.sampled_from(("And", "Or"))},
    ),
    max_leaves=5,
).filter(lambda expression: parts(expression) <= MAX_PARTS - 2)  # a test puts up to two more around it


def all_records(world: World, **params: Any) -> list[Record]:
    """What all pages of a search show."""
    found, token = [], None
    while True:
        answer = world.call("Search", Resource="TrainingJob", **params, **({"NextToken": token} if token else {}))
        found += [each["TrainingJob"] for each in answer["Results"]]
        token = answer["NextToken"]
        if token is None:
            if answer["TotalHits"]["Relation"] == "EqualTo":
                assert answer["TotalHits"]["Value"] == len(found)
            return found


@pytest.mark.parametrize("probe", [1, 1000])
def test_an_expression_finds_what_reading_all_records_finds(
    filled: World, probe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few documents are walked in the order of the sort if hardly any count as few.
    monkeypatch.setattr(searching, "PROBE", probe)
    records = all_records(filled, MaxResults=100)
    assert len(records) == 50

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(EXPRESSIONS, st.none() | CONTAINS, st.sampled_from((None, *sorted(ALL))), st.booleans(), st.integers(3, 60))
    def check(expression: Expression, contains: Any, sort: str | None, ascending: bool, page: int) -> None:
        if contains:
            expression = {"SubExpressions": [expression], "Filters": [contains], "Operator": "Or"}
        params = {"SortBy": sort} if sort else {}
        order = "Ascending" if ascending else "Descending"
        found = all_records(filled, SearchExpression=expression, SortOrder=order, MaxResults=page, **params)
        names = [each["TrainingJobName"] for each in found]
        wanted = [each["TrainingJobName"] for each in records if satisfies(expression, each)]
        assert sorted(names) == sorted(wanted)
        if sort in {*NUMBERS, *MOMENTS}:
            values = [next(iter(ALL[sort](each)), None) for each in found]
            known = [each for each in values if each is not None]
            assert values == sorted(known, reverse=not ascending) + [None] * (len(values) - len(known))

    check()
