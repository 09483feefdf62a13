"""What may go wrong on the way to a router: sizes at their limits, slow clients, and requests that try to be two."""

import contextlib
import hashlib
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sagesmith.http.messages import Headers, Request, Response
from sagesmith.routes import VariantRoute
from sagesmith.wire import sigv4
from tests.integration.gateway.doors import Door

LARGEST = 6_291_456
SLOW = 300
_TARGET = b"/endpoints/Churn/invocations"


@dataclass
class Model:
    """A model server that answers with what it got, and remembers all of it."""

    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[bytes, bytes]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        body = await request.body.read(LARGEST + 1)
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        return Response(200, [(b"content-type", b"text/csv")], body[:100])


@pytest.fixture
def model(door: Door, sockets: Path) -> Model:
    found = Model()
    door.peer(sockets / "m", found)
    door.route("Churn", VariantRoute("v", 1, [f"unix:{sockets / 'm'}"]))
    return found


def signed(door: Door, body: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> Headers:
    """The headers of an invocation, all of them signed."""
    root = door.keyring.root
    return sigv4.sign(
        "POST",
        _TARGET,
        [(b"host", f"127.0.0.1:{door.platform.port}".encode()), *more],
        hashlib.sha256(body).hexdigest(),
        root.access_key_id,
        root.secret_access_key,
        "us-east-1",
        "sagemaker",
        time.time(),
    )


def written(headers: Headers, body: bytes = b"", framing: bytes | None = None) -> bytes:
    """A request as it goes over the wire, by default with the length of its body."""
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    framed = b"content-length: %d\r\n" % len(body) if framing is None else framing
    return b"POST %s HTTP/1.1\r\n%s%s\r\n%s" % (_TARGET, lines, framed, body)


@contextlib.contextmanager
def connected(door: Door) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", door.platform.port)) as connection:
        yield connection


def until_closed(connection: socket.socket) -> bytes:
    """All that comes; a connection that is reset has nothing more."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            received += piece
    return received


def ask(door: Door, body: bytes = b"1") -> bytes:
    answer = door.client("sagemaker-runtime").invoke_endpoint(EndpointName="Churn", Body=body)
    return bytes(answer["Body"].read())


def test_a_payload_of_no_bytes_is_a_request_like_another(door: Door, model: Model) -> None:
    assert ask(door, b"") == b""
    assert model.bodies == [b""]
    assert model.headers[0][b"content-length"] == b"0"


def test_six_megabytes_arrive_whole_and_a_byte_more_reaches_no_model(door: Door, model: Model) -> None:
    payload = bytes(range(256)) * (LARGEST // 256)
    assert ask(door, payload) == payload[:100]
    with pytest.raises(ClientError) as refused:
        ask(door, payload + b"x")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert model.bodies == [payload]


def test_a_byte_too_many_in_chunks_is_refused_as_well(door: Door, model: Model) -> None:
    payload = bytes(LARGEST + 1)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(payload), payload)
    with connected(door) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(written(signed(door, payload), framing=b"transfer-encoding: chunked\r\n") + chunked)
        assert connection.recv(13) == b"HTTP/1.1 413 "
    assert model.bodies == []


def test_clients_that_send_slowly_keep_no_prediction_waiting_and_reach_no_model(door: Door, model: Model) -> None:
    whole = written(signed(door, b"slow"), b"slow")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(door)) for _ in range(SLOW)]
        for number, connection in enumerate(slow):
            # Some stop within the head, some within the body.
            connection.sendall(whole[: -1 - number % 2 * 40])
        assert ask(door, b"quick") == b"quick"
        assert model.bodies == [b"quick"]
        for number, connection in enumerate(slow):
            connection.sendall(whole[-1 - number % 2 * 40 :])
        for connection in slow:
            assert connection.recv(12) == b"HTTP/1.1 200"
    assert model.bodies.count(b"slow") == SLOW


def test_pipelined_requests_are_answered_in_their_order(door: Door, model: Model) -> None:
    bodies = [b"body-%02d" % number for number in range(20)]
    with connected(door) as connection:
        connection.sendall(b"".join(written(signed(door, body), body) for body in bodies))
        received = b""
        while received.count(b"body-") < len(bodies):
            piece = connection.recv(1 << 16)
            assert piece
            received += piece
    found = [received[place : place + 7] for place in range(len(received)) if received.startswith(b"body-", place)]
    assert found == bodies
    assert sorted(model.bodies) == bodies


MALFORMED = {
    "a size that is no number": b"zz\r\nabcd\r\n0\r\n\r\n",
    "a negative size": b"-4\r\nabcd\r\n0\r\n\r\n",
    "a size of more digits than a machine has": b"f" * 40 + b"\r\nabcd\r\n0\r\n\r\n",
    "a chunk that is longer than it says": b"2\r\nabcd\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("chunks", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_chunks_end_the_connection_and_reach_no_model(door: Door, model: Model, chunks: bytes) -> None:
    with connected(door) as connection:
        connection.sendall(written(signed(door, b"abcd"), framing=b"transfer-encoding: chunked\r\n") + chunks)
        assert b" 200 " not in until_closed(connection)
    assert model.bodies == []
    assert ask(door) == b"1"


SMUGGLING = {
    "two lengths": b"content-length: 4\r\ncontent-length: 60\r\n",
    "a length and chunks": b"content-length: 4\r\ntransfer-encoding: chunked\r\n",
    "chunks and a length": b"transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    "chunks under a name with a space": b"transfer-encoding : chunked\r\n",
    "chunks that are not the last coding": b"transfer-encoding: chunked, identity\r\n",
    "a folded line": b"x-a: b\r\n transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    "a bare line feed": b"x-a: b\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n",
}


@pytest.mark.parametrize("framing", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_a_request_whose_end_is_in_doubt_smuggles_no_second_one(door: Door, model: Model, framing: bytes) -> None:
    second = written(signed(door, b"second"), b"second")
    with connected(door) as connection:
        connection.sendall(written(signed(door, b"abcd"), b"0\r\n\r\n" + second, framing))
        connection.shutdown(socket.SHUT_WR)
        answers = until_closed(connection)
    assert b"second" not in model.bodies
    assert answers.count(b"HTTP/1.1 ") <= 1
    assert b" 200 " not in answers.partition(b"\r\n")[0]


def test_headers_of_ours_and_of_the_hop_do_not_reach_the_model(door: Door, model: Model) -> None:
    smuggled = [
        (b"x-sagesmith-context", b"{}"),
        (b"x-sagesmith-busy", b"1"),
        (b"x-amzn-sagemaker-new-session-id", b"id"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"connection", b"keep-alive, content-type"),
        (b"cookie", b"secret"),
    ]
    kept = [(b"content-type", b"text/csv"), (b"x-amzn-sagemaker-custom-attributes", b"mine")]
    with connected(door) as connection:
        connection.sendall(written(signed(door, b"1", [*smuggled, *kept]), b"1"))
        assert connection.recv(12) == b"HTTP/1.1 200"
    (headers,) = model.headers
    assert headers.items() >= dict(kept).items()
    assert not {name for name, _ in smuggled if name != b"connection"} & headers.keys()
