"""What a request's body is to become on its way to the store, by what the client says of it."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

from sagesmith.gateway.s3_auth import STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER, Caller
from sagesmith.gateway.s3_body import ChunkedBody, hash_mismatch, hashed, hold_back
from sagesmith.gateway.s3_errors import S3Error, invalid_argument
from sagesmith.http.messages import Headers, Request
from sagesmith.wire import sigv4

MAX_OBJECT_SIZE = 5 << 30
"""Of one upload; larger objects are uploaded in parts."""

MAX_DOCUMENT_SIZE = 2 << 20
"""Of a request's XML: DeleteObjects with 1,000 long keys has 1.1 MB."""

WHOLE_BELOW = 256 << 10
"""Bodies up to this size are read and checked before the store hears of them."""


@dataclass(slots=True)
class Upload:
    """A request's body.

    Attributes:
        payload: what the request to the store says of its body.
        length: of the data in bytes.
        chunked: the decoder of an `aws-chunked` body.
    """

    request: Request
    caller: Caller
    payload: str
    length: int
    chunked: ChunkedBody | None = None
    read: bytes | None = field(default=None, repr=False)

    def adapt(self, headers: Headers) -> Headers:
        """The headers for the store: the encoding of the transfer is not the object's."""
        adapted = [item for item in headers if item[0] != b"content-encoding"]
        for name, value in headers:
            if name == b"content-encoding":
                kept = [part.strip() for part in value.split(b",") if part.strip().lower() != b"aws-chunked"]
                if kept:
                    adapted.append((name, b",".join(kept)))
        if self.payload == STREAMING_UNSIGNED_TRAILER:
            adapted.append((b"x-amz-decoded-content-length", b"%d" % self.length))
        elif self.length:
            adapted.append((b"content-length", b"%d" % self.length))
        return adapted

    async def open(self) -> bytes | AsyncIterator[bytes]:
        """The body for the store. A small one is whole and checked; a larger one is checked while it passes.

        Raises:
            S3Error: a small one is not what it should be.
        """
        if self.chunked is not None:
            pieces = aiter(self.request.body)
            if self.payload == STREAMING_UNSIGNED_TRAILER:
                return self.chunked.reframe(pieces)
            return hold_back(self.chunked.decode(pieces))
        if self.length <= WHOLE_BELOW:
            return await self.whole()
        if self.caller.payload == sigv4.UNSIGNED_PAYLOAD:
            return aiter(self.request.body)
        return hold_back(hashed(aiter(self.request.body), self.caller.payload))

    async def whole(self) -> bytes:
        """The body of a request that is no upload, or of a small one.

        Raises:
            S3Error: it does not have the hash that was signed.
        """
        if self.read is None:
            self.read = await self.request.body.read(max(MAX_DOCUMENT_SIZE, WHOLE_BELOW))
            claimed = self.caller.payload
            if claimed != sigv4.UNSIGNED_PAYLOAD:
                computed = hashlib.sha256(self.read).hexdigest()
                if computed != claimed.lower():
                    raise hash_mismatch(claimed, computed)
        return self.read


def open_upload(request: Request, caller: Caller, is_object: bool) -> Upload:
    """Decide how a request's body is read.

    Args:
        is_object: the body is an object's data; otherwise it is a document.

    Raises:
        S3Error: its length is not given, or too large.
    """
    length = _number(request, b"content-length")
    if length is None and request.header(b"transfer-encoding") is None and request.method != "PUT":
        length = 0
    chunked: ChunkedBody | None = None
    payload = sigv4.UNSIGNED_PAYLOAD
    if caller.payload in {STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER}:
        length = _number(request, b"x-amz-decoded-content-length")
        if not is_object:
            raise S3Error("NotImplemented", "A header you provided implies functionality that is not implemented", 501)
    if length is None and (is_object or request.header(b"transfer-encoding") is not None):
        raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    length = length or 0
    limit = MAX_OBJECT_SIZE if is_object else MAX_DOCUMENT_SIZE
    if length > limit:
        members = {"ProposedSize": str(length), "MaxSizeAllowed": str(limit)}
        raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, members)
    if caller.payload == STREAMING_UNSIGNED_TRAILER:
        chunked, payload = ChunkedBody(length), STREAMING_UNSIGNED_TRAILER
    elif caller.payload in {STREAMING, STREAMING_TRAILER} and caller.signature is not None:
        signed = caller.signature
        sign_chunk = partial(sigv4.chunk_signature, signed, caller.secret)
        sign_trailer = None
        if caller.payload == STREAMING_TRAILER:
            sign_trailer = partial(sigv4.trailer_signature, signed, caller.secret)
            payload = STREAMING_UNSIGNED_TRAILER
        chunked = ChunkedBody(length, signed.signature, sign_chunk, sign_trailer)
    return Upload(request, caller, payload, length, chunked)


def _number(request: Request, name: bytes) -> int | None:
    value = request.header(name)
    if value is None:
        return None
    if not value.isdigit() or len(value) > 15:
        raise invalid_argument("The value is not a number of bytes.", name.decode(), value.decode("latin-1"))
    return int(value)
