import random
import threading

import pytest

from sagesmith.store import AlreadyExists, InvalidToken, LogEvent, NotFound, Store
from sagesmith.store.base import StreamEvent

R = "us-east-1"


def _lines(count: int, start: int = 0, size: int = 40) -> list[LogEvent]:
    return [LogEvent(1000 + number, f"line {number} " + "x" * size) for number in range(start, start + count)]


def test_groups_and_streams_are_made_listed_and_deleted(store: Store) -> None:
    with store.write() as tx:
        tx.create_log_group(R, "/aws/a")
        with pytest.raises(AlreadyExists):
            tx.create_log_group(R, "/aws/a")
        tx.create_log_stream(R, "/aws/a", "s")
        with pytest.raises(AlreadyExists):
            tx.create_log_stream(R, "/aws/a", "s")
        with pytest.raises(NotFound):
            tx.create_log_stream(R, "/aws/none", "s")
        tx.append_log(R, "/aws/a", "s", _lines(3))
        assert [stream.name for stream in tx.log_streams(R, "/aws/a")[0]] == ["s"]
        tx.delete_log_stream(R, "/aws/a", "s")
        with pytest.raises(NotFound):
            tx.read_log(R, "/aws/a", "s")
        tx.append_log(R, "/aws/a", "s", _lines(1))
        assert tx.read_log(R, "/aws/a", "s").last_sequence == 1
        tx.delete_log_group(R, "/aws/a")
        assert tx.log_groups(R) == ([], None)
        assert tx.log_stream(R, "/aws/a", "s") is None
        for call in (tx.delete_log_group, tx.log_streams):
            with pytest.raises(NotFound):
                call(R, "/aws/a")
        with pytest.raises(NotFound):
            tx.set_log_retention(R, "/aws/a", 7)


def test_groups_are_paged_by_name_within_prefix_and_part(store: Store) -> None:
    names = [f"/aws/{part}/{number}" for part in ("a", "b") for number in range(5)]
    with store.write() as tx:
        for name in names:
            tx.create_log_group(R, name)
        tx.create_log_group("eu-west-1", "/aws/a/9")
        tx.set_log_retention(R, names[0], 7)
        first, token = tx.log_groups(R, prefix="/aws/b", limit=3)
        assert token is not None
        second, end = tx.log_groups(R, prefix="/aws/b", limit=3, token=token)
        assert [group.name for group in first + second] == names[5:]
        assert end is None
        assert [group.name for group in tx.log_groups(R, contains="/3")[0]] == ["/aws/a/3", "/aws/b/3"]
        assert tx.log_groups(R)[0][0].retention_days == 7
        with pytest.raises(InvalidToken):
            tx.log_groups(R, token="x")


@pytest.mark.parametrize("descending", [False, True])
def test_streams_are_paged_by_name_and_by_last_event(store: Store, descending: bool) -> None:
    with store.write() as tx:
        for number in range(7):
            tx.append_log(R, "g", f"s{number}", [LogEvent(1000 * ((number * 3) % 7), "m")])
        tx.create_log_stream(R, "g", "t")
        for order, key in (("name", lambda s: s.name), ("last_event", lambda s: (s.last_ms or 0, s.name))):
            found, token = tx.log_streams(R, "g", "", order, descending, 3)  # type: ignore[arg-type]
            while token is not None:
                more, token = tx.log_streams(R, "g", "", order, descending, 3, token)  # type: ignore[arg-type]
                found += more
            assert found == sorted(found, key=key, reverse=descending)
            assert len(found) == 8
        assert [stream.name for stream in tx.log_streams(R, "g", prefix="s", limit=2)[0]] == ["s0", "s1"]
        token = tx.log_streams(R, "g", limit=2)[1]
        with pytest.raises(InvalidToken):
            tx.log_streams(R, "g", order_by="last_event", limit=2, token=token)


def test_events_come_back_as_they_were_in_batches_of_any_size(store: Store) -> None:
    lines = _lines(5000)
    chance = random.Random(2)
    at = 0
    with store.write() as tx:
        while at < len(lines):
            step = chance.choice([1, 2, 50, 900])
            tx.append_log(R, "g", "s", lines[at : at + step])
            at += step
    with store.read() as tx:
        page = tx.read_log(R, "g", "s")
        assert [(e.timestamp_ms, e.message) for e in page.events()] == [(e.timestamp_ms, e.message) for e in lines]
        assert (page.first_sequence, page.last_sequence) == (1, 5000)
        stream = tx.log_stream(R, "g", "s")
    assert stream is not None
    assert (stream.first_ms, stream.last_ms, stream.last_sequence) == (1000, 5999, 5000)
    assert stream.stored_bytes == sum(len(e.message) + 26 for e in lines)


