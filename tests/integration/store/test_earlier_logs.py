"""Logs that were stored before database revision 0009, when a chunk was of arrays instead of objects."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, insert, make_url, select, update

import sagesmith.store.migrations
from sagesmith.store import LogEvent, Store
from sagesmith.store.base import StreamEvent
from sagesmith.store.schema import log_chunks, log_groups, log_streams
from tests.integration.store.documents import REGION

TAKEN_MS = 5_000_000
MESSAGES = ("plain", 'a "quoted" \\ one', "},{", '},{"timestamp":1', '],["', "\n\x00ä😀", "")


def _lines(start: int, end: int) -> list[LogEvent]:
    return [
        LogEvent(1000 + at, f"{at} {MESSAGES[at % len(MESSAGES)]}" + "x" * 60, TAKEN_MS) for at in range(start, end)
    ]


def _earlier(events: Sequence[LogEvent], sealed: bool) -> bytes:
    payload = orjson.dumps([[event.timestamp_ms, event.ingestion_ms, event.message] for event in events])[1:-1]
    return zlib.compress(payload, 1) if sealed else payload


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Reaches the tables of `url` past the store."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed)
    yield engine
    engine.dispose()


def _chunks(connection: Connection) -> Sequence[Any]:
    return connection.execute(select(log_chunks).order_by(log_chunks.c.stream_id, log_chunks.c.first_sequence)).all()


@pytest.fixture
def lines(store: Store, engine: Engine) -> list[LogEvent]:
    """What stream `s` of group `g` holds, every chunk of it in the earlier form, the last one open."""
    lines = _lines(0, 2000)
    with store.write() as tx:
        for start in range(0, len(lines), 100):
            tx.append_log(REGION, "g", "s", lines[start : start + 100])
    with engine.begin() as connection:
        chunks = _chunks(connection)
        assert [chunk.sealed for chunk in chunks] == [1] * (len(chunks) - 1) + [0]
        assert len(chunks) > 2
        for chunk in chunks:
            payload = _earlier(lines[chunk.first_sequence - 1 : chunk.last_sequence], bool(chunk.sealed))
            of = log_chunks.c.first_sequence == chunk.first_sequence
            connection.execute(update(log_chunks).where(of).values(payload=payload))
    return lines


@pytest.mark.parametrize("forward", [True, False])
def test_pages_of_earlier_logs_have_their_events_and_no_more_bytes_than_fit(
    store: Store, lines: list[LogEvent], forward: bool
) -> None:
    found: list[LogEvent] = []
    with store.read() as tx:
        place: dict[str, int] = {}
        while (page := tx.read_log(REGION, "g", "s", **place, max_bytes=10_000, forward=forward)).last_sequence:
            assert len(page.encoded) <= 10_000 + 2
            found = found + page.events() if forward else page.events() + found
            place = {"after_sequence": page.last_sequence} if forward else {"before_sequence": page.first_sequence}
    assert found == lines


@pytest.mark.parametrize("forward", [True, False])
def test_a_range_of_earlier_logs_is_read_by_sequence_by_time_and_by_count(
    store: Store, lines: list[LogEvent], forward: bool
) -> None:
    with store.read() as tx:
        between = tx.read_log(REGION, "g", "s", after_sequence=500, before_sequence=1600, forward=forward)
        assert between.events() == lines[500:1599]
        timed = tx.read_log(REGION, "g", "s", start_ms=1900, end_ms=2400, forward=forward)
        assert (timed.first_sequence, timed.last_sequence) == (901, 1400)
        assert timed.events() == lines[900:1400]
        few = tx.read_log(REGION, "g", "s", limit=3, forward=forward)
        assert few.events() == (lines[:3] if forward else lines[-3:])


def test_earlier_logs_are_filtered(store: Store, lines: list[LogEvent]) -> None:
    with store.write() as tx:
        tx.append_log(REGION, "g", "t", [LogEvent(1500, "of another stream", TAKEN_MS)])
        found: list[StreamEvent] = []
        token = None
        while not found or token is not None:
            page, token = tx.filter_logs(REGION, "g", matches=lambda message: "ä" not in message, limit=99, token=token)
            found += page
    shown = [(each.event.timestamp_ms, each.event.message) for each in found if each.stream == "s"]
    assert shown == [(each.timestamp_ms, each.message) for each in lines if "ä" not in each.message]
    assert {each.event.ingestion_ms for each in found} == {TAKEN_MS}
    assert [each.event.message for each in found if each.stream == "t"] == ["of another stream"]


@pytest.mark.parametrize("step", [1, 40, 1500])
def test_what_is_appended_to_earlier_logs_comes_behind_them(
    store: Store, engine: Engine, lines: list[LogEvent], step: int
) -> None:
    more = _lines(len(lines), len(lines) + 3 * step)
    with engine.connect() as connection:
        before = _chunks(connection)
    for start in range(0, len(more), step):
        with store.write() as tx:
            tx.append_log(REGION, "g", "s", more[start : start + step])
    with store.read() as tx:
        assert tx.read_log(REGION, "g", "s").events() == [*lines, *more]
        assert tx.read_log(REGION, "g", "s", forward=False, limit=step + 7).events() == [*lines, *more][-step - 7 :]
    with engine.connect() as connection:
        after = _chunks(connection)
    sealed = len(before) - 1
    assert after[:sealed] == before[:sealed]
    for chunk in after[sealed:]:
        payload = zlib.decompress(chunk.payload) if chunk.sealed else bytes(chunk.payload)
        events = orjson.loads(b"[" + payload + b"]")
        assert [event["message"] for event in events] == [
            each.message for each in [*lines, *more][chunk.first_sequence - 1 : chunk.last_sequence]
        ]


def test_an_open_chunk_that_is_full_once_it_is_of_objects_is_sealed_by_the_next_append(
    store: Store, engine: Engine
) -> None:
    """Short lines take twice the room as objects: what was half a chunk is more than a whole one."""
    lines = [LogEvent(1000 + at, "x", TAKEN_MS) for at in range(1500)]
    with store.write() as tx:
        tx.append_log(REGION, "g", "s", lines[:1])
    with engine.begin() as connection:
        grown = {
            "last_sequence": len(lines),
            "max_ms": lines[-1].timestamp_ms,
            "payload": _earlier(lines, sealed=False),
        }
        connection.execute(update(log_chunks).values(grown))
        connection.execute(update(log_streams).values(last_sequence=len(lines)))
    more = [LogEvent(9000 + at, "y", TAKEN_MS) for at in range(3)]
    with store.write() as tx:
        tx.append_log(REGION, "g", "s", more)
        assert tx.read_log(REGION, "g", "s").events() == [*lines, *more]
    with engine.connect() as connection:
        assert [(chunk.first_sequence, chunk.sealed) for chunk in _chunks(connection)] == [(1, 1)]


def test_an_upgrade_leaves_chunks_as_they_are_for_a_start_waits_for_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    lines = _lines(0, 30)
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(sagesmith.store.migrations.__path__[0])))
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        times = {"first_ms": 1000, "last_ms": 1029, "last_ingestion_ms": TAKEN_MS, "created_ms": 1}
        name = {"region": REGION, "log_group": "g", "name": "s"}
        connection.execute(insert(log_groups).values(region=REGION, name="g", created_ms=1))
        connection.execute(
            insert(log_streams).values(id=1, **name, **times, last_sequence=30, source_offset=0, stored_bytes=1)
        )
        for first, last, sealed in ((1, 20, True), (21, 30, False)):
            span = {"first_sequence": first, "last_sequence": last, "min_ms": 999 + first, "max_ms": 999 + last}
            payload = _earlier(lines[first - 1 : last], sealed)
            connection.execute(insert(log_chunks).values(stream_id=1, **span, sealed=int(sealed), payload=payload))
        before = _chunks(connection)
    store = Store.open(url)
    with store.read() as tx:
        assert tx.read_log(REGION, "g", "s").events() == lines
    store.close()
    with engine.connect() as connection:
        assert _chunks(connection) == before
    engine.dispose()
