"""The canonical form of a request that both sides of a Signature Version 4 sign.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from sagesmith.http.messages import Headers

_CANONICAL_QUERY = re.compile(rb"(?:[A-Za-z0-9\-._~&=]|%[0-9A-F]{2})*")
_CANONICAL_PATH = re.compile(rb"(?:[A-Za-z0-9\-._~/]|%[0-9A-F]{2})*")
_RAW = re.compile(rb"[^A-Za-z0-9\-._~/%]|%(?![0-9A-Fa-f]{2})")
_DOTS_OR_DOUBLE_SLASH = re.compile(rb"//|/\.{1,2}(?:/|$)")
_SIGNATURE_PARAMETER = b"X-Amz-Signature"


def canonical_requests(
    method: str, target: bytes, headers: Headers, signed_headers: tuple[str, ...], payload_hash: str, service: str
) -> Iterator[bytes]:
    """Every canonical form in which a client may have signed this request, the likeliest first.

    Clients sign the path and query as they send them. One that sends a character raw which the canonical form escapes
    has signed it either raw (botocore) or escaped (the standard), so a target with such characters yields two forms.
    Both describe the same request.

    Args:
        target: the raw request target.
        signed_headers: lower case names, in the order that the signature lists them.
        payload_hash: hex SHA-256 of the body, or one of S3's fixed words such as `UNSIGNED-PAYLOAD`.
        service: of the signature's scope. S3 signs its path as it is; all others normalise and escape it once more.
    """
    path, _, query = target.partition(b"?")
    tail = _headers(headers, signed_headers) + b"\n" + payload_hash.encode()
    head = method.encode()
    s3 = service == "s3"
    sent_path = path if s3 else _service_path(path)
    pairs = [pair.partition(b"=")[::2] for pair in query.split(b"&") if pair] if query else []
    pairs = [pair for pair in pairs if pair[0] != _SIGNATURE_PARAMETER]
    sent_query = _join(pairs)
    yield b"\n".join((head, sent_path, sent_query, tail))
    if not (_CANONICAL_QUERY.fullmatch(query) and _CANONICAL_PATH.fullmatch(path)):
        escaped_path = escape(unquote_to_bytes(path), safe="/") if s3 else _service_path(_escape_raw(path))
        escaped_query = _join([(_escape_query(name), _escape_query(value)) for name, value in pairs])
        yield b"\n".join((head, escaped_path, escaped_query, tail))


def escape(raw: bytes, safe: str = "") -> bytes:
    """Percent-encode all but RFC 3986's unreserved characters and `safe`."""
    return quote(raw, safe=safe).encode()


def _escape_query(value: bytes) -> bytes:
    return escape(unquote_to_bytes(value.replace(b"+", b" ")))


def _escape_raw(path: bytes) -> bytes:
    """Escape what was sent raw and leave the rest: an escaped slash or dot is none, for it means another resource."""
    return _RAW.sub(lambda found: escape(found[0]), path)


def _join(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"&".join([name + b"=" + value for name, value in sorted(pairs)])


@lru_cache(maxsize=1024)
def _service_path(path: bytes) -> bytes:
    """RFC 3986 section 5.2.4 without empty segments, then escaped once more."""
    if path in (b"", b"/"):
        return b"/"
    if _DOTS_OR_DOUBLE_SLASH.search(path):
        segments: list[bytes] = []
        for segment in path.split(b"/"):
            if segment == b"..":
                del segments[-1:]
            elif segment not in (b"", b"."):
                segments.append(segment)
        slash = b"/" if path.endswith(b"/") and segments else b""
        path = b"/" + b"/".join(segments) + slash
    return escape(path, safe="/")


def _headers(headers: Headers, signed_headers: tuple[str, ...]) -> bytes:
    in_order, joined = _names(signed_headers)
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in in_order:
            trimmed = b" ".join(value.split())
            values[name] = values[name] + b"," + trimmed if name in values else trimmed
    return b"\n".join([name + b":" + values.get(name, b"") for name in in_order]) + joined


@lru_cache(maxsize=64)
def _names(signed_headers: tuple[str, ...]) -> tuple[tuple[bytes, ...], bytes]:
    """The names in the order of their lines, and what follows those: clients sign the same ones again and again."""
    names = [name.encode() for name in signed_headers]
    return tuple(sorted(names)), b"\n\n" + b";".join(names)
