"""What a task measures: the values that its program prints, and how busy its host is, on their way to the platform."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sagesmith.compute.base import MetricSample

MAX_VALUE = 2.0**360
"""CloudWatch takes no greater numbers, and none that are not finite (PutMetricData)."""


class MetricFile:
    """A task's `metrics.jsonl`: one `MetricSample` a line, there once there is something to be said.

    Args:
        container: whose samples they are, of a model that has several.
    """

    def __init__(self, path: Path, container: str = "") -> None:
        self._path = path
        self._container = container
        self._descriptor = -1
        self._full = False

    def write(self, at: int, found: Mapping[str, Sequence[float]], *, of_host: bool = False) -> None:
        """Add the values that were found in one second, by metric.

        Args:
            at: seconds since the epoch.
            of_host: they are of the host itself, in percent.
        """
        lines = []
        for name, values in found.items():
            kept = [value for value in values if math.isfinite(value) and abs(value) <= MAX_VALUE]
            if kept:
                lines.append(sample_to_json(MetricSample(name, at, kept, of_host, self._container)))
        if not lines or self._full:
            return
        block = b"".join(lines)
        try:
            if self._descriptor < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o600)
            while block:
                block = block[os.write(self._descriptor, block) :]
        except OSError:
            # A full disk ends the job with a reason of its own; half a line may stand here, behind which there is none.
            self._full = True


def sample_to_json(sample: MetricSample) -> bytes:
    fields = [sample.name, sample.at, sample.values, sample.of_host, *([sample.container] if sample.container else ())]
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def sample_from_json(line: bytes) -> MetricSample:
    return MetricSample(*json.loads(line))
