"""Bodies of uploads, checked while they pass: nothing is held but one piece, nothing wrong reaches its end.

A check can only fail once all bytes were seen, and by then most of them are with the store. So the last piece is held
back until the check is done; without it the store drops the upload.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html (and -trailers)
"""

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator

from sagesmith.gateway.s3_errors import S3Error
from sagesmith.http.messages import Headers

_MAX_LINE = 16 << 10
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?")

ChunkSigner = Callable[[str, str], str]
"""The signature of a chunk, from the signature before it and the chunk's hex SHA-256."""

TrailerSigner = Callable[[str, Headers], str]
"""The signature of the trailing headers, from the signature before them."""


def hash_mismatch(claimed: str, computed: str) -> S3Error:
    return S3Error(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        400,
        {"ClientComputedContentSHA256": claimed, "S3ComputedContentSHA256": computed},
    )


async def hold_back(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All pieces, each when the next one has come, the last when there is none."""
    held = b""
    async for piece in pieces:
        if held:
            yield held
        held = piece or held
    if held:
        yield held


async def hashed(pieces: AsyncIterator[bytes], claimed: str) -> AsyncIterator[bytes]:
    """All pieces unchanged.

    Raises:
        S3Error: at the end, when they do not have the hex SHA-256 `claimed`.
    """
    digest = hashlib.sha256()
    async for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != claimed.lower():
        raise hash_mismatch(claimed, digest.hexdigest())


class ChunkedBody:
    """Takes the framing off an `aws-chunked` body and verifies what it says: sizes, and signatures if there are any.

    Args:
        length: `x-amz-decoded-content-length`.
        seed: the request's own signature, None for an unsigned body.
        sign_chunk: for a signed body.
        sign_trailer: for a signed body with signed trailing headers.
    """

    def __init__(
        self,
        length: int,
        seed: str | None = None,
        sign_chunk: ChunkSigner | None = None,
        sign_trailer: TrailerSigner | None = None,
    ) -> None:
        self.trailers: Headers = []
        self._length = length
        self._previous = seed
        self._sign_chunk = sign_chunk
        self._sign_trailer = sign_trailer
        self._buffer = bytearray()
        self._seen = 0
        self._left = 0
        self._claimed: str = ""
        self._digest = hashlib.sha256()
        self._state: Callable[[], Iterator[bytes]] | None = self._size

    async def decode(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The data in `pieces`.

        Raises:
            S3Error: the framing is broken, a signature is wrong, or the body is not as long as it was said to be.
        """
        async for piece in pieces:
            for data in self._feed(piece):
                yield data
        if self._state is not None or self._seen != self._length:
            raise _incomplete()

    async def reframe(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The data in `pieces` framed anew, without signatures: `STREAMING-UNSIGNED-PAYLOAD-TRAILER`."""
        async for data in self.decode(pieces):
            yield b"%x\r\n%b\r\n" % (len(data), data)
        trailers = b"".join(name + b":" + value + b"\r\n" for name, value in self.trailers)
        yield b"0\r\n" + trailers + b"\r\n"

    def _feed(self, piece: bytes) -> Iterator[bytes]:
        if self._state == self._data and not self._buffer and len(piece) < self._left:
            yield self._take(piece)
            return
        self._buffer += piece
        while self._state is not None:
            state, size = self._state, len(self._buffer)
            yield from state()
            if self._state == state and len(self._buffer) == size:
                return
        if self._buffer:
            raise _malformed()

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_LINE:
                raise _malformed()
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _size(self) -> Iterator[bytes]:
        line = self._line()
        if line is None:
            return
        matched = _CHUNK.fullmatch(line)
        if not matched or (matched[2] is None) != (self._sign_chunk is None):
            raise _malformed()
        self._left = int(matched[1], 16)
        self._claimed = (matched[2] or b"").decode()
        self._digest = hashlib.sha256()
        if self._seen + self._left > self._length:
            raise _incomplete()
        if self._left:
            self._state = self._data
        else:
            self._verify_chunk()
            self._state = self._trailer
        yield from ()

    def _data(self) -> Iterator[bytes]:
        data = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        if data:
            yield self._take(data)
        if not self._left:
            self._state = self._data_end

    def _take(self, data: bytes) -> bytes:
        self._left -= len(data)
        self._seen += len(data)
        if self._sign_chunk is not None:
            self._digest.update(data)
        return data

    def _data_end(self) -> Iterator[bytes]:
        if len(self._buffer) >= 2:
            if self._buffer[:2] != b"\r\n":
                raise _malformed()
            del self._buffer[:2]
            self._verify_chunk()
            self._state = self._size
        yield from ()

    def _trailer(self) -> Iterator[bytes]:
        line = self._line()
        if line is None:
            return
        if line:
            name, colon, value = line.partition(b":")
            if not colon or len(self.trailers) > 16:
                raise _malformed()
            self.trailers.append((name.strip().lower(), value.strip()))
        else:
            self._verify_trailer()
            self._state = None
        yield from ()

    def _verify_chunk(self) -> None:
        if self._sign_chunk is None or self._previous is None:
            return
        wanted = self._sign_chunk(self._previous, self._digest.hexdigest())
        if wanted != self._claimed:
            raise _wrong_signature()
        self._previous = wanted

    def _verify_trailer(self) -> None:
        signatures = [value for name, value in self.trailers if name == b"x-amz-trailer-signature"]
        self.trailers = [item for item in self.trailers if item[0] != b"x-amz-trailer-signature"]
        if self._sign_trailer is None or self._previous is None:
            return
        if signatures != [self._sign_trailer(self._previous, self.trailers).encode()]:
            raise _wrong_signature()


def _incomplete() -> S3Error:
    return S3Error(
        "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header", 400
    )


def _malformed() -> S3Error:
    return S3Error("InvalidRequest", "The chunked encoding of the body is malformed.", 400)


def _wrong_signature() -> S3Error:
    return S3Error(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
        403,
    )
