"""kill -9 at random moments on one machine: of the API process and of node agents."""

import contextlib
import random

import psutil
import pytest

from tests.chaos import soak
from tests.chaos.conftest import World

pytestmark = pytest.mark.timeout(soak.LIMIT_SECONDS)

ROUNDS = 8


def test_jobs_end_well_and_are_never_run_twice_at_once_whatever_is_killed(world: World) -> None:
    def kill(dice: random.Random, _number: int) -> None:
        found = [
            each["pid"]
            for each in world.running.status()["processes"]
            if each["name"] == "api" or each["name"].startswith(soak.AGENTS)
        ]
        if found:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(dice.choice(found)).kill()

    soak.work_while(world, ROUNDS, kill)
    soak.assert_jobs_ended_well(world)
    left = [each["name"] for each in world.running.status()["processes"]]
    assert [name for name in left if name.startswith((*soak.AGENTS, "job:"))] == []