def test_pages_forward_and_backward_meet(store: Store) -> None:
    with store.write() as tx:
        for start in range(0, 9000, 1000):
            tx.append_log(R, "g", "s", _lines(1000, start, size=100))
    with store.read() as tx:
        everything = tx.read_log(R, "g", "s").events()
        forward: list[LogEvent] = []
        after = 0
        while (page := tx.read_log(R, "g", "s", after_sequence=after, limit=700)).last_sequence:
            forward += page.events()
            after = page.last_sequence
        backward: list[LogEvent] = []
        before = None
        while (page := tx.read_log(R, "g", "s", before_sequence=before, limit=700, forward=False)).last_sequence:
            backward = page.events() + backward
            before = page.first_sequence
        assert forward == backward == everything
        assert len(everything) == 9000
        between = tx.read_log(R, "g", "s", after_sequence=4000, before_sequence=4004)
        assert (between.first_sequence, between.last_sequence) == (4001, 4003)
        assert between.events() == everything[4000:4003]
        timed = tx.read_log(R, "g", "s", start_ms=3000, end_ms=3005, forward=False, limit=3)
        assert [e.timestamp_ms for e in timed.events()] == [3002, 3003, 3004]
        assert (timed.first_sequence, timed.last_sequence) == (2003, 2005)


@pytest.mark.parametrize("forward", [True, False])
def test_a_page_has_as_many_events_as_fit_and_one_at_least(store: Store, forward: bool) -> None:
    with store.write() as tx:
        tx.append_log(R, "g", "s", _lines(2000, size=100))
        everything = tx.read_log(R, "g", "s").events()
        for size in (1, 180, 1000, 5000, 65_536, 70_000, 150_001):
            page = tx.read_log(R, "g", "s", max_bytes=size, forward=forward)
            count = page.last_sequence - page.first_sequence + 1
            assert page.events() == (everything[:count] if forward else everything[-count:])
            assert len(page.encoded) <= size + 2 or count == 1
            wider = tx.read_log(R, "g", "s", limit=count + 1, forward=forward)
            assert len(wider.encoded) > size


def test_a_message_that_looks_like_what_stands_between_events_does_not_divide_a_page(store: Store) -> None:
    messages = ['},{"timestamp":', '\\"},{"timestamp":1', '{"timestamp":1,"message":"}', "\\"] * 3
    with store.write() as tx:
        tx.append_log(R, "g", "s", [LogEvent(number, message) for number, message in enumerate(messages)])
        for after in range(12):
            for limit in range(1, 12 - after):
                page = tx.read_log(R, "g", "s", after_sequence=after, limit=limit)
                assert [event.message for event in page.events()] == messages[after : after + limit]


def test_a_very_long_line_is_stored_whole(store: Store) -> None:
    message = "ü" * 300_000
    with store.write() as tx:
        tx.append_log(R, "g", "s", [LogEvent(1, "a"), LogEvent(2, message), LogEvent(3, '"\\\n\x00')])
        assert [e.message for e in tx.read_log(R, "g", "s").events()] == ["a", message, '"\\\n\x00']


def test_the_offset_of_the_source_is_stored_with_the_lines_or_not_at_all(store: Store) -> None:
    with store.write() as tx:
        assert tx.log_offset(R, "g", "s") == 0
        tx.append_log(R, "g", "s", _lines(1), source_offset=100)
    with pytest.raises(KeyError), store.write() as tx:
        tx.append_log(R, "g", "s", _lines(1, 1), source_offset=200)
        raise KeyError
    with store.write() as tx:
        assert tx.log_offset(R, "g", "s") == 100
        assert tx.read_log(R, "g", "s").last_sequence == 1
        tx.append_log(R, "g", "s", [], source_offset=300)
        tx.append_log(R, "g", "s", _lines(1, 1))
        assert tx.log_offset(R, "g", "s") == 300


