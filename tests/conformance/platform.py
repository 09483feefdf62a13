"""The platform under test: a real store, every handler, and botocore's client on a transport that is a dispatcher."""

import itertools
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.serialize import create_serializer

from sagesmith.http.messages import Headers, Response
from sagesmith.services import all_handlers, observers
from sagesmith.services.audit import AuditTrail
from sagesmith.services.base import Home
from sagesmith.store import Document, Observer, Query, Store, Transaction
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import Handler, RequestContext
from tests.conformance.model import SERVICE, Params, given_paths, input_of, output_of
from tests.unit.services.home import home_in
from tests.unit.wire.clients import client_for, request_context


class Refused(Exception):
    """An operation answered with an error.

    Attributes:
        code: AWS's error code.
        status: the HTTP status.
    """

    def __init__(self, operation: str, code: str, message: str, status: int, request: Params | None = None) -> None:
        asked = f", asked {request}" if request else ""
        super().__init__(f"{operation} answers {status} {code}: {message}{asked}")
        self.code, self.message, self.status = code, message, status


@dataclass
class Coverage:
    """What was tried in a run.

    Attributes:
        calls: operation → accepted calls.
        given: operation → paths of its input that an accepted call had.
        answered: operation → paths of its output that an answer had.
        violations: operation → requests that had to be refused, and were.
    """

    calls: Counter[str] = field(default_factory=Counter)
    given: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    answered: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    violations: Counter[str] = field(default_factory=Counter)


