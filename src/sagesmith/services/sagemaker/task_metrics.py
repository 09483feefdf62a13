"""What tasks have measured, brought into CloudWatch: metrics that programs print, and how busy their hosts are.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sagesmith.compute.base import MetricSample
from sagesmith.services.base import Home
from sagesmith.store import Datum, Metric, StatisticSet, VersionConflict


@dataclass(frozen=True, slots=True)
class Measured:
    """Under what the samples of a task are put.

    Attributes:
        namespace: such as `/aws/sagemaker/TrainingJobs`.
        program, host: the dimensions of what the program printed, and of how busy its host is.
    """

    region: str
    namespace: str
    host: Mapping[str, str]
    program: Mapping[str, str]


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
    return True


def _data(samples: Iterable[MetricSample], measured: Measured) -> Iterable[Datum]:
    together: dict[tuple[str, int, bool], list[float]] = defaultdict(list)
    for sample in samples:
        together[sample.name, sample.at, sample.of_host].extend(sample.values)
    for (name, at, of_host), values in together.items():
        dimensions = tuple(sorted((measured.host if of_host else measured.program).items()))
        metric = Metric(measured.namespace, name, dimensions)
        yield Datum(metric, at, "Percent" if of_host else "None", StatisticSet.of(values))
