"""One request's life once it is its turn: its input on its way to a model server, and what came of it on its way to S3.

Neither input nor answer is held whole. An answer that comes in pieces is written to a file first, so that a store that
restarts costs an upload and no second prediction.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-invoke-endpoint.html
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagesmith import logging
from sagesmith.gateway import model_errors
from sagesmith.gateway.asynchronous.objects import ObjectFailed, Objects, PlaceInvalid, StoreAway, parse_place
from sagesmith.gateway.asynchronous.records import Record
from sagesmith.gateway.containers import handed_on
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Response

MAX_INPUT_BYTES = MAX_ANSWER_BYTES = 1 << 30
"""Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html (payloads up to 1 GB)."""

_DEFAULT_TYPE = "application/octet-stream"
_CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
_TOO_MUCH_INPUT = "The input {uri} has more than 1 GB, which is the most that an asynchronous request may have."
_TOO_MUCH_ANSWER = "Received a response from primary that has more than 1 GB, which is the most that can be stored."

log = logging.get("async")


class NotTaken(Exception):
    """No handler of the model server saw the request."""


class Lost(Exception):
    """The model server broke off: what it did with the request is not known."""


class Failed(Exception):
    """The request has failed.

    Attributes:
        metric: the one that counts such failures, beside InvocationFailures.
        status: what the model answered; None if it did not.
    """

    def __init__(self, message: str, metric: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.metric = metric
        self.status = status


@dataclass(slots=True)
class Answer:
    """What a model server answered: in memory, or in a file where it came in pieces."""

    content: bytes | Path
    content_type: str
    custom_attributes: str | None


@dataclass(frozen=True, slots=True)
class Hop:
    """A container that is asked."""

    client: Client
    container: str = model_errors.PRIMARY


@dataclass(slots=True)
class Times:
    """How long the parts of a request took, in microseconds, by the metric's name."""

    taken: dict[str, float] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def measured(self, metric: str) -> AsyncIterator[None]:
        started = time.perf_counter()
        yield
        self.taken[metric] = (time.perf_counter() - started) * 1e6


class Performer:
    """Performs requests. One per process and event loop.

    Args:
        answers: where answers lie until they are stored.
    """

    def __init__(self, objects: Objects, answers: Path) -> None:
        self._objects = objects
        self._answers = answers

    async def predict(self, record: Record, body: bytes, hops: Sequence[Hop], times: Times) -> Answer:
        """Ask a model server; where it has several containers one after the other, what one answers being the next
        one's input.

        Raises:
            NotTaken, Lost, Failed: see there.
            StoreAway: the input cannot be read now.
        """
        headers = record.sent_headers
        source: _Source | None = None
        content: bytes | AsyncIterator[bytes] = body
        if record.input is not None:
            source = await self._open(record.input, times)
            headers += source.headers(record.header("content-type") is not None)
            content = source.body
        try:
            async with asyncio.timeout(record.timeout_seconds), times.measured("ModelLatency"):
                return await self._pass_through(record, hops, headers, content)
        except TimeoutError:
            raise _timed_out(record) from None
        except _SourceBroke as error:
            raise StoreAway(str(error)) from error
        finally:
            if source is not None:
                source.close()

    async def store(self, record: Record, answer: Answer, times: Times) -> None:
        """Store an answer where its caller expects it.

        Raises:
            Failed: it cannot be stored there.
            StoreAway: not now.
        """
        if record.output is None:
            return
        try:
            async with times.measured("ResponseUploadLatency"):
                place = parse_place(record.output)
                await self._objects.put(place, answer.content, answer.content_type, record.kms_key_id)
        except (ObjectFailed, PlaceInvalid) as error:
            message = f"ClientError: The response could not be stored in {record.output}: {error}"
            raise Failed(message, "ResponseUploadFailures") from error

    async def store_failure(self, record: Record, message: str) -> None:
        """Store what went wrong, if its caller wants to know.

        Raises:
            StoreAway: not now.
        """
        if record.failure is None:
            return
        try:
            await self._objects.put(
                parse_place(record.failure), message.encode(), "text/plain; charset=utf-8", record.kms_key_id
            )
        except (ObjectFailed, PlaceInvalid) as error:
            log.warning(
                "a failure could not be stored", endpoint=record.endpoint, place=record.failure, reason=str(error)
            )

    def discard(self, record: Record) -> None:
        """Remove the file of an answer that is stored, or that nobody will store."""
        self._file(record).unlink(missing_ok=True)

    async def _open(self, uri: str, times: Times) -> "_Source":
        try:
            async with times.measured("RequestDownloadLatency"):
                found = await self._objects.get(parse_place(uri))
        except (ObjectFailed, PlaceInvalid) as error:
            message = f"ClientError: The input could not be read from Amazon S3: {error}"
            raise Failed(message, "RequestDownloadFailures") from error
        source = _Source(found)
        if source.length > MAX_INPUT_BYTES:
            source.close()
            raise Failed(f"ClientError: {_TOO_MUCH_INPUT.format(uri=uri)}", "RequestDownloadFailures")
        return source

    async def _pass_through(
        self, record: Record, hops: Sequence[Hop], headers: Headers, content: bytes | AsyncIterator[bytes]
    ) -> Answer:
        passed: list[Response] = []
        try:
            for hop in hops[:-1]:
                # What the caller accepts is for the last one to heed.
                first = [each for each in headers if each[0] != b"accept"]
                answer = await _ask(record, hop, first, content)
                passed.append(answer)
                length = [each for each in answer.headers if each[0] == b"content-length"]
                kept = [each for each in headers if each[0] != b"content-length"]
                headers, content = handed_on(kept, answer.headers) + length, answer.body
            return await self._take(record, await _ask(record, hops[-1], headers, content))
        except TimedOut as error:
            raise _timed_out(record) from error
        except (Disconnected, BadAnswer) as error:
            raise Lost from error
        finally:
            for answer in passed:
                _close(answer)

    async def _take(self, record: Record, answer: Response) -> Answer:
        """The whole answer."""
        named = dict(answer.headers)
        content_type = named.get(b"content-type", _DEFAULT_TYPE.encode()).decode("latin-1")
        attributes = named.get(_CUSTOM_ATTRIBUTES)
        content = answer.body if isinstance(answer.body, bytes) else await self._write(record, answer)
        return Answer(content, content_type, None if attributes is None else attributes.decode("latin-1"))

    async def _write(self, record: Record, answer: Response) -> Path:
        path = self._file(record)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = 0
        assert not isinstance(answer.body, bytes)
        try:
            with path.open("wb") as file:
                async for piece in answer.body:
                    size += len(piece)
                    if size > MAX_ANSWER_BYTES:
                        raise Failed(f"ClientError: {_TOO_MUCH_ANSWER}", "ResponseUploadFailures")
                    file.write(piece)
        finally:
            _close(answer)
        return path

    def _file(self, record: Record) -> Path:
        return self._answers / record.entry.id


