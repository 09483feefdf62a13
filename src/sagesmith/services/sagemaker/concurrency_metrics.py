"""How many invocations of an inference component were under way at once: of all routers together.

What the routers noted of a second is added up once all of them have had time to write it; what was not added up when
this process ends, a few seconds of it, is lost.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sagesmith.store import Datum, Metric, StatisticSet

NAME = "ConcurrentRequestsPerCopy"
_NAMESPACE = "AWS/SageMaker"
_SETTLED_SECONDS = 4.0
"""A router writes once a second, and what it wrote is read once a second."""


class ConcurrentRequests:
    """One a process that takes in what routers noted. One thread at a time."""

    def __init__(self) -> None:
        self._routers: defaultdict[tuple[int, str, str], dict[str, int]] = defaultdict(dict)
        self._copies: dict[tuple[int, str, str], int] = {}

    def note(self, line: dict[str, Any], router: str) -> None:
        """What a router noted of one second; of several lines of one second the highest counts."""
        if not line.get("component") or not line["counts"].get("concurrent"):
            return
        key = (line["at"], line["region"], line["component"])
        routers, count = self._routers[key], line["counts"]["concurrent"]
        routers[router] = max(routers.get(router, 0), count)
        self._copies[key] = max(self._copies.get(key, 1), line["counts"]["instances"])

    def due(self, now: float) -> Iterator[tuple[str, Datum]]:
        """The metrics, with their regions, of the seconds that nobody writes of any more."""
        for key in [each for each in self._routers if each[0] <= now - _SETTLED_SECONDS]:
            at, region, component = key
            value = sum(self._routers.pop(key).values()) / self._copies.pop(key)
            metric = Metric(_NAMESPACE, NAME, (("InferenceComponentName", component),))
            yield region, Datum(metric, at, "None", StatisticSet.of([value]))
