"""Asynchronous requests for Prometheus: how many were done, and how many there are to do."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

_FRESH_SECONDS = 60.0
"""A queue that nobody has measured for so long is none any more."""


class AsyncTotals:
    """What the lines of `gateway.asynchronous.metering` come to, since this process began."""

    def __init__(self) -> None:
        self._done: Counter[tuple[str, str, str, str]] = Counter()
        self._backlogs: dict[tuple[str, str], tuple[float, float]] = {}

    def note(self, line: dict[str, Any]) -> None:
        """Take in a line of a metric; most are no concern of it."""
        dimensions = dict(line["dimensions"])
        endpoint = dimensions.get("EndpointName", "")
        if line["metric"] == "InvocationFailures":
            for failed, count in line["samples"]:
                outcome = "failed" if failed else "completed"
                self._done[line["region"], endpoint, dimensions.get("VariantName", ""), outcome] += count
        elif line["metric"] == "ApproximateBacklogSize":
            self._backlogs[line["region"], endpoint] = (line["samples"][-1][0], line["at"])

    def prometheus(self) -> Iterator[str]:
        """In Prometheus' text format."""
        yield "# HELP sagesmith_async_invocations_total Asynchronous requests that are done, by what became of them.\n"
        yield "# TYPE sagesmith_async_invocations_total counter\n"
        for (region, endpoint, variant, outcome), count in sorted(self._done.items()):
            labels = f'region="{region}",endpoint="{endpoint}",variant="{variant}",outcome="{outcome}"'
            yield f"sagesmith_async_invocations_total{{{labels}}} {count}\n"
        yield "# HELP sagesmith_async_backlog Asynchronous requests that are not done.\n"
        yield "# TYPE sagesmith_async_backlog gauge\n"
        for (region, endpoint), (size, at) in sorted(self._backlogs.items()):
            if time.time() - at < _FRESH_SECONDS:
                yield f'sagesmith_async_backlog{{region="{region}",endpoint="{endpoint}"}} {size:g}\n'
