"""The agent's way to S3: parallel, patient with a store that restarts, and exact about sizes.

botocore takes a quarter of a second to load, so this module is imported where a transfer is due, not before.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import botocore.session
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
)

from sagesmith.compute.base import S3Access

if TYPE_CHECKING:
    from sagesmith.agent.multipart import MultipartWriter

PATIENCE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
_PLATFORMS_BUCKETS = "sagesmith-internal-"
_PARALLEL = 10
_PART_BYTES = 16 << 20
_PIECE_BYTES = 8 << 20
_CHUNK_BYTES = 256 << 10
_MAX_PARTS = 10_000
_MADE_MEANWHILE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"}
"""Another task has just made the bucket, or it is somebody else's, who will say so when it is written to."""
_STORE_AWAY = {"500", "502", "503", "504", "InternalError", "ServiceUnavailable", "SlowDown"}
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class S3Failed(Exception):
    """A transfer did not work; `code` is S3's error code, or the exception's name where S3 did not answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_the_stores(self) -> bool:
        """Whether the store could not do what it was rightly asked for, and was asked again until patience ended."""
        return self.code in _STORE_AWAY


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object as it was when it was listed; reads of an `etag` fail if there is another content by then."""

    bucket: str
    key: str
    size: int
    etag: str = ""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def split_uri(uri: str) -> tuple[str, str]:
    """(bucket, key) of `s3://bucket/key`.

    Raises:
        S3Failed: it is no S3 URI, or it names a bucket of the platform's own, which the agent's key could open.
    """
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc:
        raise S3Failed("InvalidURI", f"{uri!r} is not an S3 URI")
    if parts.netloc.startswith(_PLATFORMS_BUCKETS):
        raise S3Failed("AccessDenied", "Access Denied")
    # A key may hold a question mark, which a URL's parser takes for the start of a query.
    return parts.netloc, uri[len("s3://") + len(parts.netloc) :].removeprefix("/")


