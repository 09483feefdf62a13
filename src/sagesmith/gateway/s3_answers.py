"""The store's answers, put into the form that S3 gives them."""

import re
from collections.abc import Callable
from html import unescape
from itertools import pairwise
from urllib.parse import unquote

from sagesmith.gateway.s3_errors import S3Error, parse_error, request_headers
from sagesmith.http.messages import Headers, Response

MAX_ERROR_SIZE = 64 << 10
MAX_LISTING_SIZE = 16 << 20

_DROPPED = frozenset({b"server", b"date", b"x-amz-request-id", b"x-amz-id-2", b"vary", b"connection", b"keep-alive"})
_CONTENTS = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
_LOCATION = re.compile(rb"<Location>https?://[^/<]*")
_BARE_ETAG = re.compile(rb"<ETag>([0-9a-f-]+)</ETag>")
_BUCKET = re.compile(rb"<Bucket><Name>([^<]*)</Name>.*?</Bucket>", re.DOTALL)


def clean_headers(headers: Headers, request_id: str) -> Headers:
    """The answer's headers without what is the store's own, with what is S3's."""
    kept = [item for item in headers if item[0] not in _DROPPED and not item[0].startswith(b"seaweed")]
    return kept + request_headers(request_id)


async def whole(response: Response, limit: int) -> bytes:
    """An answer's body, of at most `limit` bytes.

    Raises:
        S3Error: it is larger.
    """
    if isinstance(response.body, bytes):
        return response.body
    taken = bytearray()
    try:
        async for piece in response.body:
            taken += piece
            if len(taken) > limit:
                raise S3Error("InternalError", "We encountered an internal error. Please try again.", 500)
    finally:
        if response.close:
            response.close()
    return bytes(taken)


async def to_error(response: Response, sent: Headers) -> S3Error:
    """The error that the store answered, in AWS's wording.

    Args:
        sent: the request's headers, which tell which checksum was wrong: the store always speaks of MD5.
    """
    body = await whole(response, MAX_ERROR_SIZE)
    error = parse_error(body, response.status)
    if error is None:
        code, message = _BARE.get(response.status, ("InternalError", "We encountered an internal error, try again."))
        return S3Error(code, message, response.status)
    checksums = [value for name, value in sent if name == b"x-amz-trailer"]
    checksums += [name for name, _ in sent if name.startswith(b"x-amz-checksum-")]
    algorithm = next((name.rpartition(b"-")[2].decode().upper() for name in checksums), None)
    trailing = error.code in {"IncompleteBody", "InvalidDigest"} and any(name == b"x-amz-trailer" for name, _ in sent)
    if algorithm and (trailing or (error.code == "BadDigest" and all(name != b"content-md5" for name, _ in sent))):
        message = f"The {algorithm} you specified did not match the calculated checksum."
        return S3Error("BadDigest", message, 400, error.members)
    if error.code == "BadDigest":
        error.message = "The Content-MD5 you specified did not match what we received."
    return error


_BARE = {
    404: ("NoSuchKey", "The specified key does not exist."),
    405: ("MethodNotAllowed", "The specified method is not allowed against this resource."),
    412: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
    503: ("ServiceUnavailable", "Service is unable to handle request."),
}


def in_byte_order(listing: bytes) -> bytes:
    """A listing's page with its keys in the order of their UTF-8 bytes, as S3 lists.

    The store walks directories, so `o/a/b` comes before `o/a-b`. Within a page that is put right here; which keys stand
    on which page of a listing that has several is the store's.
    """
    found = list(_CONTENTS.finditer(listing))
    url_encoded = b"<EncodingType>url</EncodingType>" in listing
    entries = [(_sort_key(match[0], url_encoded), match[0]) for match in found]
    ordered = sorted(entries, key=lambda entry: entry[0])
    if ordered == entries or not _adjacent(found):
        return listing
    return listing[: found[0].start()] + b"".join(entry for _, entry in ordered) + listing[found[-1].end() :]


def is_truncated(listing: bytes) -> bool:
    return b"<IsTruncated>true</IsTruncated>" in listing


def with_buckets(listing: bytes, shown: Callable[[str], bool]) -> bytes:
    """A ListBuckets answer with those buckets alone that are to be shown."""
    return _BUCKET.sub(lambda match: match[0] if shown(match[1].decode()) else b"", listing)


def with_location(body: bytes, base_url: str) -> bytes:
    """CompleteMultipartUpload's answer: its Location names the endpoint that the client knows."""
    return _LOCATION.sub(b"<Location>" + base_url.encode(), body)


def with_quoted_etag(body: bytes) -> bytes:
    """A copy's answer: the store leaves out the quotes that belong to an ETag."""
    return _BARE_ETAG.sub(rb"<ETag>&quot;\1&quot;</ETag>", body)


def _sort_key(entry: bytes, url_encoded: bool) -> bytes:
    matched = _KEY.search(entry)
    text = unescape(matched[1].decode("utf-8", "surrogateescape")) if matched else ""
    return (unquote(text.replace("+", " "), errors="surrogateescape") if url_encoded else text).encode(
        "utf-8", "surrogateescape"
    )


def _adjacent(found: "list[re.Match[bytes]]") -> bool:
    return all(left.end() == right.start() for left, right in pairwise(found))
