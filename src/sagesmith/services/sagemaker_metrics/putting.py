"""BatchPutMetrics: what a run logs.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_metrics_BatchPutMetrics.html
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from sagesmith.services.sagemaker.engine import Call
from sagesmith.services.sagemaker.experiments import TRIAL_COMPONENT, locked
from sagesmith.services.sagemaker_metrics.statistics import Statistics
from sagesmith.store import Document, MetricPoint
from sagesmith.wire.context import Params

OLDEST_SECONDS = 14 * 86_400.0
NEWEST_SECONDS = 2 * 3_600.0
"""How long ago, and how far in the future, a metric may have been taken: what SDK v2 refuses before it sends it."""


def batch_put(call: Call, params: Params) -> Params:
    """Store the metrics that are right, and answer which are not and why."""
    component = locked(call, TRIAL_COMPONENT, params["TrialComponentName"], exclusive=True)
    right, errors = [], []
    for index, data in enumerate(params["MetricData"]):
        if _is_right(data, call.now):
            at_ms = round(data["Timestamp"] * 1000)
            right.append(MetricPoint(data["MetricName"], at_ms, float(data["Value"]), data.get("Step")))
        else:
            errors.append({"Code": "VALIDATION_ERROR", "MetricIndex": index})
    if right:
        call.tx.put_metrics(component.arn, right)
        body = {**component.body, "Metrics": _summaries(component, right)}
        call.tx.update(replace(component, body=body), touch=False)
    return {"Errors": errors}


def _is_right(data: Params, now: float) -> bool:
    recent = now - OLDEST_SECONDS <= data["Timestamp"] <= now + NEWEST_SECONDS
    return recent and math.isfinite(data["Value"])


def _summaries(component: Document, points: Iterable[MetricPoint]) -> list[Params]:
    """The summaries of a component's metrics after some more points, by name.

    They are kept in the component, where Describe shows and Search finds them: a series need not be read for them.
    """
    known = {each["MetricName"]: each for each in component.body.get("Metrics", ())}
    changed: dict[str, Statistics] = {}
    for point in points:
        if point.name not in changed:
            before = known.get(point.name)
            changed[point.name] = Statistics.of_summary(before) if before and "Count" in before else Statistics()
        changed[point.name].add(point)
    source = component.body.get("Source", {}).get("SourceArn", component.arn)
    known |= {name: statistics.summary(name, source) for name, statistics in changed.items()}
    return [known[name] for name in sorted(known)]
