"""The process that runs are forked from; see `forks.py`. It runs in an algorithm's environment.

Nothing here starts a thread and nothing is called of what is imported, so that a fork has all that a library's pools
need. A run is watched by a process of its own, which tells how it ended.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import socket
import sys
import threading
import traceback
from importlib import import_module
from typing import Any, NoReturn

LARGEST_REQUEST = 1 << 20


def main(connection: socket.socket) -> None:
    """Serve until the other end is closed."""
    running: list[int] = []
    while True:
        request, files, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, 4)
        if not request:
            return
        asked = json.loads(request)
        for module in asked["modules"] or ():
            with contextlib.suppress(Exception):  # the run meets the same, and says so
                import_module(module)
        gc.freeze()  # a run's collector leaves alone, and so shares, what was imported
        watcher = os.fork()
        if watcher == 0:
            connection.close()
            os.environ.clear()
            os.environ.update(asked["variables"])
            _watch(asked["arguments"], files, anew=asked["modules"] is None)
        for each in files:
            os.close(each)
        running = [pid for pid in [*running, watcher] if os.waitpid(pid, os.WNOHANG) == (0, 0)]


def _watch(arguments: list[str], files: list[int], anew: bool) -> NoReturn:
    *streams, status = files
    pid = os.fork()
    if pid == 0:
        os.close(status)
        for number, each in enumerate(streams):
            os.dup2(each, number)
            os.close(each)
        if anew:
            os.execv(sys.executable, [sys.executable, *arguments])
        _open_streams()
        _end(_run(arguments))
    for each in (0, 1, 2, *streams):
        os.close(each)
    os.write(status, f"{pid}\n".encode())
    _, ended = os.waitpid(pid, 0)
    os.write(status, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
    os._exit(0)


def _open_streams() -> None:
    streams = [os.fdopen(number, mode, buffering=1, closefd=False) for number, mode in enumerate(("r", "w", "w"))]
    sys.stdin, sys.stdout, sys.stderr = streams
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = streams


def _run(arguments: list[str]) -> int:
    """What `python ARGUMENTS` does; its exit code."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # as in a new process, not as in the run before
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End as an interpreter does, but do not take its modules apart: that copies every page that they have."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
