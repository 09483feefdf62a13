"""Which load is put on an endpoint: levels of concurrent users, one after the other. Pure functions.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-load-test.html
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sagesmith.wire.context import Params

DEFAULT_USERS = (1, 2, 4, 8, 16, 32, 64)
"""Of an instance recommendation, until invocations do not grow any more."""
DEFAULT_LEVEL_SECONDS = 5.0
LEAST_LEVEL_SECONDS = 2.0
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Level:
    """So many users at once, for so long."""

    users: int
    seconds: float


def by_default(seconds: float | None = None) -> list[Level]:
    """The load of an instance recommendation.

    Args:
        seconds: how long one test may take; None if nothing says so.
    """
    share = DEFAULT_LEVEL_SECONDS if seconds is None else seconds / len(DEFAULT_USERS)
    each = min(DEFAULT_LEVEL_SECONDS, max(LEAST_LEVEL_SECONDS, share))
    return [Level(users, each) for users in DEFAULT_USERS]


def of_pattern(pattern: Params) -> Iterator[Level]:
    """The load of a TrafficPattern, level by level: of one that nobody has checked there may be billions."""
    if pattern.get("TrafficType", "PHASES") == "STAIRS":
        stairs = pattern["Stairs"]
        steps = stairs["NumberOfSteps"]
        seconds = stairs["DurationInSeconds"] / steps
        yield from (Level(step * stairs["UsersPerStep"], seconds) for step in range(1, steps + 1))
    else:
        for phase in pattern["Phases"]:
            yield from _of_phase(phase)


def _of_phase(phase: Params) -> Iterator[Level]:
    """Users who are there from the beginning, and one more after each part of a minute that the spawn rate says."""
    left, users, rate = float(phase["DurationInSeconds"]), phase["InitialNumberOfUsers"], phase.get("SpawnRate") or 0
    while left > 0:
        seconds = min(left, _MINUTE / rate) if rate else left
        yield Level(users, seconds)
        left, users = left - seconds, users + 1
