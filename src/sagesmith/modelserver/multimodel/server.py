"""Invocations that each name their model: what a model server has in place of one model's queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Awaitable, Callable  # noqa: UP035

from sagesmith.modelserver.errors import BadTarget, HandlerFailed, InvocationError, NoRoom
from sagesmith.modelserver.multimodel.cache import LOAD_SECONDS, ModelCache

if TYPE_CHECKING:
    from sagesmith.http.messages import Headers
    from sagesmith.modelserver.answers import Answer
    from sagesmith.modelserver.multimodel.loading import LoadedModel, Loader
    from sagesmith.modelserver.multimodel.store import Fetched, ModelStore
    from sagesmith.modelserver.settings import Settings
    from sagesmith.modelserver.worker import Invocation

logger = logging.getLogger("sagesmith.modelserver")

TARGET_MODEL = b"x-amzn-sagemaker-target-model"
WAITED_HEADER = b"x-sagesmith-model-wait"
"""How many microseconds an invocation has waited for its model: of one whose model was loaded there is none."""
_TELL_SECONDS = 1.0
_COUNT_SECONDS = 60.0


class Models:
    """All models of a model server, as `app.Application` takes a `WorkerPool`. Belongs to the event loop.

    Args:
        loader: who loads and frees them.
        store: where they come from.
        on_stuck: called when a model has been loading for so long that the process has to start anew.
    """

    def __init__(self, settings: Settings, loader: Loader, store: ModelStore, on_stuck: Callable[[], None]) -> None:
        self._loader = loader
        self._store = store
        self._on_stuck = on_stuck
        self._cache: ModelCache[LoadedModel] = ModelCache(
            self,
            keeps=settings.keeps_models,
            wait_seconds=settings.model_wait_seconds,
            changed=self._changed,
            busy=lambda model: model.pool.pending > 0,
        )
        self._measured: defaultdict[str, list[float]] = defaultdict(list)
        self._count = 0
        self._waiting = 0
        self._telling: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """Invocations that wait or run."""
        return self._waiting + sum(model.pool.pending for model in self._cache.loaded())

    def running_since(self) -> float | None:
        """When the handler was called that has been running for the longest time, None if none runs."""
        since = [each for model in self._cache.loaded() if (each := model.pool.running_since()) is not None]
        return min(since, default=None)

    @staticmethod
    def now() -> float:
        """The clock of `running_since`, in seconds."""
        return time.monotonic()

    async def start(self) -> None:
        """Begin with no model at all."""
        await self._store.reset()
        self._telling = asyncio.ensure_future(self._tell())

    def queue(self, invocation: Invocation) -> bool:
        """Queue an invocation as `WorkerPool.queue` does, if its model is loaded; whether it is.

        Raises:
            Overloaded: the model's queue is full.
        """
        model = self._cache.use(_target(invocation))
        if model is None:
            return False
        self._look_for_rows(model)
        model.pool.queue(invocation)
        return True

    async def submit(self, invocation: Invocation) -> Answer:
        """Have an invocation answered by the model that it names.

        Raises:
            InvocationError: it names none, its model is not to be had in time, or as many wait for it as may.
        """
        name = _target(invocation)
        if not name:
            raise BadTarget("The request is missing a target model header.")
        self._waiting += 1
        waited: Headers = []
        try:
            entry = self._cache.find(name)
            if entry is None:
                began = time.perf_counter()
                entry = await self._cache.acquire(name)
                waited.append((WAITED_HEADER, b"%d" % ((time.perf_counter() - began) * 1e6)))
            try:
                model = entry.model
                assert model is not None
                self._look_for_rows(model)
                answer = await model.pool.submit(invocation)
            finally:
                self._cache.release(entry)
        finally:
            self._waiting -= 1
        return replace(answer, headers=[*(answer.headers or ()), *waited]) if waited else answer

    def abandon(self, error: InvocationError) -> None:
        """Answer what a worker has seen with `error` and what waits with 503: the process is about to start anew."""
        for model in self._cache.loaded():
            model.pool.abandon(error)

    def stop(self) -> None:
        """Measure no more."""
        if self._telling is not None:
            self._telling.cancel()

    async def load(self, name: str, make_room: Callable[[], Awaitable[None]]) -> LoadedModel:
        """`cache.Host.load`."""
        fetched = await self._fetch(name, make_room)
        try:
            while True:
                try:
                    return await self._loaded(name, fetched)
                except NoRoom:
                    await make_room()
        except BaseException:
            await self._drop(fetched)
            raise

    async def _loaded(self, name: str, fetched: Fetched) -> LoadedModel:
        """Have a model loaded; its time begins when it is its turn, however long those before it took."""
        loop = asyncio.get_running_loop()
        began = 0.0
        stuck: asyncio.TimerHandle | None = None

        def begin() -> None:
            nonlocal began, stuck
            began = time.perf_counter()
            stuck = loop.call_later(LOAD_SECONDS, self._on_stuck)

        try:
            model = await self._loader.load(fetched, begin)
        finally:
            if stuck is not None:
                stuck.cancel()
        took = time.perf_counter() - began
        self._measured["ModelLoadingTime"].append(took * 1e6)
        logger.info("Loaded %s: %.1f MiB, %.0f ms", name, model.taken / 2**20, took * 1e3)
        return model

    async def unload(self, name: str, model: LoadedModel) -> None:
        """`cache.Host.unload`."""
        logger.info("Unloading %s", name)
        began = time.perf_counter()
        fetched = model.fetched
        await self._loader.unload(model)
        self._measured["ModelUnloadingTime"].append((time.perf_counter() - began) * 1e6)
        await self._drop(fetched)

    def _look_for_rows(self, model: LoadedModel) -> None:
        """What several ask at once may be worth being predicted together."""
        if model.pool.pending and not model.batched:
            self._loader.look_for_rows(model)

    async def _fetch(self, name: str, make_room: Callable[[], Awaitable[None]]) -> Fetched:
        while True:
            try:
                return await self._store.fetch(name)
            except NoRoom:
                await make_room()

    async def _drop(self, fetched: Fetched) -> None:
        # An agent that does not answer is gone, and this process will be in a moment.
        with contextlib.suppress(HandlerFailed):
            await self._store.drop(fetched.id)

    def _changed(self, count: int) -> None:
        self._count = count

    async def _tell(self) -> None:
        """Hand what was measured to the agent, once a second, and now and then how many models there are."""
        told, told_at = -1, 0.0
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            if self._count != told or time.monotonic() - told_at >= _COUNT_SECONDS:
                told, told_at = self._count, time.monotonic()
                self._measured["LoadedModelCount"].append(told)
            if self._measured:
                measured, self._measured = self._measured, defaultdict(list)
                try:
                    await self._store.note(measured)
                except HandlerFailed:
                    return


def _target(invocation: Invocation) -> str:
    return next((value for key, value in invocation.headers if key == TARGET_MODEL), b"").decode("latin-1")
