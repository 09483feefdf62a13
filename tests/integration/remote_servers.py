"""An API server in a process of its own, for tests of several on one database."""

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sagesmith.services.base import Home
from sagesmith.services.reconcile import ReconcileLoop
from sagesmith.services.sagemaker import JOBS
from sagesmith.services.sagemaker.jobs import JobReconciler, Line
from sagesmith.services.sagemaker.warm_pools import WarmPools
from sagesmith.store import Document, EventPage
from tests.integration.servers import Server
from tests.unit.services.sagemaker.world import MemoryBackend

STEPS = 5


class RemoteServer:
    """An API server whose calls are answered in another process. Calls of several threads wait for each other."""

    def __init__(self, directory: Path, url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, directory, url), daemon=True)
        self._process.start()
        theirs.close()
        self._lock = threading.Lock()

    def call(self, operation: str, /, *, service: str = "sagemaker", **params: Any) -> Any:
        """Call an operation, by boto3's name for it.

        Raises:
            ClientError: it was refused.
            EOFError: the server died before it answered.
        """
        return self._ask("call", service, operation, params)

    def reconcile(self) -> None:
        """Begin to give jobs their lives, whose tasks do what `report` says."""
        self._ask("reconcile")

    def report(self, state: str, *lines: str) -> bool:
        """Have the only task print lines and report a state; False if there is none yet."""
        return bool(self._ask("report", state, lines))

    def count(self) -> None:
        """Begin to take the steps of documents of the kind `counted`."""
        self._ask("count")

    def events(self, cursor: str | None) -> EventPage:
        """The events behind a cursor."""
        return self._ask("events", cursor)  # type: ignore[no-any-return]

    def kill(self) -> None:
        """Kill the process as `kill -9` does."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()

    def _ask(self, *asked: Any) -> Any:
        with self._lock:
            self._connection.send(asked)
            answered, answer = self._connection.recv()
        if not answered:
            raise ClientError(*answer)
        return answer


class Counting:
    """A reconciler that counts its steps in their document, and notes there if two took one at once."""

    kind = "counted"

    def recover(self, home: Home) -> None:
        """Nothing is left behind."""

    def step(self, home: Home, document: Document) -> float | None:
        """Enter in one transaction and leave in another, as steps do that have something to do between them."""
        _changed(home, document, lambda body: {**body, "inside": body["inside"] + 1})
        left = _changed(
            home,
            document,
            lambda body: {
                "inside": body["inside"] - 1,
                "overlapped": body["overlapped"] or body["inside"] != 1,
                "steps": [*body["steps"], os.getpid()],
            },
        )
        return 0.0 if len(left.body["steps"]) < STEPS else None


def _changed(home: Home, document: Document, change: Any) -> Document:
    with home.store.write() as tx:
        present = tx.lock(document.kind, document.region, document.key, exclusive=True)
        assert present is not None
        return tx.update(replace(present, body=change(present.body)))


def _serve(connection: Connection, directory: Path, url: str) -> None:
    """Answer until nothing can be asked any more."""
    server, backend = Server(directory, url), MemoryBackend()
    home = replace(server.home, backend=backend)
    client = cache(server.client)
    loops: list[ReconcileLoop] = []

    def answer(asked: tuple[Any, ...]) -> Any:
        match asked:
            case ("call", service, operation, params):
                return getattr(client(service), operation)(**params)
            case ("reconcile",):
                line = Line(2, WarmPools())
                loops.append(ReconcileLoop(home, [JobReconciler(each, line) for each in JOBS]))
                loops[-1].start()
            case ("count",):
                loops.append(ReconcileLoop(home, [Counting()]))
                loops[-1].start()
            case ("report", state, lines):
                for task in (present := list(backend.present.values())):
                    for each in lines:
                        task.print(each)
                    task.say(state)
                return len(present)
            case ("events", cursor):
                with home.store.read() as tx:
                    return tx.events(cursor)
        return None

    with suppress(EOFError):
        while True:
            asked = connection.recv()
            try:
                connection.send((True, answer(asked)))
            except ClientError as error:
                connection.send((False, (error.response, error.operation_name)))
    for each in loops:
        each.stop()
    server.close()
