"""Which models a multi-model server has loaded, and which one goes."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import sagesmith
from sagesmith.images.interpreters import interpreters
from sagesmith.modelserver.errors import HandlerFailed, ModelNotReady, TooLarge
from sagesmith.modelserver.multimodel.cache import ModelCache

WAITS = """
import asyncio
from sagesmith.modelserver.multimodel.cache import ModelCache

class Host:
    async def load(self, name, make_room):
        await asyncio.sleep(60)

async def main():
    try:
        await ModelCache(Host(), wait_seconds=0.01).acquire("a")
    except Exception as error:
        print(type(error).__name__)

asyncio.run(main())
"""


class Shelf:
    """A host with room for so many models.

    Attributes:
        held: models that are not loaded before their event is set.
        full: set once there was no room.
    """

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.there: list[str] = []
        self.loads: Counter[str] = Counter()
        self.held: dict[str, asyncio.Event] = {}
        self.broken: set[str] = set()
        self.full = asyncio.Event()

    async def load(self, name: str, make_room: Callable[[], Awaitable[None]]) -> str:
        self.loads[name] += 1
        if name in self.held:
            await self.held[name].wait()
        if name in self.broken:
            raise HandlerFailed("broken")
        while len(self.there) >= self.room:
            self.full.set()
            await make_room()
        self.there.append(name)
        return name.upper()

    async def unload(self, name: str, model: str) -> None:
        assert model == name.upper()
        await asyncio.sleep(0)
        self.there.remove(name)


async def use(cache: ModelCache[str], name: str) -> str:
    entry = cache.find(name) or await cache.acquire(name)
    try:
        assert entry.model is not None
        return entry.model
    finally:
        cache.release(entry)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_the_model_that_was_used_least_recently_makes_room() -> None:
    async def test() -> None:
        shelf = Shelf(room=2)
        counts: list[int] = []
        cache = ModelCache(shelf, changed=counts.append)
        for name in ("a", "b", "a", "c"):
            assert await use(cache, name) == name.upper()
        assert shelf.there == ["a", "c"]
        assert counts == [1, 2, 1, 2]

    run(test())


def test_a_model_that_many_ask_for_is_loaded_once_and_beside_others() -> None:
    async def test() -> None:
        shelf = Shelf()
        shelf.held["slow"] = asyncio.Event()
        cache = ModelCache(shelf)
        waiting = [asyncio.ensure_future(use(cache, "slow")) for _ in range(5)]
        assert await use(cache, "other") == "OTHER"
        shelf.held["slow"].set()
        assert await asyncio.gather(*waiting) == ["SLOW"] * 5
        assert shelf.loads == {"slow": 1, "other": 1}

    run(test())


def test_who_waits_too_long_is_told_so_and_the_model_goes_on_being_loaded() -> None:
    async def test() -> None:
        shelf = Shelf()
        shelf.held["slow"] = asyncio.Event()
        loaded = asyncio.Event()
        cache = ModelCache(shelf, wait_seconds=0.0, changed=lambda _count: loaded.set())
        with pytest.raises(ModelNotReady) as raised:
            await use(cache, "slow")
        assert (raised.value.code, raised.value.status) == ("ModelNotReadyException", 429)
        shelf.held["slow"].set()
        await loaded.wait()
        assert await use(cache, "slow") == "SLOW"
        assert shelf.loads == {"slow": 1}

    run(test())


def test_a_client_that_goes_away_does_not_stop_the_loading() -> None:
    async def test() -> None:
        shelf = Shelf()
        shelf.held["slow"] = asyncio.Event()
        cache = ModelCache(shelf)
        gone = asyncio.ensure_future(use(cache, "slow"))
        stays = asyncio.ensure_future(use(cache, "slow"))
        await asyncio.sleep(0)
        gone.cancel()
        shelf.held["slow"].set()
        assert await stays == "SLOW"

    run(test())


def test_a_model_that_cannot_be_loaded_fails_all_who_wait_and_is_tried_again() -> None:
    async def test() -> None:
        shelf = Shelf()
        shelf.broken.add("it")
        cache = ModelCache(shelf)
        answers = await asyncio.gather(*(use(cache, "it") for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in answers] == [HandlerFailed] * 3
        shelf.broken.clear()
        assert await use(cache, "it") == "IT"

    run(test())


def test_a_model_in_use_stays_and_who_needs_its_room_waits_for_it() -> None:
    async def test() -> None:
        shelf = Shelf(room=1)
        cache = ModelCache(shelf)
        used = await cache.acquire("used")
        waiting = asyncio.ensure_future(use(cache, "next"))
        await shelf.full.wait()
        assert not waiting.done()
        assert shelf.there == ["used"]
        cache.release(used)
        assert await waiting == "NEXT"
        assert shelf.there == ["next"]

    run(test())


def test_several_that_need_the_room_of_one_get_it_one_after_the_other() -> None:
    async def test() -> None:
        shelf = Shelf(room=1)
        cache = ModelCache(shelf)
        names = ["a", "b", "c", "d"]
        assert await asyncio.gather(*(use(cache, name) for name in names)) == [name.upper() for name in names]

    run(test())


def test_a_model_for_which_there_is_no_room_at_all_is_refused() -> None:
    async def test() -> None:
        cache = ModelCache(Shelf(room=0))
        with pytest.raises(TooLarge):
            await use(cache, "large")
        assert not cache.loaded()

    run(test())


def test_without_a_cache_a_model_goes_when_nobody_uses_it() -> None:
    async def test() -> None:
        shelf = Shelf()
        cache = ModelCache(shelf, keeps=False)
        first, second = await cache.acquire("it"), await cache.acquire("it")
        cache.release(first)
        assert shelf.there == ["it"]
        cache.release(second)
        assert await use(cache, "it") == "IT"
        assert shelf.loads == {"it": 2}

    run(test())


def test_a_busy_model_stays_though_nobody_has_taken_it() -> None:
    async def test() -> None:
        shelf = Shelf(room=1)
        busy = {"A"}
        cache = ModelCache(shelf, busy=busy.__contains__)
        assert await use(cache, "a") == "A"
        assert cache.use("a") == "A"
        waiting = asyncio.ensure_future(use(cache, "b"))
        await shelf.full.wait()
        assert shelf.there == ["a"]
        busy.clear()
        assert await waiting == "B"
        assert cache.use("a") is None

    run(test())


@pytest.mark.parametrize("python", ["3.8", "3.9", "3.10"])
def test_a_model_that_is_not_there_in_time_is_told_from_a_failure_by_older_pythons_as_well(python: str) -> None:
    found = interpreters().get(python)
    if found is None:
        pytest.skip(f"there is no Python {python}")
    done = subprocess.run(
        [str(found), "-B", "-c", WAITS],
        env={"PYTHONPATH": str(Path(sagesmith.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ModelNotReady\n", "")


def test_a_model_that_is_not_kept_stays_for_an_answer_that_still_comes_in_pieces() -> None:
    async def test() -> None:
        shelf, busy = Shelf(), {"A"}
        cache = ModelCache(shelf, keeps=False, busy=lambda model: model in busy)
        await use(cache, "a")
        await asyncio.sleep(0.1)
        assert (cache.loaded(), shelf.there) == (["A"], ["a"])
        busy.clear()
        while shelf.there:  # noqa: ASYNC110 (nobody tells when a model is not busy any more)
            await asyncio.sleep(0.01)
        assert cache.loaded() == []

    run(test())


def test_a_model_that_is_not_kept_goes_if_nobody_waits_for_it_any_more() -> None:
    async def test() -> None:
        shelf = Shelf()
        shelf.held["a"] = asyncio.Event()
        cache = ModelCache(shelf, keeps=False, wait_seconds=0.01)
        with pytest.raises(ModelNotReady):
            await use(cache, "a")
        shelf.held["a"].set()
        for _ in range(10):
            await asyncio.sleep(0)
        assert (shelf.loads["a"], shelf.there, cache.loaded()) == (1, [], [])

    run(test())