class S3:
    """Transfers for one task. Thread safe. Every method raises `S3Failed`."""

    def __init__(self, access: S3Access) -> None:
        self._access = access
        self._session = botocore.session.Session()
        # The first request often comes while the store is still starting: botocore's pauses would be seconds long.
        self._client: Any = self._connect(attempts=1)

    @cached_property
    def _transfers(self) -> Any:
        """The client for large objects: one part that fails must not begin the whole transfer anew."""
        return self._connect(attempts=3)

    def _connect(self, attempts: int) -> Any:
        access = self._access
        # Nobody's profile, proxy or endpoint settings apply: the specification is complete.
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=_PARALLEL * 4,
            connect_timeout=5,
            read_timeout=60,
            proxies={},
            ignore_configured_endpoint_urls=True,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return self._session.create_client(
            "s3",
            region_name=access.region,
            endpoint_url=access.endpoint,
            verify=access.ca_bundle,
            aws_access_key_id=access.access_key_id,
            aws_secret_access_key=access.secret_access_key,
            aws_session_token=access.session_token,
            config=config,
        )

    def warm_up(self) -> None:
        """Make what the first transfers would have to make: clients, their connections, and all that they load late."""
        for client in (self._client, self._transfers):
            with suppress(ClientError, BotoCoreError, HTTPClientError):
                client.head_object(Bucket=f"{_PLATFORMS_BUCKETS}none", Key="none")
        self._manager(0).shutdown()

    def list(self, bucket: str, prefix: str) -> Iterator[S3Object]:
        """All objects whose keys begin with a prefix."""
        token: dict[str, str] = {}
        while True:
            parameters = {"Bucket": bucket, "Prefix": prefix, **token}
            page: Any = _patiently(partial(self._client.list_objects_v2, **parameters))
            for entry in page.get("Contents", []):
                yield S3Object(bucket, entry["Key"], entry["Size"], entry.get("ETag", ""))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def look_up(self, names: Sequence[tuple[str, str]]) -> Sequence[S3Object]:
        """The objects of (bucket, key), in this order."""

        def head(name: tuple[str, str]) -> S3Object:
            bucket, key = name
            try:
                found = _patiently(lambda: self._client.head_object(Bucket=bucket, Key=key))
            except S3Failed as error:
                # The answer to HEAD has no body to tell which it was.
                raise S3Failed(error.code, f"{error}: s3://{bucket}/{key}") from error
            return S3Object(bucket, key, int(found["ContentLength"]), found.get("ETag", ""))

        return _all(head, names)

    def read(self, bucket: str, key: str, version: str | None = None, max_bytes: int | None = None) -> bytes:
        """A small object's content, of a version of it; one that is larger than `max_bytes` is not read."""
        which = {"VersionId": version} if version else {}

        def get() -> bytes:
            found = self._client.get_object(Bucket=bucket, Key=key, **which)
            with closing(found["Body"]) as body:
                if max_bytes is not None and found["ContentLength"] > max_bytes:
                    raise S3Failed("EntityTooLarge", f"The object has more than {max_bytes} bytes")
                return bytes(body.read())

        return _patiently(get)

    def read_range(self, entry: S3Object, start: int, length: int) -> bytes:
        """`length` bytes of an object, from byte `start` on."""
        content = bytearray()
        if not length:
            return b""

        def attempt() -> None:
            content.clear()
            self._get(entry, start, length, content.extend)

        _patiently(attempt)
        return bytes(content)

    def download(self, files: Sequence[tuple[S3Object, Path]]) -> None:
        """Fetch objects into files, in pieces, several at a time; parent directories must be there.

        Raises:
            OSError: a file cannot be written.
        """
        for entry, path in files:
            with path.open("wb") as file:
                file.truncate(entry.size)
        pieces = [
            (entry, path, start)
            for entry, path in files
            for start in range(0, entry.size, max(_PIECE_BYTES, entry.size // _MAX_PARTS))
        ]
        _all(self._fetch, pieces)

    def delete(self, names: Sequence[tuple[str, str]]) -> None:
        """Remove (bucket, key); what is not there is none of its business."""

        def remove(name: tuple[str, str]) -> None:
            _patiently(partial(self._client.delete_object, Bucket=name[0], Key=name[1]))

        _all(remove, names)

    def upload_files(self, files: Sequence[tuple[Path, str, str]], kms_key_id: str | None) -> None:
        """Put (file, bucket, key) there, several at a time."""

        def put(item: tuple[Path, str, str]) -> None:
            path, bucket, key = item
            size = path.stat().st_size

            def attempt() -> None:
                with self._manager(size) as manager:
                    manager.upload(str(path), bucket, key, _encryption(kms_key_id)).result()
                self._check(bucket, key, size)

            _patiently(attempt)

        _all(put, files)

    def upload_stream(
        self, write: Callable[[IO[bytes]], None], bucket: str, key: str, kms_key_id: str | None, expected_bytes: int
    ) -> int:
        """Put what `write` produces, without a copy on this disk, and return how many bytes that was.

        Nothing is stored unless `write` came to its end: the upload is a multipart one until then. `write` is called
        anew if the store went away.

        Args:
            expected_bytes: about how much there will be; decides the size of the parts, of which there may be 10,000.
        """
        from sagesmith.agent.multipart import MultipartWriter

        part_bytes = max(_PART_BYTES, expected_bytes // (_MAX_PARTS // 2))

        def attempt() -> int:
            with MultipartWriter(self._transfers, bucket, key, part_bytes, _encryption(kms_key_id)) as writer:
                write(cast(IO[bytes], writer))
            self._check(bucket, key, writer.total)
            return writer.total

        return _patiently(attempt)

    def writer(
        self, bucket: str, key: str, kms_key_id: str | None, expected_bytes: int, metadata: dict[str, str]
    ) -> "MultipartWriter":
        """A file whose content becomes an object when its context is left without an exception.

        What the store does not do at once is asked for again, part by part, so that nothing has to be written anew.

        Args:
            expected_bytes: about how much there will be, as of `upload_stream`.
            metadata: of the object.
        """
        from sagesmith.agent.multipart import MultipartWriter

        extra: dict[str, Any] = {**_encryption(kms_key_id), "Metadata": metadata}
        part_bytes = max(_PART_BYTES, expected_bytes // (_MAX_PARTS // 2))
        return MultipartWriter(_Patient(self._transfers), bucket, key, part_bytes, extra)

    def metadata(self, names: Sequence[tuple[str, str]]) -> Sequence[dict[str, str] | None]:
        """The metadata of the objects of (bucket, key), in this order; None for one that is not there."""

        def head(name: tuple[str, str]) -> dict[str, str] | None:
            try:
                found = _patiently(lambda: self._client.head_object(Bucket=name[0], Key=name[1]))
            except S3Failed as error:
                if error.code in ("404", "NoSuchKey"):
                    return None
                raise
            return dict(found.get("Metadata") or {})

        return _all(head, names)

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Put a small object into a bucket of the platform's own, which is made if it is not there."""

        def store() -> None:
            self._client.put_object(Bucket=bucket, Key=key, Body=body)

        try:
            _patiently(store)
        except S3Failed as error:
            if error.code != "NoSuchBucket":
                raise
            self._make_bucket(bucket)
            _patiently(store)

    def _make_bucket(self, bucket: str) -> None:
        # One in us-east-1 is made by naming no region; elsewhere there is none without (CreateBucket).
        region = self._access.region
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            _patiently(partial(self._client.create_bucket, Bucket=bucket, **where))
        except S3Failed as error:
            if error.code not in _MADE_MEANWHILE:
                raise S3Failed(error.code, f"the bucket {bucket} cannot be made: {error}") from error

    def mark(self, bucket: str, key: str, kms_key_id: str | None) -> None:
        """Put an object that says nothing but that it is there.

        Whoever waits for it may remove it at once, so that it is not looked at afterwards, as other uploads are.
        """
        own = _encryption(kms_key_id)
        _patiently(lambda: self._transfers.put_object(Bucket=bucket, Key=key, Body=b"\n", **own))

    def _fetch(self, piece: tuple[S3Object, Path, int]) -> None:
        entry, path, start = piece
        length = min(max(_PIECE_BYTES, entry.size // _MAX_PARTS), entry.size - start)
        with path.open("r+b", buffering=0) as file:

            def attempt() -> None:
                file.seek(start)
                self._get(entry, start, length, file.write)

            _patiently(attempt)

    def _get(self, entry: S3Object, start: int, length: int, take: Callable[[bytes], Any]) -> None:
        """Hand a range of an object to `take`, chunk by chunk. Not repeated: `take` has had what came."""
        which = {"IfMatch": entry.etag} if entry.etag else {}
        if length < entry.size:
            which["Range"] = f"bytes={start}-{start + length - 1}"
        found = self._client.get_object(Bucket=entry.bucket, Key=entry.key, **which)
        arrived = 0
        with closing(found["Body"]) as body:
            while arrived < length and (chunk := body.read(min(_CHUNK_BYTES, length - arrived))):
                take(chunk)
                arrived += len(chunk)
        if arrived != length:
            raise IncompleteReadError(actual_bytes=arrived, expected_bytes=length)

    def _check(self, bucket: str, key: str, size: int) -> None:
        found = int(self._client.head_object(Bucket=bucket, Key=key)["ContentLength"])
        if found != size:
            raise S3Failed("IncompleteBody", f"{size} bytes were sent to s3://{bucket}/{key}, {found} are there")

    def _manager(self, size: int) -> Any:
        part = max(_PART_BYTES, size // (_MAX_PARTS // 2))
        config = TransferConfig(
            multipart_threshold=4 * part, multipart_chunksize=part, max_concurrency=4, use_threads=size > part
        )
        return create_transfer_manager(self._transfers, config)


class _Patient:
    """A client of which every request is repeated while the store is away."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call = getattr(self._client, operation)
        return lambda **parameters: _patiently(partial(call, **parameters))


def _encryption(kms_key_id: str | None) -> dict[str, str]:
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}


def _all(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    if not items:
        return []
    pool = ThreadPoolExecutor(min(_PARALLEL, len(items)))
    try:
        pending = [pool.submit(work, item) for item in items]
        for done in as_completed(pending):
            done.result()
        return [each.result() for each in pending]
    finally:
        # A request to stop, or the first failure, must not wait for what has not begun.
        pool.shutdown(wait=False, cancel_futures=True)


def _patiently(action: Callable[[], _Result]) -> _Result:
    """Repeat what failed because the store was away, for up to a minute: it restarts in one second."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return action()
        except ClientError as error:
            code = str(error.response["Error"].get("Code", "Unknown"))
            if code not in _STORE_AWAY or time.monotonic() > give_up:
                raise S3Failed(code, str(error.response["Error"].get("Message") or error)) from error
        except (HTTPClientError, EndpointConnectionError, ConnectionClosedError, IncompleteReadError) as error:
            if time.monotonic() > give_up:
                raise S3Failed(type(error).__name__, f"the object store does not answer: {error}") from error
        except BotoCoreError as error:
            raise S3Failed(type(error).__name__, str(error)) from error
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
