"""Predictions over frames: the same answers as over HTTP, from the second request of a model server on."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.gateway.target_models import WAITED_HEADER
from sagesmith.http import frames
from sagesmith.http.frames_server import FramesConnection, Take
from sagesmith.http.messages import Headers, Request, Response
from sagesmith.routes import VariantRoute
from tests.integration.gateway.doors import Door
from tests.integration.gateway.test_faults import signed

Answer = Callable[[Response], None]
BUSY = (b"x-sagesmith-busy", b"1")


class Model:
    """A model server that knows frames, and counts what came how."""

    def __init__(self, door: Door, path: Path, take: Take | None = None) -> None:
        self.http = 0
        self.framed = 0
        self._take = take or self.answer
        self.peer = door.peer(path, self.handle, self.connect)

    async def handle(self, request: Request) -> Response:
        self.http += 1
        response = answer_to(request.headers, await request.body.read(1 << 20))
        return Response(response.status, [*response.headers, frames.OFFER], response.body)

    async def connect(self, request: Request, takeover: Any) -> None:
        takeover.switch(lambda server: FramesConnection(server, self.take))

    def take(self, headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        self.framed += 1
        return self._take(headers, body, answer)

    @staticmethod
    def answer(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        answer(answer_to(headers, body))
        return lambda: None


def answer_to(headers: Headers, body: bytes) -> Response:
    """What was sent, or the status that it asks for."""
    if body.isdigit():
        return Response(int(body), [(b"content-type", b"text/plain")], b"as you wish")
    attributes = [item for item in headers if item[0].startswith(b"x-amzn-sagemaker")]
    return Response(200, [(b"content-type", dict(headers)[b"content-type"]), *attributes], body[::-1])


@pytest.fixture
def model(door: Door, sockets: Path) -> Iterator[Model]:
    """A model server that the router has a connection of frames to."""
    yield behind(door, sockets / "framed")


def behind(door: Door, path: Path, take: Take | None = None) -> Model:
    model = Model(door, path, take)
    door.route("Churn", VariantRoute("v", 1, [f"unix:{path}"]))
    client = door.client("sagemaker-runtime")
    while not model.framed:
        with contextlib.suppress(ClientError):
            client.invoke_endpoint(EndpointName="Churn", Body=b"first", ContentType="text/csv")
    return model


def test_an_answer_is_the_same_over_http_and_over_frames(door: Door, sockets: Path) -> None:
    model = Model(door, sockets / "framed")
    door.route("Churn", VariantRoute("v", 1, [f"unix:{sockets / 'framed'}"]))
    client = door.client("sagemaker-runtime")
    asked = {"EndpointName": "churn", "ContentType": "text/csv", "CustomAttributes": "trace=1", "InferenceId": "i-1"}
    seen = []
    while not model.framed:
        answer = client.invoke_endpoint(Body=b"1,2", **asked)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        shown = {name: value for name, value in headers.items() if name not in ("date", "x-amzn-requestid")}
        seen.append((answer["Body"].read(), answer["ContentType"], answer["CustomAttributes"], shown))
    assert model.http
    assert seen == [seen[0]] * len(seen)
    assert seen[0][:3] == (b"2,1", "text/csv", "trace=1")
    assert seen[0][3]["x-amzn-invoked-production-variant"] == "v"
    lines = [line for line in door.lines() if line["event"] == "invocation" and line["endpoint"] == "Churn"]
    assert {frozenset(line) for line in lines[-2:]} == {frozenset(lines[-1])}


def test_what_a_model_refuses_over_frames_is_a_model_error(door: Door, model: Model) -> None:
    client = door.client("sagemaker-runtime")
    before = model.framed
    for status in (400, 500):
        with pytest.raises(ClientError) as raised:
            client.invoke_endpoint(EndpointName="Churn", Body=b"%d" % status, ContentType="text/csv")
        response = raised.value.response
        assert response["Error"]["Code"] == "ModelError"
        assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (status, "as you wish")
    assert model.framed == before + 2


def test_a_large_answer_and_a_large_request_pass(door: Door, model: Model) -> None:
    client = door.client("sagemaker-runtime")
    for size in (60_000, 70_000, 1_000_000):
        body = bytes(range(256)) * (size // 256)
        answer = client.invoke_endpoint(EndpointName="Churn", Body=body, ContentType="text/csv")
        assert answer["Body"].read() == body[::-1]


def test_a_model_server_that_dies_with_a_request_over_frames_is_a_model_error_and_then_passed_over(
    door: Door, sockets: Path
) -> None:
    def die(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        if body == b"die":
            (connection,) = (each for each in running() if isinstance(each, FramesConnection))
            connection.abort()
        return Model.answer(headers, body, answer)

    model = behind(door, sockets / "dying", die)

    def running() -> list[Any]:
        assert model.peer.server is not None
        return list(model.peer.server.connections)

    client = door.client("sagemaker-runtime")
    with pytest.raises(ClientError) as raised:
        client.invoke_endpoint(EndpointName="Churn", Body=b"die", ContentType="text/csv")
    assert raised.value.response["OriginalStatusCode"] == 0
    answer = client.invoke_endpoint(EndpointName="Churn", Body=b"on", ContentType="text/csv")
    assert answer["Body"].read() == b"no"


def test_one_that_is_busy_is_passed_over(door: Door, sockets: Path) -> None:
    def busy(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        answer(Response(503, [BUSY]))
        return lambda: None

    first, second = sockets / "busy", sockets / "free"
    behind(door, first, busy)
    model = behind(door, second)
    door.route("Churn", VariantRoute("v", 1, [f"unix:{first}", f"unix:{second}"]))
    client = door.client("sagemaker-runtime")
    for _ in range(20):
        answer = client.invoke_endpoint(EndpointName="Churn", Body=b"ab", ContentType="text/csv")
        assert answer["Body"].read() == b"ba"
    assert model.framed


def test_requests_one_after_the_other_are_shared_by_instances_that_have_nothing_to_do(
    door: Door, sockets: Path
) -> None:
    models = [behind(door, sockets / f"idle-{number}") for number in range(3)]
    door.route("Churn", VariantRoute("v", 1, [f"unix:{sockets / f'idle-{number}'}" for number in range(3)]))
    before = [each.framed for each in models]
    client = door.client("sagemaker-runtime")
    for _ in range(30):
        client.invoke_endpoint(EndpointName="Churn", Body=b"ab", ContentType="text/csv")
    assert [each.framed - was for each, was in zip(models, before, strict=True)] == [10, 10, 10]


def test_a_caller_that_goes_cancels_what_it_asked_over_frames(door: Door, sockets: Path) -> None:
    taken, cancelled = asyncio.Event(), asyncio.Event()

    def wait(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        if body != b"wait":
            return Model.answer(headers, body, answer)
        taken.set()
        return cancelled.set

    model = behind(door, sockets / "waiting", wait)
    with socket.create_connection(("127.0.0.1", door.platform.port)) as caller:
        caller.sendall(signed(door, b"wait"))
        model.peer.wait(taken)
    model.peer.wait(cancelled)


def test_a_signature_that_is_wrong_is_refused_whatever_is_connected(door: Door, model: Model) -> None:
    request = signed(door, b"1,2")
    before = model.framed
    broken = request[:-1] + b"3"
    with socket.create_connection(("127.0.0.1", door.platform.port)) as caller:
        caller.sendall(broken)
        assert caller.recv(4096).startswith(b"HTTP/1.1 403 ")
    assert model.framed == before


def test_one_that_speaks_garbage_after_its_offer_is_asked_by_http(door: Door, sockets: Path) -> None:
    async def handle(request: Request) -> Response:
        return Response(200, [(b"content-type", b"text/csv"), frames.OFFER], await request.body.read(100))

    async def garbage(request: Request, takeover: Any) -> None:
        takeover.refuse(Response(200, [], b"no frames"))

    door.peer(sockets / "liar", handle, garbage)
    door.route("Churn", VariantRoute("v", 1, [f"unix:{sockets / 'liar'}"]))
    client = door.client("sagemaker-runtime")
    for _ in range(10):
        assert client.invoke_endpoint(EndpointName="Churn", Body=b"ab")["Body"].read() == b"ab"


def test_a_model_server_that_says_nonsense_of_its_time_is_answered_for_all_the_same(door: Door, sockets: Path) -> None:
    def waited(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        answer(Response(200, [(b"content-type", b"text/csv"), (WAITED_HEADER, b"nan")], body))
        return lambda: None

    path = sockets / "nonsense"
    behind(door, path, waited)
    door.route("Churn", VariantRoute("v", 1, [f"unix:{path}"], multi_model=True))
    client = door.client("sagemaker-runtime", read_timeout=10)
    answer = client.invoke_endpoint(EndpointName="Churn", Body=b"ab", TargetModel="m", ContentType="text/csv")
    assert answer["Body"].read() == b"ab"


def test_a_model_server_whose_answer_is_no_header_of_http_costs_a_model_error(door: Door, sockets: Path) -> None:
    def split(headers: Headers, body: bytes, answer: Answer) -> Callable[[], None]:
        if body == b"split":
            (connection,) = (each for each in model.peer.server.connections if isinstance(each, FramesConnection))
            connection._transport.write(frames.frame(frames.ANSWER, 2, 200, b"content-type:a\rb", b"x"))
            return lambda: None
        return Model.answer(headers, body, answer)

    model = behind(door, sockets / "split", split)
    client = door.client("sagemaker-runtime", read_timeout=10)
    with pytest.raises(ClientError) as raised:
        client.invoke_endpoint(EndpointName="Churn", Body=b"split", ContentType="text/csv")
    assert raised.value.response["OriginalStatusCode"] == 0


def test_a_variant_that_speaks_no_frames_gets_as_much_as_its_weight_says(door: Door, sockets: Path) -> None:
    """One whose turn it was, and that was left to the ordinary way, would be chosen for anew, and have half of it."""

    async def plain(request: Request) -> Response:
        return Response(200, [(b"content-type", b"text/csv")], await request.body.read(100))

    behind(door, sockets / "framed")
    door.peer(sockets / "plain", plain)
    door.route("Churn", *(VariantRoute(name, 1, [f"unix:{sockets / name}"]) for name in ("framed", "plain")))
    client = door.client("sagemaker-runtime")
    asked = [client.invoke_endpoint(EndpointName="Churn", Body=b"ab", ContentType="text/csv") for _ in range(400)]
    shares = Counter(each["InvokedProductionVariant"] for each in asked)
    # 200 of 400, give or take five deviations of 10; the fault made it 100.
    assert 150 < shares["plain"] < 250
