"""Models of one server that are loaded one after the other."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from sagesmith.modelserver.errors import HandlerFailed
from sagesmith.modelserver.multimodel import server
from sagesmith.modelserver.multimodel.loading import LoadedModel
from sagesmith.modelserver.multimodel.server import Models
from sagesmith.modelserver.multimodel.store import Fetched
from sagesmith.modelserver.settings import Settings


class Shelf:
    """Where all models are."""

    async def fetch(self, name: str) -> Fetched:
        return Fetched(name, f"/{name}", 1)

    async def drop(self, identifier: str) -> None:
        pass


class Line:
    """Loads a model when it is let, and never comes to an end unless it fails."""

    def __init__(self) -> None:
        self.turn = asyncio.Event()
        self.waits = asyncio.Event()

    async def load(self, fetched: Fetched, began: Callable[[], None]) -> LoadedModel:
        self.waits.set()
        await self.turn.wait()
        began()
        if fetched.id == "broken":
            raise HandlerFailed("broken")
        await asyncio.sleep(60)
        raise AssertionError


async def no_room() -> None:
    raise AssertionError


def test_a_model_is_taken_for_stuck_by_how_long_it_loads_and_not_by_how_long_it_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "LOAD_SECONDS", 0.02)

    async def test() -> None:
        line, stuck = Line(), asyncio.Event()
        models = Models(Settings.from_environment({}), cast("Any", line), cast("Any", Shelf()), stuck.set)
        slow = asyncio.ensure_future(models.load("slow", no_room))
        await asyncio.wait_for(line.waits.wait(), 10)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stuck.wait(), 0.1)
        line.turn.set()
        with pytest.raises(HandlerFailed):
            await models.load("broken", no_room)
        await asyncio.wait_for(stuck.wait(), 10)
        slow.cancel()

    asyncio.run(test())
