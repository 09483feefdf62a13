"""Requests to the model server of a transform task, or through those of an inference pipeline.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
"""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from sagesmith.agent.serve import UnixConnection
from sagesmith.agent.transform.failures import Cancelled, ObjectFailed
from sagesmith.agent.transform.records import MULTI, SINGLE
from sagesmith.compute.base import Transform

DEFAULT_PAYLOAD_MB = 6
MAX_PAYLOAD_MB = 100
"""Of one request, and of all that are open at once: MaxConcurrentTransforms * MaxPayloadInMB."""
MAX_ANSWER_BYTES = 256 << 20
"""What an answer may have that is kept until it is its turn; one that is streamed may have any size."""
_PARAMETERS_SECONDS = 60.0
_MAX_PARAMETERS_BYTES = 64 << 10
_FIRST_PAUSE_SECONDS = 0.1
_MAX_MESSAGE = 4096
_CHUNK_BYTES = 1 << 20
_Result = TypeVar("_Result")
_STRATEGIES = {"SINGLE_RECORD": SINGLE, "MULTI_RECORD": MULTI, SINGLE: SINGLE, MULTI: MULTI}


@dataclass(frozen=True, slots=True)
class Parameters:
    """How requests are made, once the model server was asked.

    Attributes:
        payload_mb: 0: objects are streamed whole.
    """

    concurrent: int
    payload_mb: int
    strategy: str

    @classmethod
    def of(cls, transform: Transform, socket: Path) -> "Parameters":
        """What the job says, else what the model server says, else AWS's defaults."""
        said = _execution_parameters(socket)
        asked = transform.max_payload_mb
        payload = asked if asked is not None else min(_positive(said.get("MaxPayloadInMB")) or 0, MAX_PAYLOAD_MB)
        payload = payload if asked == 0 else payload or DEFAULT_PAYLOAD_MB
        concurrent = transform.max_concurrent or _positive(said.get("MaxConcurrentTransforms")) or 1
        strategy = transform.strategy or _STRATEGIES.get(str(said.get("BatchStrategy")), MULTI)
        return cls(min(concurrent, _most_at_once(payload)), payload, strategy)

    def __str__(self) -> str:
        spelled = {SINGLE: "SINGLE_RECORD", MULTI: "MULTI_RECORD"}[self.strategy]
        return f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={self.payload_mb}, BatchStrategy={spelled}"


