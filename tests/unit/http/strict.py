"""A reader of HTTP/1.1 requests that takes what RFC 9112 lets a client send, and what it lets a server put up with.

That is more than one space in a request line, and a method that no standard has. Fuzzing is held against it.
"""

import re
from dataclasses import dataclass

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") +([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_FIELD = re.compile(
    rb"(" + _TOKEN + rb"):[ \t]*(|[\x21-\x7e\x80-\xff](?:[\x20-\x7e\t\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*"
)
_CHUNK = re.compile(rb"([0-9a-fA-F]+)(?:[ \t]*;[\x20-\x7e\t\x80-\xff]*)?")


@dataclass(frozen=True)
class Message:
    method: bytes
    target: bytes
    body: bytes


class _Refused(Exception):
    """Here the stream stops to be HTTP, or ends."""


def read(stream: bytes) -> list[Message]:
    """The requests at the beginning of a stream that are whole and right; what follows them is neither."""
    found: list[Message] = []
    try:
        while True:
            message, stream, last = _message(stream)
            found.append(message)
            if last:
                return found
    except _Refused:
        return found


def _message(stream: bytes) -> tuple[Message, bytes, bool]:
    while stream.startswith(b"\r\n"):
        stream = stream[2:]
    line, stream = _line(stream)
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _Refused
    fields, stream = _fields(stream)
    old = match[3] == b"0"
    hosts = len(fields.get(b"host", []))
    if hosts > 1 or (hosts == 0 and not old):
        raise _Refused
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if codings:
        if old or lengths or [each.lower() for each in codings] != [b"chunked"]:
            raise _Refused
        body, stream = _chunks(stream)
    else:
        if len(lengths) > 1 or not all(each.isdigit() for each in lengths):
            raise _Refused
        size = int(lengths[0]) if lengths else 0
        if len(stream) < size:
            raise _Refused
        body, stream = stream[:size], stream[size:]
    options = [each.strip().lower() for value in fields.get(b"connection", []) for each in value.split(b",")]
    return Message(match[1], match[2], body), stream, b"close" in options or (old and b"keep-alive" not in options)


def _chunks(stream: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, stream = _line(stream)
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise _Refused
        size = int(match[1], 16)
        if not size:
            _, stream = _fields(stream)
            return body, stream
        if len(stream) < size + 2 or stream[size : size + 2] != b"\r\n":
            raise _Refused
        body, stream = body + stream[:size], stream[size + 2 :]


def _fields(stream: bytes) -> tuple[dict[bytes, list[bytes]], bytes]:
    fields: dict[bytes, list[bytes]] = {}
    while True:
        line, stream = _line(stream)
        if not line:
            return fields, stream
        match = _FIELD.fullmatch(line)
        if match is None:
            raise _Refused
        fields.setdefault(match[1].lower(), []).append(match[2])


def _line(stream: bytes) -> tuple[bytes, bytes]:
    line, found, rest = stream.partition(b"\r\n")
    if not found or b"\n" in line or b"\r" in line:
        raise _Refused
    return line, rest