class _SourceBroke(Exception):
    """The input stopped coming from the store."""


class _Source:
    """An object that is read while it is sent on."""

    def __init__(self, answer: Response) -> None:
        self._answer = answer
        named = dict(answer.headers)
        self._type = named.get(b"content-type", _DEFAULT_TYPE.encode())
        self.length = int(named.get(b"content-length", b"0"))
        self.body: bytes | AsyncIterator[bytes] = answer.body if isinstance(answer.body, bytes) else self._read()

    def headers(self, typed: bool) -> Headers:
        """What goes with the body; the object's own type where the request names none."""
        length = [] if isinstance(self.body, bytes) else [(b"content-length", b"%d" % self.length)]
        return length if typed else [*length, (b"content-type", self._type)]

    def close(self) -> None:
        _close(self._answer)

    async def _read(self) -> AsyncIterator[bytes]:
        assert not isinstance(self._answer.body, bytes)
        try:
            async for piece in self._answer.body:
                yield piece
        except (Disconnected, TimedOut, BadAnswer) as error:
            raise _SourceBroke(f"the object store broke off: {error!r}") from error


async def _ask(record: Record, hop: Hop, headers: Headers, content: bytes | AsyncIterator[bytes]) -> Response:
    """The success that one container answers.

    Raises:
        NotTaken, Failed: see there.
        TimedOut, Disconnected, BadAnswer: it does not answer.
    """
    try:
        answer = await hop.client.request(
            "POST", b"/invocations", headers, content, answer_seconds=record.timeout_seconds
        )
    except ConnectFailed as error:
        raise NotTaken from error
    if answer.status == 503 and model_errors.BUSY in answer.headers:
        _close(answer)
        raise NotTaken
    if not 200 <= answer.status < 300:
        refused = await model_errors.of_answer(record, record.endpoint, answer, hop.container)
        raise Failed(refused.message, status=answer.status)
    return answer


def _close(answer: Response) -> None:
    if answer.close is not None:
        answer.close()


def _timed_out(record: Record) -> Failed:
    return Failed(model_errors.without_answer(record, record.endpoint, model_errors.TIMED_OUT).message)
