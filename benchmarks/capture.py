"""What data capture of every prediction costs: two endpoints of one model, one of which captures, in turn.

Routers, model server, load generator and what uploads share the cores, so that whatever capture costs is missing from
the predictions. The CPU time of a prediction, which other programs on the machine change little, is told beside it;
that of the upload has the metrics of all predictions in it.
"""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks import endpoints
from benchmarks.figures import Figure, Figures
from benchmarks.load import Result, saturate
from tests.integration.conftest import Running

CONNECTIONS = 32
ROUNDS = 5
SECONDS = 3.0
IDLE_SECONDS = 6.0
_BUCKET = "captured-by-benchmark"
_CAPTURE: Mapping[str, Any] = {
    "DataCaptureConfig": {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{_BUCKET}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    }
}


@dataclass(slots=True)
class _Round:
    """One endpoint's part of a round: predictions, and the seconds of CPU that routers took for all of them."""

    result: Result
    router_seconds: float

    @property
    def router_microseconds(self) -> float:
        """Of one prediction."""
        return self.router_seconds / len(self.result.latencies) * 1e6


def figures(platform: Running) -> Figures:
    platform.client("s3").create_bucket(Bucket=_BUCKET)
    with tempfile.TemporaryDirectory() as name:
        model = endpoints.trained(Path(name))
    variables = {"SAGESMITH_BATCHING": "on"}
    names = {
        "without": endpoints.deployed(platform, endpoints.HANDLERS, model.archive, variables),
        "captured": endpoints.deployed(platform, endpoints.HANDLERS, model.archive, variables, **_CAPTURE),
    }
    rounds: dict[str, list[_Round]] = {which: [] for which in names}
    before, began_at = _seconds(platform, "api", "store"), time.monotonic()
    time.sleep(IDLE_SECONDS)
    idle = (_seconds(platform, "api", "store") - before) / (time.monotonic() - began_at)
    before, began_at = _seconds(platform, "api", "store"), time.monotonic()
    for number in range(ROUNDS + 1):
        for which, endpoint in names.items():
            door, signed = endpoints.signed(platform, endpoint, model)
            began = _seconds(platform, "router")
            result = saturate(door, signed, CONNECTIONS, SECONDS if number else SECONDS / 3)
            assert not result.wrong, (which, result.wrong, result.example)
            if number:
                rounds[which].append(_Round(result, _seconds(platform, "router") - began))
    with_it, without = rounds["captured"], rounds["without"]
    yield Figure(
        f"predictions, c={CONNECTIONS}, every one captured",
        "/s",
        median(each.result.rate for each in with_it),
        "times",
        0.9,
        median(each.result.rate for each in without),
        "without capture",
    )
    yield Figure(
        "CPU of routers a captured prediction",
        "µs",
        median(each.router_microseconds for each in with_it),
        "over",
        15,
        median(each.router_microseconds for each in without),
        "without capture",
    )
    while any((platform.data / "captures").iterdir()):
        time.sleep(0.5)
    spent = _seconds(platform, "api", "store") - before - idle * (time.monotonic() - began_at)
    uploaded = spent / sum(len(each.result.latencies) for each in with_it) * 1e6
    yield Figure("CPU of its upload, more than when idle", "µs", uploaded, "most", 40)


def _seconds(platform: Running, *names: str) -> float:
    """CPU seconds of the platform's processes of these names up to now."""
    pids = [each["pid"] for each in platform.status()["processes"] if each["name"] in names]
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)
