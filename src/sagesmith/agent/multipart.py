"""A file to write to whose content becomes an object."""

import contextlib
import io
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

_IN_FLIGHT = 3


class MultipartWriter(io.RawIOBase):
    """Sends what is written to it to S3, part by part, holding at most four parts.

    Leaving the context without an exception completes the object, leaving it with one aborts the upload, so that a
    half-written object never appears. What fits into one part is put in one request.

    Args:
        client: a botocore S3 client.
        part_bytes: at least 5 MiB (S3's limit for all parts but the last).
        extra: more parameters for PutObject and CreateMultipartUpload.
    """

    def __init__(self, client: Any, bucket: str, key: str, part_bytes: int, extra: dict[str, Any]) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key}
        self._part_bytes = part_bytes
        self._extra = extra
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[Future[dict[str, Any]]] = []
        self._pool = ThreadPoolExecutor(_IN_FLIGHT)
        self._last = b""
        self.total = 0

    def writable(self) -> bool:
        return True

    def ends_with(self, byte: bytes) -> bool:
        """Whether that was the last byte to be written."""
        return self._last == byte

    def write(self, data: Any, /) -> int:
        size = len(data)
        if size:
            self._last = bytes(data[-1:])
        self._buffer += data
        self.total += size
        while len(self._buffer) >= self._part_bytes:
            part = bytes(self._buffer[: self._part_bytes])
            del self._buffer[: self._part_bytes]
            self._send(part)
        return size

    def __enter__(self) -> "MultipartWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._complete()
        except BaseException:
            self._abort()
            raise
        finally:
            if kind is not None:
                self._abort()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self.close()

    def _send(self, part: bytes) -> None:
        if self._upload_id is None:
            answer = self._client.create_multipart_upload(**self._where, **self._extra)
            self._upload_id = answer["UploadId"]
        if len(self._parts) >= _IN_FLIGHT:
            self._parts[-_IN_FLIGHT].result()
        self._parts.append(self._pool.submit(self._send_part, len(self._parts) + 1, part))

    def _send_part(self, number: int, part: bytes) -> dict[str, Any]:
        answer = self._client.upload_part(**self._where, UploadId=self._upload_id, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _complete(self) -> None:
        if self._upload_id is None:
            self._client.put_object(**self._where, **self._extra, Body=bytes(self._buffer))
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        parts = [part.result() for part in self._parts]
        self._client.complete_multipart_upload(
            **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
        )

    def _abort(self) -> None:
        if self._upload_id is None:
            return
        upload_id, self._upload_id = self._upload_id, None
        for part in self._parts:
            part.cancel()
        self._pool.shutdown(wait=True)
        # The first failure is the one to tell, and the store forgets the parts in time.
        with contextlib.suppress(Exception):
            self._client.abort_multipart_upload(**self._where, UploadId=upload_id)
