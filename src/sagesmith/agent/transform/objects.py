"""The objects that a transform task reads."""

import zlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagesmith.agent.inputs.ahead import Piece, pieces_of
from sagesmith.agent.inputs.sources import Shard, Source, objects
from sagesmith.agent.transform.failures import ObjectFailed
from sagesmith.compute.base import TaskSpec, Transform

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3, S3Object

_GZIP = 16 + zlib.MAX_WBITS
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Object:
    """An object of the input.

    Attributes:
        name: relative to what all of them lie below.
    """

    entry: "S3Object"
    name: str

    @property
    def size(self) -> int:
        return self.entry.size

    @property
    def base(self) -> str:
        """What the URIs of all objects of the input begin with."""
        return self.entry.uri.removesuffix(self.name)

    @property
    def shown(self) -> str:
        """As AWS's data log names it."""
        return f"{self.entry.bucket}/{self.entry.key}"


def objects_here(s3: "S3", spec: TaskSpec, transform: Transform) -> list[Object]:
    """The part of a job's input that is this host's: objects are dealt out in the order of their keys.

    Raises:
        TaskFailed: there is no such input.
    """
    found = objects(s3, Source(transform.s3_uri, transform.s3_data_type), spec.s3.region)
    shard = Shard(spec.hosts.index(spec.host), len(spec.hosts))
    return [Object(entry, name) for entry, name in shard.of(found)]


def pieces(s3: "S3", entry: Object) -> Iterator[Piece]:
    """An object in pieces that can be read ahead."""
    return pieces_of(s3, entry.entry)


def decompressed(chunks: Iterable[bytes]) -> Generator[bytes]:
    """The content of a gzip file, which may have several members (RFC 1952, 2.2).

    Raises:
        ObjectFailed: it is none, or damaged.
    """
    member = zlib.decompressobj(_GZIP)
    for data in chunks:
        rest = data
        try:
            while rest:
                if member.eof:
                    member = zlib.decompressobj(_GZIP)
                if chunk := member.decompress(rest, _CHUNK_BYTES):
                    yield chunk
                rest = member.unused_data if member.eof else member.unconsumed_tail
        except zlib.error as error:
            raise _damaged(str(error)) from error
    if not member.eof:
        raise _damaged("it ends too early")


def _damaged(why: str) -> ObjectFailed:
    return ObjectFailed("ClientError", f"ClientError: the object is not compressed with gzip, or damaged: {why}")
