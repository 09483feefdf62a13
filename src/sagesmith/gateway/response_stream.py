"""InvokeEndpointWithResponseStream: a container's pieces as events, each sent as soon as it is there.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from sagesmith import logging
from sagesmith.http.client import BadAnswer, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Response
from sagesmith.wire import event_stream

STREAM_SECONDS = 480.0
"""How long an answer may take to its end: 8 minutes, as AWS gives it."""

_TIMED_OUT = "The model failed to finish sending the response within the timeout period allowed by Amazon SageMaker."
_BROKEN = "The TCP connection between the service and the model was reset or closed before the response ended."

_OURS = "We encountered an internal error. Please try again."

log = logging.get("router")

Ended = Callable[[str | None], None]
"""Told the error code of a stream that did not come to its end, None for one that did, or whose client has gone."""


def headers_of(answer: Response, kept: Headers) -> Headers:
    """The answer's headers: the content type is the stream's, and the model's own goes beside it."""
    headers = [item for item in kept if item[0] not in (b"content-type", b"content-length")]
    own = next((value for name, value in answer.headers if name == b"content-type"), None)
    if own is not None:
        headers.append((b"x-amzn-sagemaker-content-type", own))
    return [*headers, (b"content-type", event_stream.CONTENT_TYPE)]


async def events(answer: Response, ended: Ended) -> AsyncIterator[bytes]:
    """The answer's body as events; one that breaks off ends with AWS's exception."""
    code: str | None = None
    try:
        if isinstance(answer.body, bytes):
            for part in _parts(answer.body):
                yield part
            return
        deadline = asyncio.get_running_loop().time() + STREAM_SECONDS
        pieces = aiter(answer.body)
        while True:
            async with asyncio.timeout_at(deadline):
                piece = await anext(pieces, None)
            if piece is None:
                return
            for part in _parts(piece):
                yield part
    except (TimedOut, TimeoutError):
        code = "ModelInvocationTimeExceeded"
        yield event_stream.exception("ModelStreamError", {"Message": _TIMED_OUT, "ErrorCode": code})
    except (Disconnected, BadAnswer):
        code = "StreamBroken"
        yield event_stream.exception("ModelStreamError", {"Message": _BROKEN, "ErrorCode": code})
    except Exception:
        code = "InternalStreamFailure"
        log.exception("a response stream failed")
        yield event_stream.exception(code, {"Message": _OURS})
    finally:
        if answer.close is not None:
            answer.close()
        ended(code)


def _parts(piece: bytes) -> list[bytes]:
    size = event_stream.MAX_PAYLOAD_BYTES
    if len(piece) <= size:
        return [event_stream.event("PayloadPart", piece)] if piece else []
    return [event_stream.event("PayloadPart", piece[start : start + size]) for start in range(0, len(piece), size)]
