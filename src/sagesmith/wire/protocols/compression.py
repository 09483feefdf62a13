"""Requests that came compressed, as those of operations with the `requestcompression` trait may.

Source: https://smithy.io/2.0/spec/behavior-traits.html#requestcompression-trait
"""

import zlib
from dataclasses import replace

from sagesmith.wire.errors import AwsError
from sagesmith.wire.protocols import Call
from sagesmith.wire.protocols.json import serialization_exception

MAX_BYTES = 16 << 20
"""Of a decompressed body: a few bytes on the wire must not become all of the memory."""

_GZIP = 16 + zlib.MAX_WBITS


def decompressed(call: Call) -> Call:
    """The call with the body that its client compressed; itself if it is not compressed.

    Raises:
        AwsError: SerializationException, it is not gzip; RequestEntityTooLarge, there is more than MAX_BYTES of it.
    """
    if call.header(b"content-encoding") != b"gzip":
        return call
    inflater = zlib.decompressobj(_GZIP)
    try:
        body = inflater.decompress(call.body, MAX_BYTES)
    except zlib.error as error:
        raise serialization_exception(f"The request body is not gzip: {error}") from error
    if inflater.unconsumed_tail:
        raise AwsError("RequestEntityTooLarge", "The decompressed request exceeds 16 MiB.", 413)
    if not inflater.eof:
        raise serialization_exception("The request body ends within its gzip stream.")
    return replace(call, body=body)
