"""Metrics of asynchronous endpoints, by AWS's names; on their way to CloudWatch as those of `gateway.metering`.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html. What AWS misspells is misspelt.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from sagesmith.gateway.asynchronous.backlog import Backlog
from sagesmith.gateway.asynchronous.records import Record
from sagesmith.gateway.metric_lines import MetricLines
from sagesmith.routes import EndpointRoute

_COUNT, _MICROSECONDS, _MILLISECONDS, _SECONDS, _NONE = "Count", "Microseconds", "Milliseconds", "Seconds", "None"
_SAID = ("ModelLatency", "RequestDownloadLatency", "ResponseUploadLatency")


class AsyncMeter:
    """One a router.

    Args:
        directory: where the files are, for the API process to find.
    """

    def __init__(self, directory: Path) -> None:
        self._lines = MetricLines(directory, "async")

    def flush(self) -> None:
        """Write what was noted since the last time."""
        self._lines.flush()

    def backlog(self, region: str, route: EndpointRoute, backlog: Backlog | None) -> None:
        """How much an endpoint has to do now.

        Without an instance the whole queue counts as one instance's: so target tracking sees it.
        """
        size = 0 if backlog is None else len(backlog.known)
        oldest = None if backlog is None else backlog.oldest_ms
        age = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
        instances = sum(len(variant.addresses) for variant in route.variants)
        for name, value, unit in (
            ("ApproximateBacklogSize", size, _COUNT),
            ("ApproximateBacklogSizePerInstance", size / max(1, instances), _COUNT),
            ("ApproximateAgeOfOldestRequest", age, _SECONDS),
            ("HasBacklogWithoutCapacity", float(size > 0 and instances == 0), _COUNT),
        ):
            self._lines.note(region, route.name, None, name, value, unit)

    def ended(
        self, record: Record, variant: str | None, taken: Mapping[str, float], failure: str | None, status: int | None
    ) -> None:
        """A request that is done.

        Args:
            taken: how long its parts took in microseconds, by the metric's name.
            failure: the metric that counts such failures; empty for none of its own; None for a success.
            status: what the model answered, 0 if it broke off, None if it was not asked.
        """
        values = [(name, value, _MICROSECONDS) for name, value in taken.items()]
        values.append(("TotalProcessingTime", (time.time() - record.entry.received_ms / 1000) * 1000, _MILLISECONDS))
        values.append(("InvocationsProcesssed", 1.0, _COUNT))
        values.append(("InvocationFailures", float(failure is not None), _COUNT))
        if failure:
            values.append((failure, 1.0, _COUNT))
        if status is not None:
            values.append(("Invocation4XXErrors", float(400 <= status < 500), _NONE))
            values.append(("Invocation5XXErrors", float(status >= 500 or status == 0), _NONE))
        for name, value, unit in values:
            self._lines.note(record.region, record.endpoint, variant, name, value, unit)

    def say(self, record: Record, stream: str, taken: Mapping[str, float], failure: str | None) -> None:
        """A line of the log that AWS keeps of these requests beside what their model prints.

        Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html, Logs

        Args:
            stream: that of the model's own log.
            taken: as of `ended`.
            failure: what went wrong, None if nothing did.
        """
        whole = (time.time() - record.entry.received_ms / 1000) * 1000
        parts = [f"{name}: {taken[name]:.0f} us" for name in _SAID if name in taken]
        parts.append(f"TimeInBacklog: {taken.get('TimeInBacklog', 0.0) / 1000:.0f} ms")
        parts.append(f"TotalProcessingTime: {whole:.0f} ms")
        said = failure or f"Inference request succeeded. {', '.join(parts)}"
        message = f"[sagemaker logs] [{record.inference_id}] {said}"
        self._lines.say(record.region, record.endpoint, f"{stream}/data-log", message)
