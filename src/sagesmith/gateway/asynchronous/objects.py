"""Objects that requests read and answers become: in pieces, so that none is ever held whole.

A router reads and writes them with the platform's inner key, as node agents do; the platform's own buckets are refused.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from sagesmith.config import Platform
from sagesmith.gateway.s3_address import bucket_of_host, is_s3_host
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Response
from sagesmith.wire import sigv4

PATIENCE_SECONDS = 60.0
"""How long a request waits for a store that is being restarted."""

_ANSWER_SECONDS = 300.0
_RETRY_SECONDS = 0.2
_PIECE_BYTES = 256 << 10
_ERROR_BYTES = 64 << 10
_PLATFORMS_BUCKETS = "sagesmith-internal-"
_AWAY_STATUSES = frozenset({500, 502, 503, 504})
_MEMBER = re.compile(r"<(Code|Message)>([^<]*)</\1>")


class PlaceInvalid(Exception):
    """A text is no place in S3."""


class ObjectFailed(Exception):
    """S3 refuses; `code` is its error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StoreAway(Exception):
    """The object store does not answer, and did not for as long as patience goes."""


@dataclass(frozen=True, slots=True)
class Place:
    """An object, or a prefix of some."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def under(self, *segments: str) -> "Place":
        """The place of an object under this prefix."""
        parts = (part.strip("/") for part in (self.key, *segments))
        return Place(self.bucket, "/".join(part for part in parts if part))


def parse_place(uri: str) -> Place:
    """The place that an S3 URI, or the `https` URL of an object, means.

    Raises:
        PlaceInvalid: it is none, or one of the platform's own.
    """
    parts = urlsplit(uri, allow_fragments=False)
    host = parts.netloc
    rest = uri[len(f"{parts.scheme}://{host}") :].removeprefix("/")
    if parts.scheme == "s3" and host:
        place = Place(host, rest)
    elif parts.scheme == "https" and is_s3_host(host.lower()):
        bucket = bucket_of_host(host.lower())
        place = Place(bucket, rest) if bucket else Place(*rest.partition("/")[::2])
    else:
        raise PlaceInvalid(f"{uri} is not the location of an object in Amazon S3.")
    if not place.bucket or place.bucket.startswith(_PLATFORMS_BUCKETS):
        raise PlaceInvalid(f"{uri} is not the location of an object that can be accessed.")
    return place


class Objects:
    """The object store. One per process and event loop."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._client = Client(
            platform.s3_endpoint, answer_seconds=_ANSWER_SECONDS, ca_file=platform.dir.tls / "bundle.pem"
        )
        scheme, _, authority = platform.s3_endpoint.partition("://")
        self._host = authority.removesuffix({"http": ":80", "https": ":443"}[scheme]).encode()

    def close(self) -> None:
        self._client.close()

    async def get(self, place: Place) -> Response:
        """An object's head and, while it arrives, its body.

        Raises:
            ObjectFailed: there is none, or it cannot be read.
            StoreAway: see there.
        """
        return await self._ask("GET", place, [], b"")

    async def put(self, place: Place, body: bytes | Path, content_type: str, kms_key_id: str | None) -> None:
        """Store an object, whole or not at all; what is in a file is sent from there.

        Raises:
            ObjectFailed, StoreAway: see there.
        """
        headers: Headers = [(b"content-type", content_type.encode("latin-1", "replace"))]
        if kms_key_id:
            headers.append((b"x-amz-server-side-encryption", b"aws:kms"))
            headers.append((b"x-amz-server-side-encryption-aws-kms-key-id", kms_key_id.encode()))
        answer = await self._ask("PUT", place, headers, body)
        if answer.close is not None:
            answer.close()

    async def _ask(self, method: str, place: Place, headers: Headers, body: bytes | Path) -> Response:
        deadline = time.monotonic() + PATIENCE_SECONDS
        target = f"/{quote(place.bucket, safe='')}/{quote(place.key, safe='/~')}".encode()
        while True:
            try:
                answer = await self._send(method, target, headers, body)
            except (ConnectFailed, Disconnected, TimedOut, BadAnswer) as error:
                if time.monotonic() > deadline:
                    raise StoreAway(f"the object store does not answer: {error!r}") from error
            else:
                if answer.status < 300:
                    return answer
                refused = await _refusal(answer, place)
                if answer.status not in _AWAY_STATUSES:
                    raise refused
                if time.monotonic() > deadline:
                    raise StoreAway(f"the object store answers with an error: {refused}") from refused
            await asyncio.sleep(_RETRY_SECONDS)

    async def _send(self, method: str, target: bytes, headers: Headers, body: bytes | Path) -> Response:
        platform = self._platform
        signed = sigv4.sign(
            method,
            target,
            [(b"host", self._host), *headers],
            sigv4.UNSIGNED_PAYLOAD,
            platform.s3_access_key_id,
            platform.s3_secret_access_key,
            platform.region,
            "s3",
            time.time(),
        )
        if isinstance(body, bytes):
            return await self._client.request(method, target, signed, body)
        signed.append((b"content-length", b"%d" % body.stat().st_size))  # noqa: ASYNC240 (one call)
        return await self._client.request(method, target, signed, _pieces(body))


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


async def _refusal(answer: Response, place: Place) -> ObjectFailed:
    """What S3 says in its error document; a code by the status where there is none."""
    try:
        text = (await read_whole(answer, _ERROR_BYTES) or b"").decode("utf-8", "replace")
    except (Disconnected, TimedOut, BadAnswer):
        text = ""
    said = dict(_MEMBER.findall(text))
    code = said.get("Code") or {403: "AccessDenied", 404: "NoSuchKey"}.get(answer.status, str(answer.status))
    return ObjectFailed(code, f"{said.get('Message') or code}: {place.uri}")


async def read_whole(answer: Response, most: int) -> bytes | None:
    """An answer's body, None if it has more bytes than that.

    Raises:
        Disconnected, TimedOut, BadAnswer: it does not come.
    """
    try:
        if isinstance(answer.body, bytes):
            return answer.body if len(answer.body) <= most else None
        content = bytearray()
        async for piece in answer.body:
            content += piece
            if len(content) > most:
                return None
        return bytes(content)
    finally:
        if answer.close is not None:
            answer.close()
