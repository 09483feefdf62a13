"""Answers that come in pieces, between a worker's thread and the event loop's."""

import asyncio
from collections import deque

from sagesmith.modelserver.streams import PieceStream


class _Interrupted(deque[bytes]):
    """Pieces of which the last comes, and the end, while the event loop looks whether there are any."""

    stream: PieceStream
    last: bytes | None = b"last"

    def __len__(self) -> int:
        found = super().__len__()
        last, self.last = self.last, None
        if last is not None:
            self.stream.put(last)
            self.stream.end()
        return found


def test_a_last_piece_that_comes_with_the_end_is_not_lost() -> None:
    async def read() -> list[bytes]:
        stream = PieceStream(asyncio.get_running_loop())
        pieces = _Interrupted()
        pieces.stream = stream
        stream._pieces = pieces
        return [piece async for piece in stream]

    assert asyncio.run(read()) == [b"last"]
