"""A model server's life: bind, load, serve, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

from sagesmith.http.server import serve
from sagesmith.modelserver import compatibility, frameworks, handlers, requirements
from sagesmith.modelserver.app import Application
from sagesmith.modelserver.errors import LoadError
from sagesmith.modelserver.executor import Executor, print_exception
from sagesmith.modelserver.rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagesmith.modelserver.handlers import Handlers
    from sagesmith.modelserver.multimodel.assembly import MultiModelServer
    from sagesmith.modelserver.settings import Settings

logger = logging.getLogger("sagesmith.modelserver")

GRACE_SECONDS = 20.0
END_SECONDS = 2.0
SWITCH_INTERVAL_SECONDS = 0.0005


class ModelServer:
    """One process: user code on the main thread (and more workers, if asked for), the event loop on its own.

    Args:
        unix, port: where to listen: a socket's path, or a TCP port on all interfaces.
        restart: the command that starts this program anew in the same process, after a handler that never returns.
    """

    def __init__(self, settings: Settings, unix: str | None, port: int | None, restart: list[str]) -> None:
        self._settings = settings
        self._unix = unix
        self._port = port
        self._restart = restart
        self._ended = threading.Event()
        self._listening = threading.Event()
        self._failure: OSError | None = None
        self._application: Application | None = None
        self._many: MultiModelServer | None = None

    def run(self) -> int:
        """Serve until SIGTERM; the exit code. Call it on the main thread."""
        # The loop wants the interpreter for microseconds at a time: the default of 5 ms would show in every latency.
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        signalled, signals = _signals()
        threading.Thread(target=self._serve, args=(signalled,), name="http", daemon=True).start()
        self._listening.wait()
        if self._failure is not None:
            sys.stderr.write(f"The model server cannot listen: {self._failure}\n")
            return 1
        application = self._application
        assert application is not None
        if self._many is not None:
            return self._run_many(self._many, application, signals)
        try:
            loaded = self._load(application)
            rows = rows_of(loaded, self._settings.batching)
        except BaseException as error:
            _explain(error)
            # Not by returning: a thread that the user's code has left running would keep the process, and hide the end.
            os._exit(1)
        if rows is not None:
            application.pool.batch_limit = self._settings.queue_limit
            logger.info("Requests that wait together are predicted together.")
        executor = Executor(loaded, application.pool, rows)
        for number in range(1, self._settings.workers):
            name = f"worker-{number}"
            threading.Thread(target=application.pool.run, args=(executor,), name=name, daemon=True).start()
        _listen_for_signals(signals)
        application.ready = True
        # On the main thread signals are to be heard of whatever the handlers did with them.
        application.pool.run(Executor(loaded, application.pool, rows, lambda: _listen_for_signals(signals)))
        self._ended.set()
        return 0

    def _run_many(self, many: MultiModelServer, application: Application, signals: socket.socket) -> int:
        """`run` where there is a server of many models: the main thread loads them."""
        try:
            many.prepare()
        except BaseException as error:
            _explain(error)
            os._exit(1)
        _listen_for_signals(signals)
        application.ready = True
        many.loader.run(afterwards=lambda: _listen_for_signals(signals))
        self._ended.set()
        return 0

    def _load(self, application: Application) -> Handlers:
        wanted = self._settings.code_dir / "requirements.txt"
        if wanted.is_file():
            requirements.install(wanted)
        compatibility.install()
        module = handlers.import_user_module(self._settings)
        loaded = frameworks.load(self._settings.framework, module, self._settings.model_dir)
        application.execution_parameters = getattr(module, "execution_parameters_fn", None)
        return loaded

    def _serve(self, signalled: socket.socket) -> None:
        """The event loop's thread."""
        try:
            loop = _new_event_loop()
            asyncio.set_event_loop(loop)
            loop.run_until_complete(self._serve_until_stopped(loop, signalled))
        except BaseException:
            # A process that nobody can reach must not look alive.
            logger.critical("The model server's event loop ended", exc_info=True)
            _flush()
            os._exit(1)

    def _assemble(self, loop: asyncio.AbstractEventLoop, on_stuck: Callable[[], None]) -> MultiModelServer:
        from sagesmith.modelserver.multimodel.assembly import MultiModelServer
        from sagesmith.modelserver.multimodel.store import SOCKET_NAME

        folder = os.path.dirname(self._unix or "")  # noqa: PTH120
        return MultiModelServer.assemble(self._settings, loop, f"{folder}/{SOCKET_NAME}", on_stuck)

    async def _serve_until_stopped(self, loop: asyncio.AbstractEventLoop, signalled: socket.socket) -> None:
        stopped: asyncio.Future[bool] = loop.create_future()

        def stop(*, again: bool) -> None:
            if not stopped.done():
                stopped.set_result(again)

        if self._settings.multi_model:
            self._many = self._assemble(loop, on_stuck=lambda: stop(again=True))
        models = self._many.models if self._many is not None else None
        on_stuck = partial(stop, again=True)
        application = Application(self._settings, loop, on_stuck, models, offers_frames=self._unix is not None)
        try:
            if self._unix is not None:
                server = await serve(application.handle, unix=self._unix, on_connect=application.connect)
            else:
                server = await serve(application.handle, tcp=("0.0.0.0", self._port or 0))  # noqa: S104
        except OSError as error:
            self._failure = error
            self._listening.set()
            return

        def signals_arrived() -> None:
            if signal.SIGTERM in signalled.recv(4096):
                stop(again=False)

        loop.add_reader(signalled.fileno(), signals_arrived)
        self._application = application
        self._listening.set()
        again = await stopped
        loaded, application.ready = application.ready, False
        await server.close(GRACE_SECONDS if loaded else 1.0)
        if again:
            _flush()
            os.execv(self._restart[0], self._restart)  # noqa: S606
        # Before the main thread is told to end: an interpreter that ends starts no more threads.
        ended = loop.run_in_executor(None, self._ended.wait, END_SECONDS) if loaded else None
        application.pool.stop()
        if self._many is not None:
            self._many.stop()
        if ended is not None and await ended:
            # The main thread ends the process, with the user's exit handlers, unless a thread of the user's keeps it.
            await asyncio.sleep(END_SECONDS)
        _flush()
        os._exit(0 if loaded else 143)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where the model's environment has it, which is not ours to choose."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _signals() -> tuple[socket.socket, socket.socket]:
    """SIGTERM as a byte on a socket: the loop hears of it even while the main thread is busy in a library's C code.

    Python's own handler writes it as well, for while user code has taken the wake-up descriptor for its own loop. A
    forked child (a multiprocessing pool) gets neither: its end is not ours.
    """
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    _listen_for_signals(writing)
    signal.signal(signal.SIGTERM, lambda number, _frame: _notify(writing, number))
    _reset_in_children()
    return reading, writing


def _listen_for_signals(writing: socket.socket) -> None:
    """Take the wake-up descriptor (back): an event loop that ends leaves none."""
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)


def _notify(writing: socket.socket, number: int) -> None:
    with contextlib.suppress(BlockingIOError):
        writing.send(bytes([number]))


def _reset_in_children() -> None:
    """Give forked children the default SIGTERM, held back while they are made: one that came between would be lost."""
    former = threading.local()

    def hold() -> None:
        former.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, former.mask)

    def reset() -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=reset)


def _explain(error: BaseException) -> None:
    """Why the model could not be loaded: the end of the log becomes the endpoint's FailureReason."""
    if isinstance(error, LoadError):
        sys.stderr.write(f"{error}\n")
    else:
        print_exception(error)
    if isinstance(error, SystemExit):
        sys.stderr.write(f"The user's code called sys.exit({error.code!r}) while the model was loaded.\n")
    _flush()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
