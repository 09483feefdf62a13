import threading
import time
from dataclasses import replace

import pytest

from sagesmith.store import AlreadyExists, NotFound, Query, Store, VersionConflict
from tests.integration.store.documents import REGION, model


def test_what_was_created_is_read_back_whole(store: Store) -> None:
    body = {
        "Text": "ünïcode \U0001f600 \x00",
        "Number": 1.5,
        "Big": 2**53,
        "None": None,
        "List": [{"a": []}],
        "Yes": True,
    }
    document = model("a", body=body, parent="p", status="InService", facets={"endpoint": "e"})
    with store.write() as tx:
        created = tx.create(document)
    with store.read() as tx:
        assert tx.get("model", REGION, "a") == created
        assert tx.get_by_arn(document.arn) == created
    assert created.body == body
    assert created.version == 1
    assert created.created_at == created.updated_at == pytest.approx(time.time(), abs=60)


def test_times_that_are_given_are_kept_to_the_microsecond(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("a", created_at=1795246291.123456, updated_at=1795246292.654321))
    with store.read() as tx:
        document = tx.get("model", REGION, "a")
    assert document is not None
    assert (document.created_at, document.updated_at) == (1795246291.123456, 1795246292.654321)


def test_a_second_document_of_the_same_key_is_refused_and_the_transaction_goes_on(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("a", body={"n": 1}))
        with pytest.raises(AlreadyExists):
            tx.create(model("a", body={"n": 2}))
        with pytest.raises(AlreadyExists):
            tx.create(model("other", arn=model("a").arn))
        tx.create(model("b"))
    with store.read() as tx:
        assert [d.body for d in tx.list(Query("model", REGION, sort="name", descending=False)).documents] == [
            {"n": 1},
            {"ModelName": "b"},
        ]


def test_regions_and_kinds_do_not_see_each_other(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("a"))
        tx.create(model("a", region="eu-west-1"))
        tx.create(model("a", kind="endpoint", arn="arn:endpoint"))
        assert tx.count(Query("model", REGION)) == 1
        tx.delete("model", REGION, "a")
        assert tx.get("model", "eu-west-1", "a") is not None
        assert tx.get("endpoint", REGION, "a") is not None


def test_documents_without_an_arn_do_not_collide(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("a", arn=""))
        assert tx.create(model("b", arn="")).arn == ""


def test_an_update_replaces_what_may_change_and_nothing_else(store: Store) -> None:
    with store.write() as tx:
        created = tx.create(model("a", status="Creating", created_at=1.0, updated_at=1.0))
        updated = tx.update(replace(created, status="InService", body={"x": 1}, facets={"f": "v"}, created_at=9.0))
    with store.read() as tx:
        assert tx.get("model", REGION, "a") == updated
    assert (updated.version, updated.status, updated.body, updated.created_at) == (2, "InService", {"x": 1}, 1.0)
    assert updated.updated_at > 1.0


def test_an_update_may_leave_the_time_of_the_last_change_alone(store: Store) -> None:
    with store.write() as tx:
        created = tx.create(model("a", updated_at=5.0))
        assert tx.update(replace(created, status="x"), touch=False).updated_at == 5.0


def test_an_update_of_what_was_read_before_another_update_is_refused(store: Store) -> None:
    with store.write() as tx:
        created = tx.create(model("a"))
    with store.write() as tx:
        tx.update(replace(created, body={"by": "first"}))
    with store.write() as tx, pytest.raises(VersionConflict):
        tx.update(replace(created, body={"by": "second"}))
    with store.read() as tx:
        document = tx.get("model", REGION, "a")
    assert document is not None
    assert (document.body, document.version) == ({"by": "first"}, 2)


def test_what_does_not_exist_cannot_be_updated_or_deleted(store: Store) -> None:
    with store.write() as tx:
        with pytest.raises(NotFound):
            tx.update(model("a"))
        with pytest.raises(NotFound):
            tx.delete("model", REGION, "a")
        assert tx.get("model", REGION, "a") is None
        assert tx.get_by_arn("arn:none") is None


def test_a_deleted_document_takes_tags_and_facets_with_it(store: Store) -> None:
    document = model("abcdef", facets={"f": "v"})
    query = Query("model", REGION, facets={"f": "v"}, name_contains="bcd")
    with store.write() as tx:
        tx.create(document, {"k": "v"})
        tx.delete("model", REGION, "abcdef")
        assert tx.tags(document.arn) == {}
        tx.create(replace(document, facets={}))
        assert tx.tags(document.arn) == {}
        assert tx.list(query).documents == []
        assert tx.count(replace(query, facets={})) == 1


