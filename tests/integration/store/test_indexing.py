"""What is stored is found at once, though the full-text indexes have it only a little later."""

import dataclasses
from threading import Thread

import pytest

from sagesmith.store import Condition, Equal, Query, Search, Store, database
from tests.integration.store.documents import REGION, model


@pytest.fixture
def _idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is indexed in the background."""
    monkeypatch.setattr(database.Chore, "due", lambda chore: None)


def named(store: Store, part: str) -> list[str]:
    with store.read() as tx:
        return [each.name for each in tx.list(Query("model", REGION, name_contains=part, sort="name")).documents]


def sought(store: Store, condition: Condition) -> list[str]:
    with store.read(indexed=True) as tx:
        return sorted(each.name for each in tx.search(Search("model", REGION, condition)).documents)


def unindexed(store: Store) -> bool:
    with store.read() as tx:
        return tx.has_unindexed()


def create(store: Store, name: str, word: str = "red") -> None:
    with store.write() as tx:
        tx.create(model(name, body={"Word": word}, searchable=True), {"team": "a"})


@pytest.mark.usefixtures("_idle")
def test_a_new_document_is_found_before_it_is_indexed_and_after(store: Store) -> None:
    create(store, "churn-1")
    assert unindexed(store)
    assert named(store, "churn") == ["churn-1"]
    assert named(store, "other") == []
    assert sought(store, Equal("Word", "red")) == sought(store, Equal("Tags.team", "a")) == ["churn-1"]
    assert not unindexed(store)
    assert named(store, "churn") == ["churn-1"]


@pytest.mark.usefixtures("_idle")
def test_a_change_before_the_indexing_is_what_is_indexed(store: Store) -> None:
    create(store, "m")
    with store.write() as tx:
        document = tx.get("model", REGION, "m")
        assert document is not None
        tx.update(dataclasses.replace(document, body={"Word": "blue"}))
        tx.put_tags(document.arn, {"team": "b"})
    assert unindexed(store)
    assert sought(store, Equal("Word", "blue")) == sought(store, Equal("Tags.team", "b")) == ["m"]
    assert sought(store, Equal("Word", "red")) == sought(store, Equal("Tags.team", "a")) == []


@pytest.mark.usefixtures("_idle")
def test_what_is_deleted_before_the_indexing_leaves_nothing_and_its_name_is_free(store: Store) -> None:
    create(store, "gone")
    with store.write() as tx:
        tx.delete("model", REGION, "gone")
    assert not unindexed(store)
    assert named(store, "gone") == sought(store, Equal("Word", "red")) == []
    create(store, "gone", "blue")
    assert named(store, "gone") == sought(store, Equal("Word", "blue")) == ["gone"]
    with store.write() as tx:
        tx.delete("model", REGION, "gone")
    assert named(store, "gone") == sought(store, Equal("Word", "blue")) == []


@pytest.mark.usefixtures("_idle")
def test_more_than_a_batch_is_indexed_before_a_search(store: Store) -> None:
    for number in range(database.INDEX_BATCH + 3):
        create(store, f"m{number}")
    with store.read(indexed=True) as tx:
        assert tx.search(Search("model", REGION, Equal("Word", "red"))).total == database.INDEX_BATCH + 3
    assert not unindexed(store)


@pytest.mark.usefixtures("_idle")
def test_a_search_waits_for_a_new_document_that_another_transaction_is_changing(store: Store) -> None:
    create(store, "m")
    found: list[str] = []
    search = Thread(target=lambda: found.extend(sought(store, Equal("Word", "red"))))
    with store.write() as tx:
        tx.lock("model", REGION, "m", exclusive=True)
        search.start()
        search.join(0.5)
        assert search.is_alive()
    search.join()
    assert found == ["m"]


def test_what_a_dead_process_left_is_indexed_by_the_next(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as then:
        then.setattr(database.Chore, "due", lambda chore: None)
        dying = Store.open(url)
        create(dying, "m")
        dying.close()
    done = []
    index = database.Transaction.index

    def indexing(tx: database.Transaction, most: int) -> int:
        done.append(index(tx, most))
        return done[-1]

    monkeypatch.setattr(database.Transaction, "index", indexing)
    monkeypatch.setattr(database, "INDEX_AFTER_SECONDS", 0.0)
    store = Store.open(url)
    while unindexed(store):
        pass
    store.close()
    assert sum(done) == 1
