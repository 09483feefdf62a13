"""The agent's way to S3: parallel, patient with a store that restarts, and exact about sizes.

botocore takes a quarter of a second to load, so this module is imported where a transfer is due, not before.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any, TypeVar, cast
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
)

from sagesmith.compute.base import S3Access

PATIENCE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
_PLATFORMS_BUCKETS = "sagesmith-internal-"
_PARALLEL_FILES = 8
_PART_BYTES = 16 << 20
_MAX_PARTS = 10_000
_STORE_AWAY = {"500", "502", "503", "504", "InternalError", "ServiceUnavailable", "SlowDown"}
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
    bucket: str
    key: str
    size: int

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
            max_pool_connections=_PARALLEL_FILES * 4,
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

    def list(self, bucket: str, prefix: str) -> Iterator[S3Object]:
        """All objects whose keys begin with a prefix."""
        token: dict[str, str] = {}
        while True:
            parameters = {"Bucket": bucket, "Prefix": prefix, **token}
            page: Any = _patiently(partial(self._client.list_objects_v2, **parameters))
            for entry in page.get("Contents", []):
                yield S3Object(bucket, entry["Key"], entry["Size"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def size(self, bucket: str, key: str) -> int:
        """The size of an object in bytes."""
        return int(_patiently(lambda: self._client.head_object(Bucket=bucket, Key=key))["ContentLength"])

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

    def download(self, files: Sequence[tuple[S3Object, Path]]) -> None:
        """Fetch objects into files, several at a time; parent directories must be there."""
        if not files:
            return

        def fetch(item: tuple[S3Object, Path]) -> None:
            entry, path = item
            _patiently(lambda: self._fetch(entry, path))

        _all(fetch, files)

    def upload_files(self, files: Sequence[tuple[Path, str, str]], kms_key_id: str | None) -> None:
        """Put (file, bucket, key) there, several at a time."""
        if not files:
            return

        def put(item: tuple[Path, str, str]) -> None:
            path, bucket, key = item
            size = path.stat().st_size

            def attempt() -> None:
                with self._manager(size) as manager:
                    manager.upload(str(path), bucket, key, _encryption(kms_key_id)).result()
                self._check(bucket, key, size)

            _patiently(attempt)

        _all(put, files)

    def upload_opened(self, open_file: Callable[[], IO[bytes]], bucket: str, key: str, kms_key_id: str | None) -> None:
        """Put the file there that `open_file` opens, anew at each attempt; its OSError is passed on."""

        def attempt() -> None:
            with open_file() as file:
                size = os.fstat(file.fileno()).st_size
                with self._manager(size) as manager:
                    manager.upload(file, bucket, key, _encryption(kms_key_id)).result()
            self._check(bucket, key, size)

        _patiently(attempt)

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

    def _fetch(self, entry: S3Object, path: Path) -> None:
        with self._manager(entry.size) as manager:
            manager.download(entry.bucket, entry.key, str(path)).result()
        size = path.stat().st_size
        if size != entry.size:
            raise S3Failed("IncompleteBody", f"{entry.uri} has {entry.size} bytes, {size} arrived")

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


def _encryption(kms_key_id: str | None) -> dict[str, str]:
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}


def _all(work: Callable[[Any], None], items: Sequence[Any]) -> None:
    pool = ThreadPoolExecutor(min(_PARALLEL_FILES, len(items)))
    try:
        for done in as_completed([pool.submit(work, item) for item in items]):
            done.result()
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
        except (HTTPClientError, EndpointConnectionError, ConnectionClosedError) as error:
            if time.monotonic() > give_up:
                raise S3Failed(type(error).__name__, f"the object store does not answer: {error}") from error
        except BotoCoreError as error:
            raise S3Failed(type(error).__name__, str(error)) from error
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
