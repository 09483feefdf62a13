"""Metrics that a router names itself, by AWS's names; on their way to CloudWatch as those of `gateway.metering`."""

import os
import time
from collections import defaultdict
from pathlib import Path

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

    def note(self, region: str, endpoint: str, variant: str | None, name: str, value: float, unit: str) -> None:
        """One value of a metric of an endpoint, or of one of its variants."""
        dimensions = [("EndpointName", endpoint), *([("VariantName", variant)] if variant is not None else [])]
        samples = self._noted[int(time.time()), region, name, tuple(dimensions), unit]
        samples[value] = samples.get(value, 0) + 1

    def flush(self) -> None:
        """Write what was noted since the last time; what cannot be written waits, up to a bound."""
        if not self._noted:
            return
        lines = [
            orjson.dumps(
                {
                    "at": at,
                    "region": region,
                    "metric": name,
                    "dimensions": dimensions,
                    "unit": unit,
                    "samples": [*samples.items()],
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for (at, region, name, dimensions, unit), samples in self._noted.items()
        ]
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            append_whole(self._directory / f"{self._name}-{int(time.time()) // 60}.jsonl", b"".join(lines))
        except OSError as error:
            dropped = len(self._noted) > _MAX_WAITING
            log.warning("metrics of invocations could not be written", reason=str(error), dropped=dropped)
            if not dropped:
                return
        self._noted.clear()
