"""The API servers under test: one in this process, and one in a process of its own on the same database."""

import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from sagesmith.config import DataDir
from sagesmith.credentials import KeyRing
from sagesmith.http.messages import Headers, Response
from sagesmith.services import all_handlers, observers
from sagesmith.services.audit import AuditTrail
from sagesmith.services.base import Home
from sagesmith.store import Document, Observer, Store, Transaction
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import Handler, RequestContext
from tests.unit.services.home import home_in
from tests.unit.wire.clients import ACCOUNT

Fault = Callable[[Handler], Handler]
"""Makes something that is wrong out of an operation that is right."""

Message = tuple[RequestContext, str, bytes, Headers, bytes]


class Server(Protocol):
    """Answers requests."""

    def answer(self, message: Message, recording: bool) -> Response:
        """Answer one request, and keep its events and audit trail if `recording`."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class NearServer:
    """An API server in this process.

    Args:
        faults: operation → what is to be wrong with it.
    """

    def __init__(self, home: Home, faults: Mapping[str, Fault]) -> None:
        self.home = home
        handlers = {service: dict(operations) for service, operations in all_handlers(home).items()}
        for operation, fault in faults.items():
            handlers["sagemaker"][operation] = fault(handlers["sagemaker"][operation])
        self.built = frozenset(handlers["sagemaker"])
        self.recording = False
        for observer in observers():
            home.store.on_change(self._while_recording(observer))
        self._dispatchers = {
            False: Dispatcher(handlers),
            True: Dispatcher(handlers, audit=AuditTrail(home.store)),
        }

    def _while_recording(self, observer: Observer) -> Observer:
        def observe(tx: Transaction, before: Document | None, after: Document | None) -> None:
            if self.recording:
                observer(tx, before, after)

        return observe

    def answer(self, message: Message, recording: bool) -> Response:
        self.recording = recording
        return self._dispatchers[recording].dispatch(*message)

    def close(self) -> None:
        self.home.store.close()


class FarServer:
    """An API server in a process of its own, with a data directory of its own.

    Args:
        directory: the data directory of the first server, whose keys it has too.
        url: the database of both.
    """

    def __init__(self, directory: Path, url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, directory, url), daemon=True)
        self._process.start()
        theirs.close()

    def answer(self, message: Message, recording: bool) -> Response:
        self._connection.send((message, recording))
        status, headers, body = self._connection.recv()
        return Response(status, headers, body, lambda: None)

    def close(self) -> None:
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, directory: Path, url: str) -> None:
    """Answer what comes until nothing can come any more."""
    with TemporaryDirectory(prefix="sagesmith-conformance-") as own:
        server = NearServer(sharing(home_in(Path(own)), url, DataDir(directory).keys), {})
        with suppress(EOFError):
            while True:
                answered = server.answer(*connection.recv())
                assert answered.close is not None
                answered.close()
                connection.send((answered.status, answered.headers, answered.body))
        server.close()


def sharing(home: Home, url: str, keys: Path) -> Home:
    """A home with the database and the keys of another."""
    home.store.close()
    platform = replace(home.platform, database_url=url)
    return replace(home, platform=platform, store=Store.open(url), keyring=KeyRing.load(keys, ACCOUNT))
