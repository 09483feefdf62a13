"""Which models are loaded: one load a model however many ask for it, and the least recently used one goes first.

It knows neither what a model is nor where it comes from, so that it serves our own model server as well as containers
of the user's. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Awaitable, Callable, Generic, Protocol, TypeVar  # noqa: UP035

from sagesmith.modelserver.errors import ModelNotReady, TooLarge

if TYPE_CHECKING:
    from typing import Any, Dict, Set  # noqa: UP035

WAIT_SECONDS = 59.0
"""How long a request waits for its model: AWS answers within 60 seconds, and the router gives up after so many."""
LOAD_SECONDS = 360.0
"""How long a model may take to be downloaded and loaded, as AWS gives it
(https://docs.aws.amazon.com/sagemaker/latest/dg/invoke-multi-model-endpoint.html)."""

_LOOK_SECONDS = 0.05
_Model = TypeVar("_Model")


class Host(Protocol[_Model]):
    """Where models are loaded."""

    async def load(self, name: str, make_room: Callable[[], Awaitable[None]]) -> _Model:
        """Load a model.

        Args:
            make_room: to be awaited where there is no room for it; raises TooLarge where none can be made.

        Raises:
            InvocationError: it cannot be loaded; nothing of it is left.
        """
        ...

    async def unload(self, name: str, model: _Model) -> None:
        """Free what a model takes. Never raises."""
        ...


@dataclass(eq=False)
class Entry(Generic[_Model]):
    """A model that is loaded, or is being loaded.

    Attributes:
        users: requests that wait for it or are with it; while there are any it stays.
    """

    name: str
    model: _Model | None = None
    loading: asyncio.Future[_Model] | None = None
    users: int = 0


class ModelCache(Generic[_Model]):
    """The models of one server.

    Args:
        keeps: whether a model stays loaded once nobody asks for it any more (ModelCacheSetting).
        wait_seconds: how long a request waits for its model to be loaded.
        changed: called with the number of loaded models whenever that changes.
        busy: whether a model is in use by somebody who did not take it by `acquire`.
    """

    def __init__(
        self,
        host: Host[_Model],
        *,
        keeps: bool = True,
        wait_seconds: float = WAIT_SECONDS,
        changed: Callable[[int], None] = lambda count: None,
        busy: Callable[[_Model], bool] = lambda model: False,
    ) -> None:
        self._host = host
        self._keeps = keeps
        self._wait_seconds = wait_seconds
        self._changed = changed
        self._busy = busy
        self._entries: OrderedDict[str, Entry[_Model]] = OrderedDict()
        self._leaving: Dict[str, asyncio.Future[None]] = {}  # noqa: UP006
        self._tasks: Set[asyncio.Future[None]] = set()  # noqa: UP006
        self._room = asyncio.Lock()
        self._wanting_room = 0
        self._moved: asyncio.Future[None] | None = None
        self._loaded = 0

    def loaded(self) -> list[_Model]:
        """The models that are loaded now, the least recently used one first."""
        return [entry.model for entry in self._entries.values() if entry.model is not None]

    def use(self, name: str) -> _Model | None:
        """A model that is loaded and stays so while it is busy, for who makes it busy in this turn of the loop; None if
        it is to be taken by `acquire`."""
        entry = self._entries.get(name) if self._keeps else None
        if entry is None or entry.model is None:
            return None
        self._entries.move_to_end(name)
        return entry.model

    def find(self, name: str) -> Entry[_Model] | None:
        """Take a model that is loaded, None if it is not. Each one that was taken is given back by `release`."""
        entry = self._entries.get(name)
        if entry is None or entry.model is None:
            return None
        entry.users += 1
        self._entries.move_to_end(name)
        return entry

    async def acquire(self, name: str) -> Entry[_Model]:
        """Take a model as `find` does, and load it if it is not.

        Raises:
            ModelNotReady: it is not loaded in time; it goes on being loaded.
            InvocationError: it cannot be loaded.
        """
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = Entry(name)
            entry.loading = asyncio.ensure_future(self._load(entry))
            # Where it fails, those who wait are told; there may be none any more.
            entry.loading.add_done_callback(_retrieve)
        entry.users += 1
        self._entries.move_to_end(name)
        if entry.model is None:
            assert entry.loading is not None
            try:
                await asyncio.wait_for(asyncio.shield(entry.loading), self._wait_seconds)
            except asyncio.TimeoutError:  # noqa: UP041 (another class before Python 3.11)
                self.release(entry)
                raise ModelNotReady(name) from None
            except BaseException:
                self.release(entry)
                raise
        return entry

    def release(self, entry: Entry[_Model]) -> None:
        """Give back what was taken."""
        entry.users -= 1
        if not entry.users:
            self._signal()
            self._let_go(entry)

    def _let_go(self, entry: Entry[_Model]) -> None:
        """Unload a model that is not to be kept, once nobody has it any more; an answer that comes in pieces has it
        for as long as there are more, and does not tell when there are none."""
        if self._keeps or entry.users or entry.model is None:
            return
        if self._busy(entry.model):
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._let_go, entry)
        else:
            self._unload(entry)

    async def _load(self, entry: Entry[_Model]) -> _Model:
        try:
            # Its former self may still be on its way out.
            leaving = self._leaving.get(entry.name)
            if leaving is not None:
                await asyncio.wait([leaving])
            model = await self._host.load(entry.name, self._make_room)
        except BaseException:
            del self._entries[entry.name]
            self._signal()
            raise
        entry.model = model
        entry.loading = None
        self._count(1)
        self._signal()
        # Whoever asked for it may have given up by now.
        self._let_go(entry)
        return model

    async def _make_room(self) -> None:
        """Unload a model that nobody uses; wait for one that is used, or is about to be loaded.

        Raises:
            TooLarge: there is none.
        """
        self._wanting_room += 1
        try:
            async with self._room:
                while True:
                    idle = next((each for each in self._entries.values() if self._is_idle(each)), None)
                    if idle is not None:
                        await asyncio.wait([self._unload(idle)])
                        return
                    if len(self._entries) <= self._wanting_room and not self._leaving:
                        raise TooLarge
                    await self._next_move()
        finally:
            self._wanting_room -= 1

    def _unload(self, entry: Entry[_Model]) -> asyncio.Future[None]:
        model, entry.model = entry.model, None
        assert model is not None
        del self._entries[entry.name]
        self._count(-1)
        task = self._leaving[entry.name] = asyncio.ensure_future(self._host.unload(entry.name, model))
        self._tasks.add(task)

        def left(done: asyncio.Future[None]) -> None:
            self._tasks.discard(done)
            if self._leaving.get(entry.name) is done:
                del self._leaving[entry.name]
            _retrieve(done)
            self._signal()

        task.add_done_callback(left)
        return task

    def _count(self, more: int) -> None:
        self._loaded += more
        self._changed(self._loaded)

    def _signal(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)

    def _is_idle(self, entry: Entry[_Model]) -> bool:
        return entry.model is not None and not entry.users and not self._busy(entry.model)

    async def _next_move(self) -> None:
        """Wait until something was loaded, unloaded or given back; not for long, for who is busy does not tell when it
        is not any more."""
        self._moved = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._moved], timeout=_LOOK_SECONDS)


def _retrieve(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()