def test_tags_are_put_replaced_and_removed(store: Store) -> None:
    arn = model("a").arn
    with store.write() as tx:
        tx.create(model("a"), {"b": "1", "a": "2"})
        tx.put_tags(arn, {"b": "3", "c": ""})
        tx.remove_tags(arn, ["a", "none"])
        tx.put_tags(arn, {})
        tx.remove_tags(arn, [])
    with store.read() as tx:
        assert tx.tags(arn) == {"b": "3", "c": ""}


def test_a_write_that_raises_changes_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as tx:
        tx.create(model("a"), {"k": "v"})
        tx.append_log(REGION, "g", "s", [])
        1 / 0  # noqa: B018
    with store.read() as tx:
        assert tx.get("model", REGION, "a") is None
        assert tx.tags(model("a").arn) == {}
        assert tx.log_group(REGION, "g") is None


def test_a_read_sees_one_moment_however_long_it_takes(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("a"))
    with store.read() as reading:
        assert reading.count(Query("model", REGION)) == 1
        with store.write() as tx:
            tx.create(model("b"))
        assert reading.count(Query("model", REGION)) == 1
    with store.read() as reading:
        assert reading.count(Query("model", REGION)) == 2


def test_a_thread_that_writes_within_its_own_write_is_told_so(store: Store) -> None:
    with store.write(), pytest.raises(RuntimeError), store.write():
        pass
    with store.write() as tx:
        tx.create(model("a"))


def test_32_threads_that_count_up_one_document_lose_no_count(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("counter", body={"n": 0}))

    def count_up() -> None:
        for _ in range(5):
            while True:
                try:
                    with store.write() as tx:
                        document = tx.get("model", REGION, "counter")
                        assert document is not None
                        tx.update(replace(document, body={"n": document.body["n"] + 1}))
                    break
                except VersionConflict:
                    continue

    threads = [threading.Thread(target=count_up) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        document = tx.get("model", REGION, "counter")
    assert document is not None
    assert (document.body, document.version) == ({"n": 160}, 161)


def test_of_32_threads_that_create_one_name_exactly_one_does(store: Store) -> None:
    made: list[int] = []

    def create(number: int) -> None:
        try:
            with store.write() as tx:
                tx.create(model("same", body={"by": number}))
        except AlreadyExists:
            return
        made.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        document = tx.get("model", REGION, "same")
    assert document is not None
    assert made == [document.body["by"]]


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_document_that_is_locked_is_deleted_only_by_who_sees_what_came_meanwhile(
    store: Store, exclusive: bool
) -> None:
    with store.write() as tx:
        tx.create(model("parent"))
    seen: list[int] = []
    done = threading.Event()

    def delete() -> None:
        with store.write() as tx:
            assert tx.lock("model", REGION, "parent", exclusive=True) is not None
            seen.append(tx.count(Query(kind="model", region=REGION, parent="parent")))
            tx.delete("model", REGION, "parent")
        done.set()

    with store.write() as tx:
        assert tx.lock("model", REGION, "parent", exclusive) is not None
        thread = threading.Thread(target=delete)
        thread.start()
        assert not done.wait(0.2)
        tx.create(model("child", parent="parent"))
    thread.join()
    assert seen == [1]
    with store.write() as tx:
        assert tx.lock("model", REGION, "parent") is None


def test_a_document_that_many_keep_may_change(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("parent", body={"n": 0}))
    failed: list[Exception] = []

    def add_child(number: int) -> None:
        while True:
            try:
                with store.write() as tx:
                    parent = tx.lock("model", REGION, "parent")
                    assert parent is not None
                    tx.update(replace(parent, body={"n": parent.body["n"] + 1}))
                    tx.create(model(f"child-{number}", parent="parent"))
                return
            except VersionConflict:
                continue
            except Exception as error:
                failed.append(error)
                return

    threads = [threading.Thread(target=add_child, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with store.read() as tx:
        parent = tx.get("model", REGION, "parent")
        assert parent is not None
        assert parent.body["n"] == tx.count(Query(kind="model", region=REGION, parent="parent")) == 16
