"""What tasks have measured, brought into CloudWatch: metrics that programs print, and how busy their hosts are.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

import contextlib
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sagesmith.compute.base import MetricSample
from sagesmith.services.base import Home
from sagesmith.store import Datum, Document, Metric, MetricPoint, StatisticSet, Transaction, VersionConflict, Window
from sagesmith.wire.context import Params

TRAINING_NAMESPACE = "/aws/sagemaker/TrainingJobs"
_EVER = 1 << 40
_MAX_POINTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """Under what the samples of a task are put.

    Attributes:
        namespace: such as `/aws/sagemaker/TrainingJobs`.
        program, host: the dimensions of what the program printed, and of how busy its host is.
        normalized: of how busy the host is, by metric, another name and by what its values are multiplied.
        elsewhere: by metric, the namespace and the unit of those that belong into another one.
        resource: the ARN under which each value of the metrics `in_full` is kept besides, one by one in its order:
            statistics of a second do not tell how many epochs there were in it.
        by_container: how busy each of several containers keeps the host is put besides, under its name.
    """

    region: str
    namespace: str
    host: Mapping[str, str]
    program: Mapping[str, str]
    resource: str = ""
    normalized: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    in_full: Collection[str] = ()
    elsewhere: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    by_container: bool = False


def collect_metrics(home: Home, task_id: str, measured: Measured) -> bool:
    """Move what a task has measured since the last call into the store; False if there was nothing new.

    Samples and the offset up to which they were read are stored in one transaction, so that none is lost or doubled.
    """
    with home.store.read() as tx:
        offset = tx.statistics_offset(task_id)
    samples, next_offset = home.backend.read_metrics(task_id, offset)
    if next_offset == offset:
        return False
    # Whoever else read the file at the same time has stored what is in it.
    with contextlib.suppress(VersionConflict), home.store.write() as tx:
        tx.advance_statistics(task_id, offset, next_offset)
        tx.put_statistics(measured.region, list(_data(samples, measured)))
        if points := list(_points(samples, measured)):
            tx.put_metrics(measured.resource, points)
    return True


def _points(samples: Iterable[MetricSample], measured: Measured) -> Iterable[MetricPoint]:
    for sample in samples:
        if sample.name in measured.in_full and not sample.of_host:
            yield from (MetricPoint(sample.name, sample.at * 1000, value) for value in sample.values)


def _data(samples: Iterable[MetricSample], measured: Measured) -> Iterable[Datum]:
    together: dict[tuple[str, int, bool, str], list[float]] = defaultdict(list)
    for sample in samples:
        if measured.by_container or not sample.container:
            together[sample.name, sample.at, sample.of_host, sample.container].extend(sample.values)
    for (name, at, of_host, container), values in together.items():
        of = {"ContainerName": container} if container else {}
        dimensions = tuple(sorted({**(measured.host if of_host else measured.program), **of}.items()))
        unit = "Percent" if of_host else "None"
        called, factor = measured.normalized.get(name, (name, 1.0)) if of_host else (name, 1.0)
        namespace, unit = measured.elsewhere.get(name, (measured.namespace, unit))
        shown = StatisticSet.of([value * factor for value in values])
        yield Datum(Metric(namespace, called, dimensions), at, unit, shown)


def points(
    tx: Transaction, job: Document, name: str, since_ms: int | None = None, until_ms: int | None = None
) -> list[MetricPoint]:
    """The values of a training job's metric in the order of their seconds; both bounds are inclusive.

    Anybody may put values into the namespace of training jobs, and say that there were ever so many of each: of more
    than `_MAX_POINTS` each value counts once.
    """
    start = 0 if since_ms is None else math.ceil(since_ms / 1000)
    end = _EVER if until_ms is None else until_ms // 1000 + 1
    found = tx.statistics(job.region, _metric(job, name), Window(start, max(start, end), 1, samples=True))
    whole = sum(each.values.count for each in found) <= _MAX_POINTS
    return [
        MetricPoint(name, each.at * 1000, value)
        for each in found
        for value, count in (each.values.samples or {}).items()
        for _ in range(int(count) if whole else 1)
    ]


def summary(tx: Transaction, job: Document, name: str) -> Params:
    """What a TrialComponentMetricSummary tells of all values of a training job's metric; empty if there are none, or
    if not all of them are known."""
    found = tx.statistics(job.region, _metric(job, name), Window(0, _EVER, _EVER, samples=True))
    values = found[0].values if found else None
    if values is None or values.samples is None:
        return {}
    mean = values.sum / values.count
    squares = sum((value - mean) ** 2 * count for value, count in values.samples.items())
    return {
        "Min": values.minimum,
        "Max": values.maximum,
        "Avg": mean,
        "Count": int(values.count),
        "StdDev": math.sqrt(squares / values.count),
    }


def _metric(job: Document, name: str) -> Metric:
    return Metric(TRAINING_NAMESPACE, name, (("TrainingJobName", job.name),))
