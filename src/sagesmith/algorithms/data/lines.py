"""Text in blocks of whole lines, each of which knows where it stands."""

from collections.abc import Iterator
from typing import NamedTuple

from sagesmith.algorithms.data.checks import other_kind
from sagesmith.algorithms.data.recordio import Stream, room
from sagesmith.algorithms.errors import Unreadable

BLOCK_BYTES = 8 << 20
_BOM = b"\xef\xbb\xbf"


class Block(NamedTuple):
    """Whole lines.

    Attributes:
        data: their bytes; only a file's last line may be without its end.
        line: the number of the first, from 1.
    """

    data: bytes
    line: int

    def text(self, name: str) -> str:
        """The lines as text.

        Raises:
            Unreadable: they are none.
        """
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            line = self.line + self.data.count(b"\n", 0, error.start)
            kind = other_kind(self.data) if self.line == 1 else ""
            byte = self.data[error.start]
            raise Unreadable(f"{name}, line {line}", f"Byte 0x{byte:02x} is not UTF-8 text{kind}") from None


def blocks(stream: Stream, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The lines of a stream, as many at a time as `size` bytes hold; longer ones whole too."""
    buffer = bytearray(room(stream, size))
    filled, line, ended = 0, 1, False
    while not ended:
        while filled < len(buffer) and not ended:
            with memoryview(buffer) as view:
                read = stream.readinto(view[filled:])
            ended = not read
            filled += read or 0
        stop = filled if ended else buffer.rfind(b"\n", 0, filled) + 1
        if stop:
            data = bytes(memoryview(buffer)[:stop])
            yield Block(data.removeprefix(_BOM) if line == 1 else data, line)
            line += data.count(b"\n")
        rest = filled - stop
        if rest == len(buffer):
            buffer += bytes(len(buffer))
        elif stop and rest:
            buffer[:rest] = buffer[stop:filled]
        filled = rest