class _Door(Dispatcher):
    """A dispatcher that hears each request as one of the region that the test is in, and keeps the last answer."""

    def __init__(self, handlers: Mapping[str, Any], audit: AuditTrail | None = None) -> None:
        super().__init__(handlers, audit=audit)
        self.region = ""
        self.last = Response(200, [], b"")

    def dispatch(self, context: RequestContext, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        self.last = super().dispatch(replace(context, region=self.region), method, target, headers, body)
        return self.last


class _Entrance(Dispatcher):
    """What a client sends to: the door that is open when it does."""

    def __init__(self, door: Callable[[], _Door]) -> None:
        super().__init__({})
        self._door = door

    def dispatch(self, context: RequestContext, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        return self._door().dispatch(context, method, target, headers, body)


Fault = Callable[[Handler], Handler]
"""Makes something that is wrong out of an operation that is right."""


class Platform:
    """One platform for a run. Each example has regions of its own, so that none sees another's resources.

    Args:
        faults: operation → what is to be wrong with it.

    Attributes:
        recording: whether events and the audit trail are kept, which takes its time.
    """

    def __init__(self, directory: Path, faults: Mapping[str, Fault]) -> None:
        self._home: Home = home_in(directory)
        handlers = {service: dict(operations) for service, operations in all_handlers(self._home).items()}
        for operation, fault in faults.items():
            handlers["sagemaker"][operation] = fault(handlers["sagemaker"][operation])
        self.built = frozenset(handlers["sagemaker"])
        self.coverage = Coverage()
        self.recording = False
        for observer in observers():
            self._home.store.on_change(self._while_recording(observer))
        self._doors = {False: _Door(handlers), True: _Door(handlers, AuditTrail(self._home.store))}
        self._unobserved = Store.open(self._home.platform.database_url)
        self._client = client_for("sagemaker", _Entrance(lambda: self._door))
        self._methods = {name: method for method, name in self._client.meta.method_to_api_mapping.items()}
        self._regions = (f"xx-test-{number:05}" for number in itertools.count())
        self._database = sqlite3.connect(self._home.platform.database_url.removeprefix("sqlite:///"))

    @property
    def _door(self) -> _Door:
        return self._doors[self.recording]

    def _while_recording(self, observer: Observer) -> Observer:
        def observe(tx: Transaction, before: Document | None, after: Document | None) -> None:
            if self.recording:
                observer(tx, before, after)

        return observe

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
        self._unobserved.close()
        self._home.store.close()

    def new_region(self) -> str:
        """A region in which there is nothing."""
        return next(self._regions)

    def call(self, region: str, operation: str, params: Params) -> tuple[Params, Params]:
        """Call an operation through botocore's client.

        Returns:
            The answer as botocore parses it, and its JSON.

        Raises:
            Refused: the service answered with an error.
        """
        self._door.region = region
        try:
            answer: Params = getattr(self._client, self._methods[operation])(**params)
        except ClientError as error:
            raise _refused(operation, error.response, params) from error
        del answer["ResponseMetadata"]
        raw = json.loads(self._body() or b"{}")
        self.coverage.calls[operation] += 1
        self.coverage.given[operation].update(given_paths(params, input_of(operation)))
        if (shape := output_of(operation)) is not None:
            self.coverage.answered[operation].update(given_paths(answer, shape))
        return answer, raw

    def send(self, region: str, operation: str, document: Params) -> Refused | None:
        """Send a request's JSON as it is, for what botocore would not send; None if it was accepted."""
        self._door.region = region
        headers = [
            (b"x-amz-target", f"SageMaker.{operation}".encode()),
            (b"content-type", b"application/x-amz-json-1.1"),
        ]
        response = self._door.dispatch(
            request_context("sagemaker"), "POST", b"/", headers, json.dumps(document).encode()
        )
        if response.status < 300:
            return None
        error = json.loads(self._body())
        return Refused(operation, error["__type"], error.get("message", ""), response.status)

    def written(self, operation: str, params: Params) -> Params:
        """The JSON that botocore writes for a request."""
        made = create_serializer("json", False).serialize_to_request(params, SERVICE.operation_model(operation))
        document: Params = json.loads(made["body"])
        return document

    def stored(self, region: str) -> list[tuple[Any, ...]]:
        """Every document of a region with its version, its tags and its events, to see whether a refused request has
        changed one."""
        return [
            *self._rows("select kind, key, version from documents where region = ? order by id", region),
            *self._rows("select t.* from tags t join documents d using (arn) where region = ? order by 1, 2", region),
            *self._rows("select transaction_id, number from events where region = ? order by 1, 2", region),
        ]

    def records(self, region: str) -> list[tuple[str, str | None]]:
        """The audit trail of a region: operation and error code, None of one that was done."""
        rows = self._rows("select operation, details from audit_records where region = ? order by at_us", region)
        return [(operation, json.loads(details).get("error_code")) for operation, details in rows]

    def document(self, region: str, kind: str) -> Document:
        """The newest document of a kind in a region, as it is stored."""
        return self.documents(region, kind)[0]

    def documents(self, region: str, kind: str) -> list[Document]:
        """The documents of a kind in a region, the newest first."""
        with self._unobserved.read() as tx:
            return list(tx.list(Query(kind, region)).documents)

    def find(self, document: Document) -> Document | None:
        """A document as it is now, None if it is gone."""
        with self._unobserved.read() as tx:
            return tx.get(document.kind, document.region, document.key)

    def put(self, document: Document, **members: Any) -> Document:
        """Store a document otherwise than it is, whatever the platform says to it."""
        with self._unobserved.write() as tx:
            return tx.update(replace(document, **members))

    def remove(self, document: Document) -> None:
        """Take a document away, whatever the platform says to it."""
        with self._unobserved.write() as tx:
            tx.delete(document.kind, document.region, document.key)

    def move(self, document: Document, status: str) -> Document:
        """Store a document in another state, as a reconciler of the platform does.

        Raises:
            IllegalMove: it does not follow the present one.
        """
        with self._home.store.write() as tx:
            return tx.update(replace(document, status=status))

    def _rows(self, query: str, region: str) -> list[tuple[Any, ...]]:
        return self._database.execute(query, (region,)).fetchall()

    def _body(self) -> bytes:
        body = self._door.last.body
        assert isinstance(body, bytes)
        return body


def _refused(operation: str, response: Mapping[str, Any], params: Params) -> Refused:
    error = response["Error"]
    return Refused(operation, error["Code"], error["Message"], response["ResponseMetadata"]["HTTPStatusCode"], params)
