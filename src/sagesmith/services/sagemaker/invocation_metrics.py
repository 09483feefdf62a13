"""What routers noted of predictions (`gateway.metering`), as metrics of CloudWatch and of Prometheus.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html, endpoint invocation metrics.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from sagesmith import logging
from sagesmith.services.sagemaker.async_metrics import AsyncTotals
from sagesmith.services.sagemaker.concurrency_metrics import ConcurrentRequests
from sagesmith.store import Datum, LogEvent, Metric, StatisticSet, Store, VersionConflict

NAMESPACE = "AWS/SageMaker"
INTERVAL_SECONDS = 1.0
_FINISHED_SECONDS = 120.0
"""A router writes to the file of the minute alone: one that has not changed for so long is whole."""
_BLOCK_BYTES = 4 << 20

Dimensions = tuple[tuple[str, str], ...]

log = logging.get("invocations")


class InvocationMetrics:
    """Takes the files in. One thread at a time.

    Args:
        directory: where routers write.
    """

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self._concurrent = ConcurrentRequests()
        self._asynchronous = AsyncTotals()
        self._totals: Counter[tuple[str, str, str, str]] = Counter()
        self._seconds: Counter[tuple[str, str, str, str]] = Counter()

    def take_in(self) -> None:
        """Bring what is new into the store, each line once; remove files that are whole and were taken in."""
        for path in sorted(self._directory.glob("*.jsonl")):
            whole = path.stat().st_mtime < time.time() - _FINISHED_SECONDS
            while self._take_in_block(path):
                pass
            if whole:
                path.unlink()
        if due := list(self._concurrent.due(time.time())):
            with self._store.write() as tx:
                for region, datum in due:
                    tx.put_statistics(region, [datum])

    def prometheus(self) -> str:
        """Totals since this process began, in Prometheus' text format."""
        return "".join((*_prometheus(self._totals, self._seconds), *self._asynchronous.prometheus()))

    def _take_in_block(self, path: Path) -> bool:
        """False if there was nothing new."""
        with self._store.read() as tx:
            offset = tx.statistics_offset(path.name)
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(_BLOCK_BYTES)
        content = content[: content.rfind(b"\n") + 1]
        if not content:
            return False
        lines = list(_parsed(content, path.name))
        try:
            with self._store.write() as tx:
                tx.advance_statistics(path.name, offset, offset + len(content))
                for line in lines:
                    tx.put_statistics(line["region"], list(_data(line)))
                for (region, group, stream), events in _logs(lines).items():
                    tx.append_log(region, group, stream, events)
        except VersionConflict:  # another process has taken the same lines in
            return True
        for line in lines:
            if "counts" in line:
                self._count(line)
                self._concurrent.note(line, path.name.rpartition("-")[0])
            elif "metric" in line:
                self._asynchronous.note(line)
        return True

    def _count(self, line: dict[str, Any]) -> None:
        if "container" in line:
            return
        place = (line["region"], line["endpoint"], line["variant"])
        counts = line["counts"]
        errors = {"4xx": counts["errors_4xx"], "5xx": counts["errors_5xx"]}
        for status, count in {"2xx": counts["invocations"] - sum(errors.values()), **errors}.items():
            self._totals[*place, status] += count
        for what in ("model", "overhead"):
            self._seconds[*place, what] += counts[what]["total"] / 1e6


def _parsed(content: bytes, name: str) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        try:
            yield orjson.loads(line)
        except ValueError:
            log.error("a line of invocations is damaged and was left out", file=name)


def _logs(lines: list[dict[str, Any]]) -> dict[tuple[str, str, str], list[LogEvent]]:
    """What is to be told in the endpoints' logs, by region, group and stream."""
    found: dict[tuple[str, str, str], list[LogEvent]] = defaultdict(list)
    for line in lines:
        if said := line.get("log"):
            found[line["region"], said["group"], said["stream"]].append(LogEvent(said["at_ms"], said["message"]))
    return found


def _data(line: dict[str, Any]) -> Iterator[Datum]:
    if "log" in line:
        return
    if "metric" in line:
        yield _datum(line)
        return
    if "container" in line:
        yield from _of_container(line)
        return
    variant = (("EndpointName", line["endpoint"]), ("VariantName", line["variant"]))
    # A line of a router of an earlier version has no component.
    component = line.get("component", "")
    # Of a variant whose instances hold components nobody knows here how many those are.
    yield from _invocations(line, variant, None if component else "InvocationsPerInstance")
    if component:
        yield from _of_component(line, (("InferenceComponentName", component),))


def _of_component(line: dict[str, Any], dimensions: Dimensions) -> Iterator[Datum]:
    yield from _invocations(line, dimensions, "InvocationsPerCopy")
    if failed := line["counts"].get("no_capacity"):
        metric = Metric(NAMESPACE, "NoCapacityInvocationFailures", dimensions)
        yield Datum(metric, line["at"], "None", StatisticSet.of([1.0], [failed]))


