"""The platform under test: a real store, every handler, and botocore's client on a transport that is a dispatcher."""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.serialize import create_serializer
from sqlalchemy import create_engine, make_url, text

from sagesmith.config import DataDir
from sagesmith.http.messages import Headers, Response
from sagesmith.store import Document, Query, Store
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import RequestContext
from tests.conformance.model import SERVICE, Params, given_paths, input_of, output_of
from tests.conformance.servers import FarServer, Fault, NearServer, Server, sharing
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


class _Entrance(Dispatcher):
    """What a client sends to: hears each request as one of the region that the test is in, hands it to the servers in
    turn, and keeps the last answer."""

    def __init__(self, servers: Sequence[Server]) -> None:
        super().__init__({})
        self._turns = itertools.cycle(servers)
        self.region = ""
        self.recording = False
        self.last = Response(200, [], b"")

    def dispatch(self, context: RequestContext, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        message = (replace(context, region=self.region), method, target, headers, body)
        self.last = next(self._turns).answer(message, self.recording)
        return self.last


class Platform:
    """One platform for a run. Each example has regions of its own, so that none sees another's resources.

    Args:
        faults: operation → what is to be wrong with it.
        shared: the URL of a PostgreSQL database that two servers share, each of which gets every other request; empty
            for one server on an SQLite database.
    """

    def __init__(self, directory: Path, faults: Mapping[str, Fault], shared: str = "") -> None:
        home = home_in(directory)
        if shared:
            home = sharing(home, shared, DataDir(directory).keys)
        self._near = NearServer(home, faults)
        self._servers: list[Server] = [self._near, *([FarServer(directory, shared)] if shared else [])]
        self.built = self._near.built
        self.coverage = Coverage()
        self._unobserved = Store.open(home.platform.database_url)
        self._entrance = _Entrance(self._servers)
        self._client = client_for("sagemaker", self._entrance)
        self._methods = {name: method for method, name in self._client.meta.method_to_api_mapping.items()}
        self._regions = (f"xx-test-{number:05}" for number in itertools.count())
        url = make_url(home.platform.database_url)
        driver = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}[url.get_backend_name()]
        # Each look is a transaction of its own, and none stays open, behind which events would wait.
        self._engine = create_engine(url.set(drivername=driver), isolation_level="AUTOCOMMIT")
        self._database = self._engine.connect()

    @property
    def recording(self) -> bool:
        """Whether events and the audit trail are kept, which takes its time."""
        return self._entrance.recording

    @recording.setter
    def recording(self, recording: bool) -> None:
        self._entrance.recording = self._near.recording = recording

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
        self._engine.dispose()
        self._unobserved.close()
        for server in self._servers:
            server.close()

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
        self._entrance.region = region
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
        self._entrance.region = region
        headers = [
            (b"x-amz-target", f"SageMaker.{operation}".encode()),
            (b"content-type", b"application/x-amz-json-1.1"),
        ]
        response = self._entrance.dispatch(
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
            *self._rows("select kind, key, version from documents where region = :region order by id", region),
            *self._rows(
                "select t.* from tags t join documents d using (arn) where region = :region order by 1, 2", region
            ),
            *self._rows("select transaction_id, number from events where region = :region order by 1, 2", region),
        ]

    def records(self, region: str) -> list[tuple[str, str | None]]:
        """The audit trail of a region: operation and error code, None of one that was done."""
        rows = self._rows("select operation, details from audit_records where region = :region order by at_us", region)
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
        with self._near.home.store.write() as tx:
            return tx.update(replace(document, status=status))

    def _rows(self, query: str, region: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._database.execute(text(query), {"region": region})]

    def _body(self) -> bytes:
        body = self._entrance.last.body
        assert isinstance(body, bytes)
        return body


def _refused(operation: str, response: Mapping[str, Any], params: Params) -> Refused:
    error = response["Error"]
    return Refused(operation, error["Code"], error["Message"], response["ResponseMetadata"]["HTTPStatusCode"], params)
