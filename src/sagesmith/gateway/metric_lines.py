"""Metrics that a router names itself, by AWS's names, and lines of endpoints' logs; on their way to CloudWatch as the
metrics of `gateway.metering`."""

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson

from sagesmith import logging
from sagesmith.files import append_whole

_MAX_WAITING = 10_000

log = logging.get("router")

_Key = tuple[int, str, str, tuple[tuple[str, str], ...], str]
"""Second, region, metric, dimensions, unit."""


class MetricLines:
    """What is noted within a second becomes a line a metric, in files of one router and one subject.

    Args:
        directory: where the files are, for the API process to find.
        subject: tells its files from others of this router.
    """

    def __init__(self, directory: Path, subject: str) -> None:
        self._directory = directory
        self._name = f"{os.getpid()}-{time.time_ns() // 1_000_000}-{subject}"
        self._noted: dict[_Key, dict[float, int]] = defaultdict(dict)
        self._said: list[dict[str, Any]] = []

    def note(self, region: str, endpoint: str, variant: str | None, name: str, value: float, unit: str) -> None:
        """One value of a metric of an endpoint, or of one of its variants."""
        dimensions = [("EndpointName", endpoint), *([("VariantName", variant)] if variant is not None else [])]
        samples = self._noted[int(time.time()), region, name, tuple(dimensions), unit]
        samples[value] = samples.get(value, 0) + 1

    def say(self, region: str, endpoint: str, stream: str, message: str) -> None:
        """A line of an endpoint's log."""
        at_ms = time.time_ns() // 1_000_000
        group = f"/aws/sagemaker/Endpoints/{endpoint}"
        log_line = {"group": group, "stream": stream, "at_ms": at_ms, "message": message}
        self._said.append({"at": at_ms // 1000, "region": region, "log": log_line})

    def flush(self) -> None:
        """Write what was noted since the last time; what cannot be written waits, up to a bound."""
        metrics = [
            {
                "at": at,
                "region": region,
                "metric": name,
                "dimensions": dimensions,
                "unit": unit,
                "samples": [*samples.items()],
            }
            for (at, region, name, dimensions, unit), samples in self._noted.items()
        ]
        lines = [orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in (*metrics, *self._said)]
        if not lines:
            return
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            append_whole(self._directory / f"{self._name}-{int(time.time()) // 60}.jsonl", b"".join(lines))
        except OSError as error:
            dropped = len(lines) > _MAX_WAITING
            log.warning("metrics of invocations could not be written", reason=str(error), dropped=dropped)
            if not dropped:
                return
        self._noted.clear()
        self._said.clear()
