"""Predictions at half of what saturates, for as long as it is told: `python -m benchmarks.endurance --minutes 60`.

Prints a line a minute and the figures at the end: how much the memory of routers and of the model server grew, and how
many predictions failed or were wrong. Every row is signed anew each minute, and every answer compared.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import endpoints, lifecycle
from benchmarks.figures import Figure, Figures, heading
from benchmarks.load import Result, at_rate, saturate
from tests.integration.conftest import Running

CONNECTIONS = 32
SATURATING_SECONDS = 5.0
SLICE_SECONDS = 60.0
WATCHED = ("router", "model")
"""Names of the platform's processes, up to the colon."""
_BYTES_IN_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Minute:
    """What was seen in one slice.

    Attributes:
        answered: predictions that were right.
        failed: those that were wrong, or no predictions.
        memory_bytes: resident, by name of process.
        processes: which they were, to see that none was started again.
    """

    answered: int
    failed: int
    p99_seconds: float
    memory_bytes: dict[str, int]
    processes: frozenset[int]


def main() -> int:
    """Returns 1 if a figure is out of its reach."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=int, default=60, help="how long (default: %(default)s)")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        platform, _ = lifecycle.start_up(Path(folder) / "data", measured=False)
        try:
            seen = list(_told(_minutes(platform, minutes)))
        finally:
            platform.cli("down")
    print(heading())
    missed = 0
    for figure in figures(seen):
        print(figure.row())
        missed += not figure.reached
    return 1 if missed else 0


def figures(seen: list[Minute]) -> Figures:
    """What came of it. Memory is compared with that after the first slice, in which caches fill."""
    for name in WATCHED:
        first, last = (each.memory_bytes[name] / _BYTES_IN_MIB for each in (seen[0], seen[-1]))
        yield Figure(f"resident memory of {name} processes", "MiB", last, "within", 1.05, first, "after a minute")
    yield Figure("predictions that failed or were wrong", "", sum(each.failed for each in seen), "most", 0)
    yield Figure("processes that were started again", "", len(seen[-1].processes - seen[0].processes), "most", 0)


def _minutes(platform: Running, minutes: int) -> Iterator[Minute]:
    with tempfile.TemporaryDirectory() as name:
        model = endpoints.trained(Path(name))
    endpoint = endpoints.deployed(platform, endpoints.HANDLERS, model.archive, {"SAGESMITH_BATCHING": "on"})
    door, signed = endpoints.signed(platform, endpoint, model)
    rate = saturate(door, signed, CONNECTIONS, SATURATING_SECONDS).rate / 2
    print(f"{minutes} minutes at {rate:,.0f} predictions a second", flush=True)
    for _ in range(minutes):
        # A signature holds for some minutes.
        _, signed = endpoints.signed(platform, endpoint, model)
        try:
            result = at_rate(door, signed, CONNECTIONS, SLICE_SECONDS, rate)
        except ConnectionError as error:
            print(f"a connection broke, and the rest of this minute is missing: {error}", flush=True)
            result = Result(SLICE_SECONDS, [0.0], 1)
        processes = _watched(platform)
        memory = {name: sum(each.memory_info().rss for each in found) for name, found in processes.items()}
        pids = frozenset(each.pid for found in processes.values() for each in found)
        yield Minute(len(result.latencies) - result.wrong, result.wrong, result.p99, memory, pids)


def _watched(platform: Running) -> dict[str, list[psutil.Process]]:
    found: dict[str, list[psutil.Process]] = {name: [] for name in WATCHED}
    for each in platform.status()["processes"]:
        kind = each["name"].partition(":")[0]
        if kind in found:
            process = psutil.Process(each["pid"])
            found[kind] += [process, *(process.children(recursive=True) if kind == "model" else ())]
    return found


def _told(seen: Iterator[Minute]) -> Iterator[Minute]:
    began = time.monotonic()
    for each in seen:
        memory = ", ".join(f"{name} {size / _BYTES_IN_MIB:.1f} MiB" for name, size in each.memory_bytes.items())
        print(
            f"{time.monotonic() - began:6.0f} s: {each.answered:,} right, {each.failed} failed, "
            f"p99 {each.p99_seconds * 1e3:.1f} ms; {memory}",
            flush=True,
        )
        yield each


if __name__ == "__main__":
    sys.exit(main())
