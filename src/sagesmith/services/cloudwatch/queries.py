"""The queries of GetMetricData: what is wrong with them, and their series.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sagesmith.services.cloudwatch import expressions, rules
from sagesmith.services.cloudwatch.arithmetic import ExpressionFailed, Series
from sagesmith.services.cloudwatch.expressions import Expression, ExpressionNotBuilt
from sagesmith.services.cloudwatch.extended import needs_samples, statistic
from sagesmith.store import Metric, Transaction, Window
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError, NotImplementedException

MAX_QUERIES = 500
MAX_TIMES = 100_800

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class MetricStat:
    """A metric's statistic by period."""

    metric: Metric
    period: int
    stat: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """One query, either of a metric or of an expression."""

    id: str
    asked: MetricStat | Expression
    label: str
    returned: bool
    period: int | None
    foreign: bool
    """Whether the data of another account are asked for, of which there are none here."""

    @property
    def properties(self) -> dict[str, str]:
        """What a dynamic label can show of it."""
        if isinstance(self.asked, Expression):
            return {"MetricName": self.id}
        metric = self.asked.metric
        return {
            "MetricName": metric.name,
            "Namespace": metric.namespace,
            "Period": str(self.asked.period),
            "Stat": self.asked.stat,
            **{f"Dim.{name}": value for name, value in metric.dimensions},
        }


def refused(*messages: str) -> AwsError:
    return AwsError("ValidationError", "\n".join(messages))


def parse(given: Sequence[Params], account_id: str) -> list[Query]:
    """
    Args:
        account_id: whose metrics there are.

    Raises:
        AwsError: ValidationError, with all that is wrong.
    """
    if not 0 < len(given) <= MAX_QUERIES:
        bound = f"greater than {MAX_QUERIES}" if given else "less than 1"
        raise refused(f"The collection MetricDataQueries must not have a size {bound}.")
    wrong = [
        said for number, each in enumerate(given, 1) for said in _wrong(each, f"MetricDataQueries.member.{number}")
    ]
    if len({each["Id"] for each in given}) < len(given):
        wrong.append("The values for parameter id in MetricDataQueries are not unique.")
    if wrong:
        raise refused(*wrong)
    queries = [_query(each, number, account_id) for number, each in enumerate(given, 1)]
    if not any(each.returned for each in queries):
        raise refused("At least one of the MetricDataQueries must have ReturnData true.")
    known = {each.id for each in queries}
    for each in queries:
        if isinstance(each.asked, Expression) and (unknown := sorted(each.asked.names - known)):
            raise refused(f"Error in expression '{each.id}' [Undefined id: {', '.join(unknown)}]")
    return queries


def _wrong(given: Params, path: str) -> Iterator[str]:
    if not _ID.fullmatch(given["Id"]):
        pattern = f"^{_ID.pattern}$"
        yield f"The value {given['Id']} for parameter {path}.Id is not matching the expected pattern {pattern}."
    asked = given.get("MetricStat")
    if asked is None and "Expression" not in given:
        yield f"The parameter {path}.MetricStat or {path}.Expression is required."
    if asked is not None and "Expression" in given:
        yield rules.both(f"{path}.Expression", f"{path}.MetricStat")
    if asked is None:
        return
    for member in ("Namespace", "MetricName"):
        if member not in asked["Metric"]:
            yield f"The parameter {path}.MetricStat.Metric.{member} is required."
    if statistic(asked["Stat"]) is None:
        yield f"The value {asked['Stat']} for parameter {path}.MetricStat.Stat is not a valid statistic."
    if not rules.is_period(asked["Period"]):
        yield f"The parameter {path}.MetricStat.Period must be 1, 5, 10, 20, 30 or a multiple of 60."


def _query(given: Params, number: int, account_id: str) -> Query:
    asked = given.get("MetricStat")
    query = Query(
        id=given["Id"],
        asked=_expression(given) if asked is None else _metric_stat(asked, number),
        label=given.get("Label") or (given["Id"] if asked is None else asked["Metric"]["MetricName"]),
        returned=given.get("ReturnData", True),
        period=given.get("Period"),
        foreign=given.get("AccountId", account_id) != account_id,
    )
    return query if asked is None else replace(query, period=asked["Period"])


def _metric_stat(asked: Params, number: int) -> MetricStat:
    metric = rules.metric_of(asked["Metric"], f"MetricDataQueries.member.{number}.MetricStat.Metric.Dimensions")
    return MetricStat(metric, asked["Period"], asked["Stat"], asked.get("Unit"))


def _expression(given: Params) -> Expression:
    try:
        return expressions.parse(given["Expression"])
    except ExpressionFailed as error:
        raise refused(expressions.failure(given["Id"], error)) from error
    except ExpressionNotBuilt as error:
        raise NotImplementedException(f"GetMetricData: {error}") from error


class Evaluation:
    """The series of a request's queries, each read once when it is first needed; `expressions.Variables`."""

    def __init__(self, tx: Transaction, region: str, queries: Sequence[Query], start: float, end: int) -> None:
        self._tx = tx
        self._region = region
        self._queries = {each.id: each for each in queries}
        self._start = start
        self._end = end
        self._found: dict[str, list[Series]] = {}
        self._open: list[str] = []

    def of(self, query: Query) -> list[Series]:
        """A query's series: of a metric one a unit that it has data of.

        Raises:
            AwsError: ValidationError, an expression has no value.
        """
        try:
            return self.series(query.id)
        except ExpressionFailed as error:
            raise refused(expressions.failure(query.id, error)) from error
        except ExpressionNotBuilt as error:
            raise NotImplementedException(f"GetMetricData: {error}") from error

    def series(self, name: str) -> list[Series]:
        if name in self._open:
            raise ExpressionFailed(f"{name} refers to itself")
        if name not in self._found:
            self._open.append(name)
            query = self._queries[name]
            self._found[name] = (
                query.asked.value(self) if isinstance(query.asked, Expression) else self._read(query, query.asked)
            )
            self._open.pop()
        return self._found[name]

    def metrics(self, part: str) -> list[Series]:
        found = [each for each in self._queries.values() if isinstance(each.asked, MetricStat) and part in each.id]
        return [series for each in found for series in self.series(each.id)]

    def period(self, name: str) -> int:
        query = self._queries.get(name)
        if query is None or query.period is None:
            raise ExpressionFailed(f"{name} has no period")
        return query.period

    def times(self) -> Sequence[int]:
        period = max((each.period for each in self._queries.values() if each.period), default=60)
        found = range(rules.first_period(self._start, period), self._end, period)
        if len(found) > MAX_TIMES:
            raise ExpressionFailed(f"there are more than {MAX_TIMES:,} periods to fill")
        return found

    def _read(self, query: Query, asked: MetricStat) -> list[Series]:
        if query.foreign:
            return []
        compute = statistic(asked.stat)
        assert compute is not None
        start = rules.first_period(self._start, asked.period)
        window = Window(start, self._end, asked.period, asked.unit, needs_samples(asked.stat))
        by_unit: dict[str, dict[int, float]] = {}
        for each in self._tx.statistics(self._region, asked.metric, window):
            value = compute(each.values)
            if value is not None:
                by_unit.setdefault(each.unit, {})[each.at] = value
        return [by_unit[unit] for unit in sorted(by_unit)]
