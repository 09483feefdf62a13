"""Events in the store: in the order of their commits, whoever reads and whenever."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from sagesmith.store import Document, InvalidToken, Store, Transaction
from tests.integration.store.documents import REGION, model


def put(store: Store, *numbers: int) -> None:
    with store.write() as tx:
        for number in numbers:
            tx.put_event(REGION, {"number": number})


def read(store: Store, cursor: str | None = None, limit: int = 100) -> tuple[list[Any], str]:
    with store.read() as tx:
        page = tx.events(cursor, limit)
    return [each["number"] for each in page.events], page.cursor


def test_events_are_read_in_their_order_from_a_cursor_on(store: Store) -> None:
    put(store, 1, 2)
    put(store, 3)
    first, cursor = read(store, limit=2)
    second, cursor = read(store, cursor, limit=2)
    assert (first, second) == ([1, 2], [3])
    nothing, same = read(store, cursor)
    assert (nothing, same) == ([], cursor)
    put(store, 4)
    assert read(store, cursor)[0] == [4]


def test_a_reader_that_begins_before_the_first_event_misses_none(store: Store) -> None:
    nothing, cursor = read(store)
    put(store, 1)
    assert nothing == []
    assert read(store, cursor)[0] == [1]


def test_events_stay_in_order_when_the_clock_goes_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, 1)
    _, cursor = read(store)
    monkeypatch.setattr(time, "time_ns", lambda: 1_000)
    put(store, 2)
    put(store, 3)
    assert read(store, cursor)[0] == [2, 3]


def test_a_reader_beside_many_writers_misses_no_event(store: Store) -> None:
    def write(writer: int) -> None:
        for number in range(10):
            put(store, writer * 100 + number, writer * 100 + 50 + number)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for each in writers:
        each.start()
    seen: list[int] = []
    cursor: str | None = None
    while len(seen) < 80 and (any(each.is_alive() for each in writers) or read(store, cursor)[0]):
        found, cursor = read(store, cursor, limit=7)
        seen += found
    for each in writers:
        each.join()
    assert sorted(seen) == sorted(
        writer * 100 + number for writer in range(4) for number in (*range(10), *range(50, 60))
    )
    assert [each for each in seen if each < 50] == list(range(10))


def test_an_event_of_a_transaction_that_failed_is_none(store: Store) -> None:
    with pytest.raises(LookupError), store.write() as tx:
        tx.put_event(REGION, {"number": 1})
        raise LookupError
    assert read(store)[0] == []


def test_a_cursor_that_is_not_ours_is_refused(store: Store) -> None:
    with store.read() as tx, pytest.raises(InvalidToken):
        tx.events("mine")


def test_pruning_removes_old_events_and_a_reader_goes_on_behind_them(store: Store) -> None:
    put(store, 1, 2, 3)
    _, cursor = read(store, limit=1)
    with store.write() as tx:
        assert tx.prune_events(0, limit=10) == 0
        assert tx.prune_events(2**60, limit=2) == 2
    assert read(store, cursor)[0] == [3]


def test_every_change_of_a_document_is_told_within_its_transaction(store: Store) -> None:
    told: list[tuple[str | None, str | None]] = []

    def observe(tx: Transaction, before: Document | None, after: Document | None) -> None:
        told.append((before and before.status, after and after.status))
        tx.put_event(REGION, {"number": len(told)})

    store.on_change(observe)
    with store.write() as tx:
        document = tx.create(model("a", status="Creating"))
        tx.update(replace(document, status="InService"))
    with store.write() as tx:
        tx.delete("model", REGION, "a")
    assert told == [(None, "Creating"), ("Creating", "InService"), ("InService", None)]
    assert read(store)[0] == [1, 2, 3]


def test_a_change_that_cannot_be_told_is_not_made(store: Store) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    store.on_change(refuse)
    with pytest.raises(OSError, match="disk full"), store.write() as tx:
        tx.create(model("a"))
    with store.read() as tx:
        assert tx.get("model", REGION, "a") is None
