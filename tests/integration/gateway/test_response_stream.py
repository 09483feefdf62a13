"""InvokeEndpointWithResponseStream through the front door."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from sagesmith.http.messages import Handler, Request, Response
from sagesmith.routes import VariantRoute
from tests.integration.gateway.doors import Door, Peer


class Model:
    """Answers with a first piece, and goes on when it is let."""

    def __init__(self, door: Door, path: Path, last: bytes | None = b" two") -> None:
        self.requests: list[Request] = []
        self.closed = asyncio.Event()
        self._go_on = asyncio.Event()
        self._last = last
        self.peer: Peer = door.peer(path, self.handler)
        door.route("Chat", VariantRoute("v", 1, [f"unix:{path}"]))

    async def handler(self, request: Request) -> Response:
        self.requests.append(request)
        await request.body.read(100)
        headers = [(b"content-type", b"text/plain"), (b"x-amzn-sagemaker-custom-attributes", b"back")]
        return Response(200, headers, self.pieces())

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await self._go_on.wait()
            if self._last is None:
                raise RuntimeError("broken")
            yield self._last
        finally:
            self.closed.set()

    def go_on(self) -> None:
        self.peer.call(self._go_on.set)


def stream(door: Door, **arguments: Any) -> Any:
    client = door.client("sagemaker-runtime")
    return client.invoke_endpoint_with_response_stream(EndpointName="Chat", Body=b"1", **arguments)


def test_the_first_piece_comes_before_the_second_is_made(door: Door, sockets: Path) -> None:
    model = Model(door, sockets / "m")
    answer = stream(door, ContentType="text/csv", Accept="text/plain", CustomAttributes="there")
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/plain", "v")
    assert answer["CustomAttributes"] == "back"
    events = iter(answer["Body"])
    assert next(events) == {"PayloadPart": {"Bytes": b"one"}}
    model.go_on()
    assert list(events) == [{"PayloadPart": {"Bytes": b" two"}}]
    headers = dict(model.requests[0].headers)
    assert (headers[b"accept"], headers[b"content-type"]) == (b"text/plain", b"text/csv")
    assert headers[b"x-amzn-sagemaker-custom-attributes"] == b"there"


def test_a_model_that_breaks_off_is_a_model_stream_error(door: Door, sockets: Path) -> None:
    model = Model(door, sockets / "m", None)
    events = iter(stream(door)["Body"])
    assert next(events) == {"PayloadPart": {"Bytes": b"one"}}
    model.go_on()
    with pytest.raises(EventStreamError) as raised:
        next(events)
    assert raised.value.response["Error"]["Code"] == "ModelStreamError"
    assert "reset or closed" in raised.value.response["Error"]["Message"]


def test_a_client_that_goes_ends_the_models_answer(door: Door, sockets: Path) -> None:
    model = Model(door, sockets / "m")
    answer = stream(door)
    assert next(iter(answer["Body"]))
    answer["Body"].close()
    model.peer.wait(model.closed)


def test_an_answer_that_is_no_success_is_a_model_error_before_any_event(door: Door, sockets: Path) -> None:
    async def handler(request: Request) -> Response:
        await request.body.read(100)
        return Response(400, [], b"no")

    refusing: Handler = handler
    door.peer(sockets / "m", refusing)
    door.route("Chat", VariantRoute("v", 1, [f"unix:{sockets / 'm'}"]))
    with pytest.raises(ClientError) as raised:
        stream(door)
    assert raised.value.response["OriginalStatusCode"] == 400


def test_a_large_answer_is_several_events_and_an_empty_one_is_none(door: Door, sockets: Path) -> None:
    size = 5_000_000

    async def handler(request: Request) -> Response:
        return Response(200, [], bytes(size) if await request.body.read(100) == b"large" else b"")

    answering: Handler = handler
    door.peer(sockets / "m", answering)
    door.route("Chat", VariantRoute("v", 1, [f"unix:{sockets / 'm'}"]))
    client = door.client("sagemaker-runtime")
    for body, expected in ((b"large", size), (b"", 0)):
        answer = client.invoke_endpoint_with_response_stream(EndpointName="Chat", Body=body)
        assert sum(len(each["PayloadPart"]["Bytes"]) for each in answer["Body"]) == expected