def _most_at_once(payload_mb: int) -> int:
    """How many requests may be open: as CreateTransformJob has it, for a model server may not say more than a job. One
    that is streamed is taken for one of the default size."""
    return max(1, MAX_PAYLOAD_MB // (payload_mb or DEFAULT_PAYLOAD_MB))


def _execution_parameters(socket: Path) -> dict[str, Any]:
    connection = UnixConnection(socket, _PARAMETERS_SECONDS)
    try:
        connection.request("GET", "/execution-parameters")
        answer = connection.getresponse()
        said = json.loads(answer.read(_MAX_PARAMETERS_BYTES)) if answer.status == http.client.OK else {}
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return {}
    finally:
        connection.close()
    return said if isinstance(said, dict) else {}


def _positive(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number > 0 else None


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    content_type: str | None


class ModelClient:
    """Asks a model server, from several threads, again where that may help.

    Args:
        sockets: where it listens; of an inference pipeline, all of its containers in their order.
        cancelled: set when nobody wants answers any more.
    """

    def __init__(self, sockets: Sequence[Path], transform: Transform, cancelled: threading.Event) -> None:
        self._sockets = sockets
        self._transform = transform
        self._cancelled = cancelled
        self._own = threading.local()

    def invoke(self, payload: bytes) -> Answer:
        """The model's answer to a payload.

        Raises:
            ObjectFailed: there is none.
            Cancelled: nobody wants it any more.
        """

        def ask() -> Answer:
            with self._answered(payload) as response:
                body = response.read(MAX_ANSWER_BYTES + 1)
                if len(body) > MAX_ANSWER_BYTES:
                    said = f"the answer to a request has more than {MAX_ANSWER_BYTES >> 20} MB"
                    raise ObjectFailed("AlgorithmError", "Unable to get response from algorithm", "Message:", said)
                return Answer(body, response.getheader("Content-Type"))

        return self._patiently(ask)

    def stream(
        self, content: Callable[[], Iterable[bytes]], into: Callable[[], contextlib.AbstractContextManager[IO[bytes]]]
    ) -> None:
        """Send chunks as they come, and write the answer as it comes; both from the beginning if it is tried again.

        Raises:
            ObjectFailed, Cancelled: as of `invoke`.
        """

        def ask() -> None:
            with self._answered(content()) as response, into() as target:
                while chunk := response.read(_CHUNK_BYTES):
                    if self._cancelled.is_set():
                        raise Cancelled
                    target.write(chunk)

        self._patiently(ask)

    @contextlib.contextmanager
    def _answered(self, body: bytes | Iterable[bytes]) -> Iterator[http.client.HTTPResponse]:
        """The last one's answer. Each one's answer goes to the next as it comes, with its content type; what the job
        accepts is for the last one to heed."""
        content_type = self._transform.content_type
        with contextlib.ExitStack() as held:
            for connection in self._connections()[:-1]:
                answer = held.enter_context(self._asked(connection, body, content_type, None))
                body = self._handed_on(body, answer)
                content_type = answer.getheader("Content-Type")
            yield held.enter_context(self._asked(self._connections()[-1], body, content_type, self._transform.accept))

    @staticmethod
    def _handed_on(body: bytes | Iterable[bytes], answer: http.client.HTTPResponse) -> bytes | Iterable[bytes]:
        """An answer as the next request's body: whole, as what it answers was, or in pieces."""
        if not isinstance(body, bytes):
            return iter(lambda: answer.read(_CHUNK_BYTES), b"")
        whole = answer.read(MAX_ANSWER_BYTES + 1)
        if len(whole) > MAX_ANSWER_BYTES:
            said = f"the answer of a container has more than {MAX_ANSWER_BYTES >> 20} MB"
            raise ObjectFailed("AlgorithmError", "Unable to get response from algorithm", "Message:", said)
        return whole

    @contextlib.contextmanager
    def _asked(
        self,
        connection: UnixConnection,
        body: bytes | Iterable[bytes],
        content_type: str | None,
        accept: str | None,
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {name: value for name, value in (("Content-Type", content_type), ("Accept", accept)) if value}
        try:
            response = self._sent(connection, body, headers)
            if response.status != http.client.OK:
                said = response.read(_MAX_MESSAGE).decode("utf-8", "replace")
                raise _Refused(response.status, said, self._where(connection))
            yield response
            if not response.isclosed() or response.will_close:
                connection.close()
        except BaseException:
            # What is left of an answer must not be taken for the next one's.
            connection.close()
            raise

    def _sent(
        self, connection: UnixConnection, body: bytes | Iterable[bytes], headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if not isinstance(body, bytes):
            connection.close()
            return self._exchanged(connection, body, headers)
        reused = connection.sock is not None
        try:
            return self._exchanged(connection, body, headers)
        except ConnectionError:
            if not reused:
                raise
            # A server may close a connection on which nothing was asked for a while.
            connection.close()
            return self._exchanged(connection, body, headers)

    @staticmethod
    def _exchanged(
        connection: UnixConnection, body: bytes | Iterable[bytes], headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        chunked = not isinstance(body, bytes)
        try:
            connection.request("POST", "/invocations", body, headers, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            # A server may refuse what it has not read to its end, and say why.
            return connection.getresponse()
        return connection.getresponse()

    def _where(self, connection: UnixConnection) -> tuple[str, ...]:
        """Which container of an inference pipeline it is that was asked; nothing if there is but one."""
        if len(self._sockets) == 1:
            return ()
        return (f"Container {self._connections().index(connection) + 1} of {len(self._sockets)}",)

    def _connections(self) -> list[UnixConnection]:
        """This thread's, one a model server."""
        found: list[UnixConnection] | None = getattr(self._own, "connections", None)
        if found is None:
            seconds = self._transform.timeout_seconds
            found = self._own.connections = [UnixConnection(each, seconds) for each in self._sockets]
        return found

    def _patiently(self, ask: Callable[[], _Result]) -> _Result:
        """Try again what the model server could not do now; what it refuses, it would refuse again."""
        for attempt in range(self._transform.max_retries + 1):
            if self._cancelled.is_set():
                raise Cancelled
            try:
                return ask()
            except _Refused as error:
                if error.status < http.client.INTERNAL_SERVER_ERROR:
                    raise ObjectFailed("ClientError", f"ClientError: {error.status}", "", *error.lines) from error
                failed = ObjectFailed(
                    "AlgorithmError", f"Bad HTTP status received from algorithm: {error.status}", *error.lines
                )
            except TimeoutError:
                said = f"no answer within {self._transform.timeout_seconds} seconds (InvocationsTimeoutInSeconds)"
                failed = ObjectFailed("AlgorithmError", "Unable to get response from algorithm", "Message:", said)
            except (OSError, http.client.HTTPException) as error:
                said = f"{type(error).__name__}: {error}"
                failed = ObjectFailed("AlgorithmError", "Unable to get response from algorithm", "Message:", said)
            if attempt < self._transform.max_retries:
                self._cancelled.wait(_FIRST_PAUSE_SECONDS * 2**attempt)
        raise failed


class _Refused(Exception):
    def __init__(self, status: int, message: str, where: tuple[str, ...]) -> None:
        super().__init__(message)
        self.status = status
        self.lines = (*where, "Message:", *message.splitlines()) if message.strip() else where
