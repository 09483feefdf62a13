"""Measures a platform of its own and prints one table: `python -m benchmarks [--only NAME …]`.

Figures are medians of rounds that alternate with the peer's, and worth something only if little else runs: the last
line says what did. What the layers cost by themselves is printed by `python -m benchmarks.wire`, and so on.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from benchmarks import (
    algorithm_formats,
    capture,
    concurrency,
    control_plane,
    density,
    inputs,
    lifecycle,
    lineage,
    lists,
    logs,
    metrics,
    placement,
    priority,
    rollouts,
    s3,
    search,
    serverless,
    serving,
    throughput,
    transform,
    tuning,
)
from benchmarks.figures import Figure, Figures, heading
from tests.integration.conftest import Running

BUSY_SECONDS = 2.0

SECTIONS: dict[str, Callable[[Running], Figures]] = {
    "jobs": lifecycle.figures,
    "quickstart": lifecycle.quickstart,
    "throughput": throughput.figures,
    "control-plane": control_plane.figures,
    "lists": lists.figures,
    "concurrency": concurrency.figures,
    "inputs": inputs.figures,
    "search": search.figures,
    "lineage": lineage.figures,
    "metrics": metrics.figures,
    "logs": logs.figures,
    "priority": priority.figures,
    "tuning": tuning.figures,
    "placement": placement.figures,
    "rollouts": rollouts.figures,
    "serving": serving.figures,
    "serverless": serverless.figures,
    "capture": capture.figures,
    "density": density.figures,
    "transform": transform.figures,
    "algorithm-formats": algorithm_formats.figures,
    "s3": s3.figures,
    "s3-huge": s3.huge,
}


def main() -> int:
    """Returns 1 if a figure is out of its reach."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=["start", *SECTIONS], metavar="NAME", help="%(choices)s")
    chosen = parser.parse_args().only or ["start", *SECTIONS]
    missed = 0
    others = psutil.cpu_percent(BUSY_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        platform, first = lifecycle.start_up(Path(folder) / "data", measured="start" in chosen)
        print(heading())
        try:
            missed += show(first)
            for name, figures in SECTIONS.items():
                if name in chosen:
                    missed += show(figures(platform))
        finally:
            platform.cli("down")
    after = psutil.cpu_percent(BUSY_SECONDS)
    print(f"\nOther programs kept the machine {others:.0f} % busy before and {after:.0f} % after.")
    return 1 if missed else 0


def show(figures: Iterable[Figure]) -> int:
    """Print rows as they are measured; returns how many are out of reach."""
    missed = 0
    for figure in figures:
        print(figure.row(), flush=True)
        missed += not figure.reached
    return missed


if __name__ == "__main__":
    sys.exit(main())
