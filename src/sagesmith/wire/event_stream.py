"""AWS's event streams: messages of headers and a payload, each with two checksums, one after the other in a body.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html ("Overview") and
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
import zlib

import orjson

CONTENT_TYPE = b"application/vnd.amazon.eventstream"
MAX_PAYLOAD_BYTES = 1 << 20
"""Larger payloads are sent as several events; botocore takes 24 MiB at the most."""

_STRING = 7
_FRAME_BYTES = 16


def event(kind: str, payload: bytes) -> bytes:
    """An event whose payload is a blob."""
    return _message(_event_headers(kind), payload)


def exception(kind: str, members: dict[str, str]) -> bytes:
    """A modelled exception, which is the last message of its stream."""
    headers = _headers(
        {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"},
    )
    return _message(headers, orjson.dumps(members))


def _event_headers(kind: str) -> bytes:
    found = _known.get(kind)
    if found is None:
        named = {":message-type": "event", ":event-type": kind, ":content-type": "application/octet-stream"}
        found = _known[kind] = _headers(named)
    return found


def _headers(named: dict[str, str]) -> bytes:
    encoded = []
    for name, value in named.items():
        encoded.append(struct.pack("!B", len(name)) + name.encode())
        encoded.append(struct.pack("!BH", _STRING, len(value)) + value.encode())
    return b"".join(encoded)


def _message(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack("!II", _FRAME_BYTES + len(headers) + len(payload), len(headers))
    start = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers
    checksum = zlib.crc32(payload, zlib.crc32(start))
    return b"".join((start, payload, struct.pack("!I", checksum)))


_known: dict[str, bytes] = {}