def _invocations(line: dict[str, Any], dimensions: Dimensions, shared: str | None) -> Iterator[Datum]:
    """
    Args:
        shared: what the metric is called that shares each invocation among those who could have answered it.
    """
    counts: dict[str, Any] = line["counts"]
    invocations = counts["invocations"]

    def datum(name: str, values: StatisticSet, unit: str = "None") -> Datum:
        return Datum(Metric(NAMESPACE, name, dimensions), line["at"], unit, values)

    yield from _of_models(counts, datum)
    if not invocations:
        return
    yield datum("Invocations", StatisticSet.of([1.0], [invocations]))
    if shared is not None:
        yield datum(shared, StatisticSet.of([1.0 / counts["instances"]], [invocations]))
    errors = {
        "Invocation4XXErrors": counts["errors_4xx"],
        "Invocation5XXErrors": counts["errors_5xx"],
        "InvocationModelErrors": counts["model_errors"],
    }
    for name, count in errors.items():
        yield datum(name, _part(count, invocations))
    for name, times in (("ModelLatency", counts["model"]), ("OverheadLatency", counts["overhead"])):
        if times["samples"]:
            yield datum(name, _times(times), "Microseconds")


def _datum(line: dict[str, Any]) -> Datum:
    """A metric that has been named where it was noted."""
    dimensions = tuple((name, value) for name, value in line["dimensions"])
    values = StatisticSet.of([value for value, _ in line["samples"]], [count for _, count in line["samples"]])
    return Datum(Metric(NAMESPACE, line["metric"], dimensions), line["at"], line["unit"], values)


def _of_models(counts: dict[str, Any], datum: Callable[..., Datum]) -> Iterator[Datum]:
    """Of a multi-model endpoint: which invocations found their model loaded, and how long the others waited for it."""
    waited, hits = counts.get("waited") or {"samples": {}}, counts.get("cache_hits", 0)
    misses = sum(waited["samples"].values())
    parts = [(value, many) for value, many in ((1.0, hits), (0.0, misses)) if many]
    if parts:
        yield datum("ModelCacheHit", StatisticSet.of([value for value, _ in parts], [many for _, many in parts]))
    if misses:
        yield datum("ModelLoadingWaitTime", _times(waited), "Microseconds")


def _of_container(line: dict[str, Any]) -> Iterator[Datum]:
    """What one of several containers did. That it was invoked is told where requests name it: else they all were.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/multi-container-metrics.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-logs-metrics.html
    """
    named = {"ContainerName": line["container"], "EndpointName": line["endpoint"], "VariantName": line["variant"]}
    dimensions = tuple(named.items())
    counts: dict[str, Any] = line["counts"]
    values = {"ContainerLatency": (_times(counts["latency"]), "Microseconds")}
    if counts["direct"]:
        invocations = counts["invocations"]
        values["Invocations"] = (StatisticSet.of([1.0], [invocations]), "None")
        values["Invocation4XXErrors"] = (_part(counts["errors_4xx"], invocations), "None")
        values["Invocation5XXErrors"] = (_part(counts["errors_5xx"], invocations), "None")
    for name, (statistics, unit) in values.items():
        yield Datum(Metric(NAMESPACE, name, dimensions), line["at"], unit, statistics)


def _part(count: int, of: int) -> StatisticSet:
    """A one for each of so many, and a nought for each of the others."""
    parts = [(value, many) for value, many in ((1.0, count), (0.0, of - count)) if many]
    return StatisticSet.of([value for value, _ in parts], [many for _, many in parts])


def _times(times: dict[str, Any]) -> StatisticSet:
    samples = {float(value): float(count) for value, count in times["samples"].items()}
    count = sum(samples.values())
    return StatisticSet(count, times["total"], times["least"], times["most"], samples)


def _prometheus(
    totals: Counter[tuple[str, str, str, str]], seconds: Counter[tuple[str, str, str, str]]
) -> Iterator[str]:
    yield "# HELP sagesmith_invocations_total Predictions answered, by endpoint, variant and class of status.\n"
    yield "# TYPE sagesmith_invocations_total counter\n"
    for (region, endpoint, variant, status), count in sorted(totals.items()):
        labels = f'region="{region}",endpoint="{endpoint}",variant="{variant}",status="{status}"'
        yield f"sagesmith_invocations_total{{{labels}}} {count}\n"
    yield "# HELP sagesmith_invocation_seconds_total Time that predictions took in the model, and beside it.\n"
    yield "# TYPE sagesmith_invocation_seconds_total counter\n"
    for (region, endpoint, variant, what), took in sorted(seconds.items()):
        labels = f'region="{region}",endpoint="{endpoint}",variant="{variant}",part="{what}"'
        yield f"sagesmith_invocation_seconds_total{{{labels}}} {took:.6f}\n"
