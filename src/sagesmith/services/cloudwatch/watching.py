"""The life of an alarm: it is looked at every few seconds, and its state follows what was measured."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sagesmith import logging
from sagesmith.services.base import Home
from sagesmith.services.cloudwatch import alarm_rules, alarms, queries, rules
from sagesmith.services.cloudwatch.alarm_rules import Point
from sagesmith.services.cloudwatch.extended import needs_samples, statistic
from sagesmith.store import Document, Transaction, Window
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError

LOOK_SECONDS = 10.0
_GRAIN_SECONDS = 60

log = logging.get("alarms")


@dataclass(frozen=True, slots=True)
class _Span:
    """The time that an alarm looks at: a number of periods, the last of which ended just now."""

    start: int
    end: int
    period: int


class AlarmWatch:
    """`services.reconcile.Reconciler` of alarms."""

    kind = alarms.KIND

    def recover(self, home: Home) -> None:
        """Every alarm is looked at from now on, whether it was due or not."""
        with home.store.write() as tx:
            for region in tx.regions():
                for document in alarms.every_alarm(tx, region):
                    tx.schedule(self.kind, region, document.key, time.time())

    def step(self, home: Home, document: Document) -> float | None:
        now = time.time()
        condition = alarms.condition(document)
        with home.store.read() as tx:
            span, points = _measured(tx, document, condition, now)
        verdict = alarm_rules.judge(condition, points)
        if verdict.state is not None and verdict.state != document.status:
            why = alarm_rules.reason(condition, verdict, document.status)[:1023]
            data = json.dumps(_data(document, condition, span, verdict.points, now))[:4000]
            with home.store.write() as tx:
                alarms.move(tx, document, verdict.state, why, data, now)
            log.info("alarm changed", alarm=document.name, region=document.region, state=verdict.state, reason=why)
        return LOOK_SECONDS


def latest(tx: Transaction, document: Document, now: float) -> float | None:
    """The newest value of what an alarm watches, None if there is none within its time."""
    _, points = _measured(tx, document, alarms.condition(document), now)
    return points[-1].value if points else None


def _measured(
    tx: Transaction, document: Document, condition: alarm_rules.Condition, now: float
) -> tuple[_Span, list[Point]]:
    """The values of the last periods, those that there are."""
    body = document.body
    asked = queries.parse(body["Metrics"], document.arn.split(":")[4]) if "Metrics" in body else []
    returned = next((each for each in asked if each.returned), None)
    period = body["Period"] if returned is None else returned.period or _GRAIN_SECONDS
    end = int(now) // min(period, _GRAIN_SECONDS) * min(period, _GRAIN_SECONDS)
    span = _Span(end - period * (condition.periods + alarm_rules.LOOKED_BEYOND), end, period)
    if returned is None:
        return span, _of_metric(tx, document, span)
    try:
        series = queries.Evaluation(tx, document.region, asked, span.start, span.end).of(returned)
    except AwsError as error:
        log.warning("alarm cannot be evaluated", alarm=document.name, reason=error.message)
        return span, []
    found = series[0] if series else {}
    return span, [Point(at, value) for at, value in sorted(found.items())]


def _of_metric(tx: Transaction, document: Document, span: _Span) -> list[Point]:
    body = document.body
    name = body.get("Statistic") or body["ExtendedStatistic"]
    compute = statistic(name)
    assert compute is not None
    window = Window(span.start, span.end, span.period, body.get("Unit"), needs_samples(name))
    found = [(each.at, compute(each.values)) for each in tx.statistics(document.region, rules.metric_of(body), window)]
    return sorted((Point(at, value) for at, value in found if value is not None), key=lambda point: point.at)


def _data(
    document: Document, condition: alarm_rules.Condition, span: _Span, points: Sequence[Point], now: float
) -> Params:
    """The StateReasonData of a change."""

    def moment(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    statistic_name = document.body.get("Statistic") or document.body.get("ExtendedStatistic")
    return {
        "version": "1.0",
        "queryDate": moment(now),
        "startDate": moment(points[0].at if points else span.start),
        **({"statistic": statistic_name} if statistic_name else {}),
        "period": span.period,
        "recentDatapoints": [point.value for point in points],
        "threshold": condition.threshold,
        "evaluatedDatapoints": [{"timestamp": moment(point.at), "value": point.value} for point in reversed(points)],
    }
