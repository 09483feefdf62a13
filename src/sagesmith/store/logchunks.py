"""What a chunk of a log stream holds, and how pieces are cut out of it.

A payload is a run of events as CloudWatch Logs answers them, JSON objects with commas between, so that a page of
thousands of events is a few payloads in a row: nothing is parsed, and no object is made for an event.

What was stored before database revision 0009 has arrays [timestamp, ingestion time, message] in their place. It stays
so: whoever reads a chunk makes the objects (`modern`), and the last of a stream is stored anew when it grows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sagesmith.store.base import LogEvent

PACKED_BYTES = 76
"""What a payload has for an event besides its message, about."""

_FIRST = b'{"timestamp":'
_NEXT = b"}," + _FIRST
"""What stands between two events, and nowhere else: within a string its quotes would be escaped."""


def pack(events: Sequence[LogEvent], now_ms: int) -> bytes:
    """Events as a payload; those without an ingestion time came in now."""
    return orjson.dumps(
        [{"timestamp": at, "ingestionTime": taken or now_ms, "message": message} for at, message, taken, _ in events]
    )[1:-1]


def modern(payload: bytes) -> bytes:
    """A stored payload, whichever of the two forms it has, in the form that `pack` makes."""
    if not payload.startswith(b"["):
        return payload
    return orjson.dumps(
        [
            {"timestamp": at, "ingestionTime": taken, "message": message}
            for at, taken, message in orjson.loads(b"[" + payload + b"]")
        ]
    )[1:-1]


def unpack(payload: bytes) -> list[tuple[int, int, str]]:
    """A payload's events as (timestamp, ingestion time, message)."""
    events: list[dict[str, Any]] = orjson.loads(b"[" + payload + b"]")
    return [(event["timestamp"], event["ingestionTime"], event["message"]) for event in events]


@dataclass(slots=True)
class Piece:
    """Some events of one chunk.

    Attributes:
        sequences: of its events, ascending.
    """

    payload: bytes
    sequences: Sequence[int]

    def between(self, after: int, before: int) -> None:
        """Leave events whose sequence lies between two, both exclusive. Only of a piece that is a whole chunk."""
        first, last = self.sequences[0], self.sequences[-1]
        self._leave(max(after + 1 - first, 0), min(before, last + 1) - first)

    def within(self, start_ms: int | None, end_ms: int | None) -> None:
        """Leave events that are not earlier than the one time and earlier than the other."""
        events: list[dict[str, Any]] = orjson.loads(b"[" + self.payload + b"]")
        left = [
            (event, sequence)
            for event, sequence in zip(events, self.sequences, strict=True)
            if (start_ms is None or event["timestamp"] >= start_ms) and (end_ms is None or event["timestamp"] < end_ms)
        ]
        self.payload = orjson.dumps([event for event, _ in left])[1:-1]
        self.sequences = [sequence for _, sequence in left]

    def limit(self, events: int, room: int | None, forward: bool, least: int) -> None:
        """Leave so many events at the most, the first ones, or the last if not `forward`.

        Args:
            room: bytes that they may have together.
            least: how many stay even if they have more.
        """
        self._leave_at_end(events, forward)
        if room is not None and len(self.payload) > room:
            self._leave_at_end(max(self._fitting(room, forward), least), forward)

    def _fitting(self, room: int, forward: bool) -> int:
        """How many events at that end have so many bytes, which are fewer than all have."""
        if forward:
            end = self.payload.rfind(_NEXT, 0, max(room - 1, 0) + len(_NEXT))
            return 0 if end < 0 else self.payload.count(_NEXT, 0, end) + 1
        start = self.payload.find(_NEXT, len(self.payload) - room - 2)
        return 0 if start < 0 else self.payload.count(_NEXT, start)

    def _leave_at_end(self, events: int, forward: bool) -> None:
        count = len(self.sequences)
        if events < count:
            self._leave(0, events) if forward else self._leave(count - events, count)

    def _leave(self, start: int, end: int) -> None:
        """Leave the events from one place to another, as a slice of a list does."""
        count = len(self.sequences)
        if start >= end:
            self.payload, self.sequences = b"", ()
            return
        if end < count:
            rest = self.payload.split(_NEXT, end)[-1]
            self.payload = self.payload[: len(self.payload) - len(rest) - len(_NEXT) + 1]
        if start > 0:
            self.payload = _FIRST + self.payload.split(_NEXT, start)[-1]
        self.sequences = self.sequences[start:end]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Events of one stream in their order.

    Attributes:
        encoded: a JSON array of objects with `timestamp`, `ingestionTime` (milliseconds since the epoch) and `message`.
        first_sequence, last_sequence: of the events at its ends, 0 if there is none.
    """

    encoded: bytes
    first_sequence: int
    last_sequence: int

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> "LogPage":
        """The page of pieces that have an event each at least."""
        pieces = list(pieces)
        encoded = b"".join((b"[", b",".join([piece.payload for piece in pieces]), b"]"))
        if not pieces:
            return cls(encoded, 0, 0)
        return cls(encoded, pieces[0].sequences[0], pieces[-1].sequences[-1])

    def events(self) -> list[LogEvent]:
        """The events as objects, their sequence left out."""
        return [LogEvent(at, message, taken) for at, taken, message in unpack(self.encoded[1:-1])]