def test_several_streams_are_read_in_the_order_of_time(store: Store) -> None:
    chance = random.Random(3)
    written: list[tuple[int, str]] = []
    with store.write() as tx:
        for number in range(60):
            stream = f"s{number % 3}"
            events = [LogEvent(chance.randrange(5000), f"{number}-{at} " + "y" * 400) for at in range(100)]
            tx.append_log(R, "g", stream, events)
            written += [(e.timestamp_ms, e.message) for e in events]
    with store.read() as tx:
        found: list[StreamEvent] = []
        token = None
        while True:
            page, token = tx.filter_logs(R, "g", limit=999, token=token)
            found += page
            if token is None:
                break
        assert sorted((f.event.timestamp_ms, f.event.message) for f in found) == sorted(written)
        times = [f.event.timestamp_ms for f in found]
        assert times == sorted(times)
        part, _ = tx.filter_logs(R, "g", ["s1"], start_ms=1000, end_ms=1100, matches=lambda message: "1-" in message)
        assert part == [
            f for f in found if f.stream == "s1" and 1000 <= f.event.timestamp_ms < 1100 and "1-" in f.event.message
        ]
        assert tx.filter_logs(R, "g", prefix="t") == ([], None)
        none, more = tx.filter_logs(R, "g", matches=lambda _: False, max_scanned=10)
        assert none == []
        assert more is not None
        with pytest.raises(NotFound):
            tx.filter_logs(R, "g", ["none"])
        with pytest.raises(InvalidToken):
            tx.filter_logs(R, "g", token="none")


def test_threads_that_write_to_one_stream_lose_no_line(store: Store) -> None:
    def write(number: int) -> None:
        for at in range(10):
            with store.write() as tx:
                tx.append_log(R, "g", "s", [LogEvent(at, f"{number}-{at}")])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        page = tx.read_log(R, "g", "s")
    events = page.events()
    assert (len(events), page.first_sequence, page.last_sequence) == (80, 1, 80)
    assert {e.message for e in events} == {f"{number}-{at}" for number in range(8) for at in range(10)}


def test_old_events_of_short_streams_are_freed_and_what_comes_after_them_is_read(store: Store) -> None:
    with store.write() as tx:
        tx.append_log(R, "/aws/a", "quiet", _lines(3), source_offset=100)
        tx.append_log(R, "/aws/a", "lively", _lines(3))
        tx.append_log(R, "/aws/a", "lively", [LogEvent(90_000, "new")])
        assert tx.expire_log(R, "/aws/a", 50_000) == 1
        assert tx.read_log(R, "/aws/a", "quiet").events() == []
        assert len(tx.read_log(R, "/aws/a", "lively").events()) == 4
        assert tx.log_offset(R, "/aws/a", "quiet") == 100
        tx.append_log(R, "/aws/a", "quiet", [LogEvent(60_000, "again")], source_offset=110)
        page = tx.read_log(R, "/aws/a", "quiet")
        assert [(event.message, page.first_sequence) for event in page.events()] == [("again", 4)]


def test_what_is_freed_at_once_is_bounded_and_reading_goes_on_behind_it(store: Store) -> None:
    with store.write() as tx:
        for start in range(0, 4000, 250):
            tx.append_log(R, "g", "s", _lines(250, start, size=200))
        whole = tx.read_log(R, "g", "s").events()
        counts = [tx.expire_log(R, "g", 4000, limit=8) for _ in range(3)]
        left = tx.read_log(R, "g", "s").events()
    assert counts[0] == 8
    assert 0 < counts[1] < 8
    assert counts[2] == 0
    assert left == whole[-len(left) :]
    assert 1000 <= len(left) < 2000


def test_a_page_of_what_was_appended_at_once_is_read_from_few_chunks(store: Store) -> None:
    lines = _lines(10_000, size=100)
    with store.write() as tx:
        tx.append_log(R, "g", "s", lines[:300])
        tx.append_log(R, "g", "s", lines[300:])
        page = tx.read_log(R, "g", "s", max_bytes=1 << 20)
        assert [event.message for event in page.events()] == [line.message for line in lines[: page.last_sequence]]
        assert 5000 < page.last_sequence < 7000
        # All 1.8 MB of it, which is removed a chunk at a time.
        assert 0 < tx.expire_log(R, "g", 20_000) <= 16


def test_events_of_any_size_are_read_as_they_were_appended(store: Store) -> None:
    chance = random.Random(7)
    events = [LogEvent(number, "\n\x00ä😀"[number % 4] * chance.choice((0, 3, 900, 200_000))) for number in range(120)]
    place = 0
    with store.write() as tx:
        while place < len(events):
            count = chance.randrange(1, 40)
            tx.append_log(R, "g", "s", events[place : place + count])
            place += count
        found: list[LogEvent] = []
        while (page := tx.read_log(R, "g", "s", after_sequence=len(found), max_bytes=300_000)).last_sequence:
            assert page.first_sequence == len(found) + 1
            found += page.events()
            assert page.last_sequence == len(found)
    assert [(event.timestamp_ms, event.message) for event in found] == [(each[0], each[1]) for each in events]
