"""A container's pieces as events, as botocore reads them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from sagesmith.gateway.response_stream import events
from sagesmith.http.client import TimedOut
from sagesmith.http.messages import Disconnected, Response


def read(body: "bytes | AsyncIterator[bytes]") -> tuple[list[dict[str, Any]], list[str | None], int]:
    """What botocore makes of the events, what was said of the end, and how often the answer was closed."""
    codes: list[str | None] = []
    closed = [0]

    def close() -> None:
        closed[0] += 1

    async def collect() -> bytes:
        return b"".join([piece async for piece in events(Response(200, [], body, close), codes.append)])

    buffer = EventStreamBuffer()
    buffer.add_data(asyncio.run(collect()))
    return [message.to_response_dict() for message in buffer], codes, closed[0]


async def endless(error: Exception) -> AsyncIterator[bytes]:
    yield b"one"
    raise error


def test_pieces_are_events_each_of_one_payload_and_large_ones_several() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b""
        yield bytes(2_500_000)

    found, codes, closed = read(pieces())
    assert [len(each["body"]) for each in found] == [3, 1 << 20, 1 << 20, 2_500_000 - (2 << 20)]
    assert {each["headers"][":event-type"] for each in found} == {"PayloadPart"}
    assert (codes, closed) == ([None], 1)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Disconnected(), "ModelStreamError", "StreamBroken"),
        (TimedOut(), "ModelStreamError", "ModelInvocationTimeExceeded"),
        (RuntimeError("ours"), "InternalStreamFailure", "InternalStreamFailure"),
    ],
)
def test_a_stream_that_breaks_off_ends_with_awss_exception(error: Exception, kind: str, code: str) -> None:
    found, codes, closed = read(endless(error))
    assert [each["headers"].get(":exception-type") for each in found] == [None, kind]
    assert found[1]["headers"][":message-type"] == "exception"
    assert (codes, closed) == ([code], 1)


def test_an_answer_that_is_there_already_is_one_event_and_an_empty_one_none() -> None:
    assert [each["body"] for each in read(b"whole")[0]] == [b"whole"]
    assert read(b"")[0] == []
