"""The thread that loads models and frees them, one after the other, beside those that predict.

It is the main thread: what a script does only there (signal handlers, some native libraries) it does when its model is
loaded. One at a time, because what a model takes is seen by how much the process grows.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Callable, TypeVar  # noqa: UP035

from sagesmith.modelserver import frameworks, handlers
from sagesmith.modelserver.answers import from_exception
from sagesmith.modelserver.crew import Crew, Shift
from sagesmith.modelserver.errors import HandlerFailed, LoadError, NoRoom
from sagesmith.modelserver.executor import Executor, print_exception
from sagesmith.modelserver.multimodel.memory import Memory, resident_bytes
from sagesmith.modelserver.multimodel.namespaces import Namespace
from sagesmith.modelserver.rows import rows_of
from sagesmith.modelserver.settings import DEFAULT_PROGRAM
from sagesmith.modelserver.worker import WorkerPool

if TYPE_CHECKING:
    import asyncio

    from sagesmith.modelserver.handlers import Handlers
    from sagesmith.modelserver.multimodel.store import Fetched
    from sagesmith.modelserver.settings import Settings
    from sagesmith.modelserver.worker import Invocation

logger = logging.getLogger("sagesmith.modelserver")

_Result = TypeVar("_Result")


@dataclass(eq=False)
class LoadedModel:
    """A model that answers.

    Attributes:
        pool: its invocations.
        shift: who works for it.
        taken: bytes of memory.
        batched: whether it was looked at whether its requests may be predicted together.
    """

    fetched: Fetched
    handlers: Handlers
    namespace: Namespace
    pool: WorkerPool
    shift: Shift
    taken: int
    batched: bool = False


class Loader:
    """Loads models, as the main thread, for an event loop on another one.

    Args:
        crew: the threads that run handlers.
    """

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        crew: Crew,
        memory: Memory,
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._crew = crew
        self._memory = memory
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def run(self, afterwards: Callable[[], None]) -> None:
        """Work until `stop`.

        Args:
            afterwards: called after each piece of work.
        """
        while True:
            job = self._jobs.get()
            if job is None:
                return
            job()
            afterwards()

    def stop(self) -> None:
        self._jobs.put(None)

    async def load(self, fetched: Fetched, began: Callable[[], None]) -> LoadedModel:
        """Load a model.

        Args:
            began: called, by the loop, when those before it are done with.

        Raises:
            NoRoom: it does not fit beside those that are loaded.
            InvocationError: it cannot be loaded.
        """

        def load() -> LoadedModel:
            self._loop.call_soon_threadsafe(began)
            return self._load(fetched)

        return await self._do(load)

    async def unload(self, model: LoadedModel) -> None:
        """Free what a model takes."""
        await self._do(lambda: self._unload(model))

    def look_for_rows(self, model: LoadedModel) -> None:
        """See, soon, whether requests for a model can be predicted together. It takes some predictions to find out, so
        that this is done only for a model that several ask at once."""
        model.batched = True
        self._jobs.put(lambda: self._look_for_rows(model))

    async def _do(self, work: Callable[[], _Result]) -> _Result:
        future: asyncio.Future[_Result] = self._loop.create_future()

        def job() -> None:
            try:
                result = work()
            except BaseException as error:
                self._loop.call_soon_threadsafe(_fail, future, error)
            else:
                self._loop.call_soon_threadsafe(_succeed, future, result)

        self._jobs.put(job)
        return await future

    def _load(self, fetched: Fetched) -> LoadedModel:
        if not self._memory.has_room(fetched.size):
            # What nobody has any more may still stand, in cycles.
            gc.collect()
            if not self._memory.has_room(fetched.size):
                raise NoRoom
        before = resident_bytes()
        model_dir = Path(fetched.path)
        own_code = model_dir / "code"
        code_dir = own_code if own_code.is_dir() else self._settings.code_dir
        settings = replace(self._settings, model_dir=model_dir, code_dir=code_dir)
        script = code_dir / (settings.program or DEFAULT_PROGRAM)
        namespace = Namespace([code_dir, script.parent])
        try:
            with namespace.importing():
                module = handlers.import_user_module(settings)
                loaded = frameworks.load(settings.framework, module, model_dir)
        except MemoryError as error:
            namespace.forget()
            raise NoRoom from error
        except BaseException as error:
            namespace.forget()
            raise _failed(error) from error
        return self._ready(fetched, loaded, namespace, self._memory.take(fetched.size, before))

    def _ready(self, fetched: Fetched, loaded: Handlers, namespace: Namespace, taken: int) -> LoadedModel:
        pool = WorkerPool(self._loop, self._settings.queue_limit)
        executor = _within(namespace, Executor(loaded, pool))
        shift = Shift(self._crew, pool, self._settings.workers, executor)
        pool.wake = shift.wake
        return LoadedModel(fetched, loaded, namespace, pool, shift, taken)

    def _unload(self, model: LoadedModel) -> None:
        model.namespace.forget()
        nothing: Any = None
        model.handlers = model.pool = model.shift = nothing
        self._memory.give_back(model.taken)

    def _look_for_rows(self, model: LoadedModel) -> None:
        loaded, pool, shift = model.handlers, model.pool, model.shift
        if loaded is None:  # It was unloaded meanwhile.
            return
        with model.namespace.entered():
            rows = rows_of(loaded, self._settings.batching)
        if rows is not None:
            shift.execute = _within(model.namespace, Executor(loaded, pool, rows))
            pool.batch_limit = self._settings.queue_limit


def _within(namespace: Namespace, execute: Callable[[list[Invocation]], None]) -> Callable[[list[Invocation]], None]:
    def executed(batch: list[Invocation]) -> None:
        with namespace.entered():
            execute(batch)

    return executed


def _failed(error: BaseException) -> BaseException:
    """A model that cannot be loaded is an error of its invocations alone; its log says where."""
    if isinstance(error, LoadError):
        logger.error("%s", error)
        return HandlerFailed(str(error), kind="LoadError")
    print_exception(error)
    found = from_exception(error)
    return HandlerFailed(f"The model could not be loaded: {found}", kind=found.kind, status=500)


def _succeed(future: asyncio.Future[_Result], result: _Result) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
