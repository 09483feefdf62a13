"""One object after the other through the model server, several requests at a time, and every output in its order.

What is in memory at once does not depend on how large objects are: what was read ahead, the payloads and answers of the
requests that are open, and the parts of the output that is being uploaded.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from sagesmith.agent.inputs.ahead import Piece, read_ahead
from sagesmith.agent.transform.association import Association
from sagesmith.agent.transform.failures import Cancelled, ObjectFailed
from sagesmith.agent.transform.invocations import ModelClient, Parameters
from sagesmith.agent.transform.objects import Object, decompressed, pieces
from sagesmith.agent.transform.outputs import Outputs
from sagesmith.agent.transform.records import MULTI, SINGLE, Splitting, batches
from sagesmith.compute.base import Transform

if TYPE_CHECKING:
    from sagesmith.agent.multipart import MultipartWriter
    from sagesmith.agent.s3 import S3

_READERS = 4
_UNLIMITED = 1 << 62


@dataclass(frozen=True, slots=True)
class Means:
    """What a pipeline works with.

    Attributes:
        sockets: of the model servers, in the order in which the data goes through them.
        log: writes a line of the data log.
        cancelled: set when it is to stop.
    """

    s3: "S3"
    outputs: Outputs
    sockets: Sequence[Path]
    log: Callable[[str], None]
    cancelled: threading.Event


@dataclass(slots=True)
class Outcome:
    """What became of the objects."""

    done: list[Object] = field(default_factory=list)
    failed: list[tuple[Object, ObjectFailed]] = field(default_factory=list)


class Pipeline:
    """Transforms a host's objects.

    Args:
        started_at: of the job, in seconds since the epoch.
    """

    def __init__(self, means: Means, transform: Transform, started_at: float) -> None:
        self._means = means
        self._transform = transform
        self._association = Association(transform, started_at)
        self._client = ModelClient(means.sockets, transform, means.cancelled)
        self._outcome = Outcome()

    def run(self, entries: Sequence[Object]) -> Outcome:
        """Transform objects, one that cannot be notwithstanding.

        Raises:
            S3Failed: outputs cannot be stored, or the store is away.
            Cancelled: it is to stop.
        """
        parameters = Parameters.of(self._transform, self._means.sockets[0])
        self._say(str(parameters))
        with ThreadPoolExecutor(parameters.concurrent, "invoke") as invokers:
            try:
                if parameters.payload_mb or (self._transform.split != "None" and parameters.strategy == SINGLE):
                    self._send_batches(entries, parameters, invokers)
                else:
                    self._stream(entries, parameters, invokers)
            except BaseException:
                invokers.shutdown(wait=False, cancel_futures=True)
                raise
        # Of two that failed, the one that was looked at first is not always the first to fail.
        place = {entry: number for number, entry in enumerate(entries)}
        self._outcome.failed.sort(key=lambda failure: place[failure[0]])
        return self._outcome

    def _send_batches(self, entries: Sequence[Object], parameters: Parameters, invokers: ThreadPoolExecutor) -> None:
        splitting = Splitting(
            self._transform.split, parameters.strategy != MULTI, (parameters.payload_mb << 20) or _UNLIMITED
        )
        window: deque[tuple[_Work, Future[bytes] | None]] = deque()
        requests = 0
        works = [_Work(entry, self._means.outputs) for entry in entries]
        with ThreadPoolExecutor(_READERS, "read") as readers:
            try:
                for work, batch in self._batches(works, splitting, readers):
                    window.append((work, None if batch is None else invokers.submit(self._answer, batch)))
                    requests += batch is not None
                    # One more than are asked at once, so that nobody waits for what is read or written.
                    while requests > parameters.concurrent + 1:
                        requests -= window[0][1] is not None
                        self._store(*window.popleft())
                while window:
                    self._store(*window.popleft())
            except BaseException as error:
                readers.shutdown(wait=False, cancel_futures=True)
                for work in works:
                    work.abandon(error)
                raise

    def _batches(
        self, works: Sequence["_Work"], splitting: Splitting, readers: ThreadPoolExecutor
    ) -> Iterator[tuple["_Work", bytes | None]]:
        """The payloads of all objects in their order, and None after an object's last."""
        coming = (
            replace(piece, read=partial(work.read, piece))
            for work in works
            for piece in pieces(self._means.s3, work.entry)
        )
        with contextlib.closing(read_ahead(coming, readers)) as content:
            for work in works:
                chunks = work.chunks(content)
                try:
                    for batch in batches(self._plain(chunks), splitting):
                        if work.failed:
                            break
                        yield work, batch
                except ObjectFailed as error:
                    self._fail(work, error)
                for _ in chunks:
                    """What is left of it has to be passed over."""
                yield work, None

    def _answer(self, batch: bytes) -> bytes:
        """What is stored of the model's answer to a batch."""
        prepared = self._association.prepare(batch)
        answer = self._client.invoke(prepared.payload)
        output = self._association.finish(prepared, answer.body, answer.content_type)
        if self._transform.assemble_with == "Line" and not output.endswith(b"\n"):
            output += b"\n"
        return output

    def _store(self, work: "_Work", answer: "Future[bytes] | None") -> None:
        if self._means.cancelled.is_set():
            raise Cancelled
        if work.failed:
            if answer is not None:
                answer.cancel()
            return
        if answer is None:
            work.complete()
            self._outcome.done.append(work.entry)
            return
        try:
            work.write(answer.result())
        except ObjectFailed as error:
            self._fail(work, error)

    def _fail(self, work: "_Work", error: ObjectFailed) -> None:
        if not work.failed:
            work.failed = True
            work.abandon(error)
            self._note_failure(work.entry, error)

    def _note_failure(self, entry: Object, error: ObjectFailed) -> None:
        self._outcome.failed.append((entry, error))
        for line in error.lines:
            self._say(f"{entry.shown}: {line}")

    def _stream(self, entries: Sequence[Object], parameters: Parameters, invokers: ThreadPoolExecutor) -> None:
        """Send each object in one request, and store what comes while it comes."""
        window: deque[tuple[Object, Future[None]]] = deque()
        for entry in entries:
            window.append((entry, invokers.submit(self._stream_one, entry)))
            while len(window) > parameters.concurrent:
                self._streamed(*window.popleft())
        while window:
            self._streamed(*window.popleft())

    def _stream_one(self, entry: Object) -> None:
        with ThreadPoolExecutor(1, "read") as reader:

            def content() -> Iterator[bytes]:
                work = _Work(entry, self._means.outputs)
                coming = (replace(each, read=partial(work.read, each)) for each in pieces(self._means.s3, entry))
                with contextlib.closing(read_ahead(coming, reader)) as found:
                    yield from (chunk for chunk in self._plain(work.chunks(found)) if chunk)

            self._client.stream(content, lambda: self._terminated(entry))

    def _streamed(self, entry: Object, future: "Future[None]") -> None:
        try:
            future.result()
            self._outcome.done.append(entry)
        except ObjectFailed as error:
            self._note_failure(entry, error)

    @contextlib.contextmanager
    def _terminated(self, entry: Object) -> Iterator[IO[bytes]]:
        """The output of an object that is streamed, with a newline at its end if it is to have one."""
        with self._means.outputs.writer(entry) as writer:
            yield cast(IO[bytes], writer)
            if self._transform.assemble_with == "Line" and not writer.ends_with(b"\n"):
                writer.write(b"\n")

    def _plain(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        return decompressed(chunks) if self._transform.compression == "Gzip" else chunks

    def _say(self, line: str) -> None:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        self._means.log(f"{stamp}.{int(now * 1000) % 1000:03}:[sagemaker logs]: {line}")


class _Work:
    """One object on its way; of one thread, but for `read`."""

    __slots__ = ("_outputs", "_unreadable", "_writer", "entry", "failed")

    def __init__(self, entry: Object, outputs: Outputs) -> None:
        self.entry = entry
        self.failed = False
        self._outputs = outputs
        self._writer: MultipartWriter | None = None
        self._unreadable: ObjectFailed | None = None

    def read(self, piece: Piece) -> bytes:
        """A piece's content; nothing if nobody wants it any more, or if it cannot be had.

        Raises:
            S3Failed: the store is away.
        """
        from sagesmith.agent.s3 import S3Failed

        if self.failed or self._unreadable is not None:
            return b""
        try:
            return piece.read()
        except S3Failed as error:
            if error.is_the_stores:
                raise
            self._unreadable = ObjectFailed("ClientError", f"ClientError: {error.code}: {error}")
            return b""

    def chunks(self, content: Generator[tuple[Piece, bytes]]) -> Iterator[bytes]:
        """The object's content, taken from that of all.

        Raises:
            ObjectFailed: it cannot be read.
        """
        for piece, data in content:
            if self._unreadable is None:
                yield data
            if piece.last:
                break
        if self._unreadable is not None:
            raise self._unreadable

    def write(self, data: bytes) -> None:
        if self._writer is None:
            self._writer = self._outputs.writer(self.entry)
        self._writer.write(data)

    def complete(self) -> None:
        """Make the output appear."""
        from sagesmith.agent.s3 import S3Failed

        self.write(b"")
        writer, self._writer = self._writer, None
        assert writer is not None
        try:
            writer.__exit__(None, None, None)
        except S3Failed as error:
            # Asked for again after an answer that was lost, the store knows nothing of the upload.
            if error.code != "NoSuchUpload" or not self._outputs.stored(self.entry):
                raise

    def abandon(self, error: BaseException) -> None:
        """Leave no output."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.__exit__(type(error), error, None)
