"""The audit trail in the store, and what is committed together with it."""

import threading
from dataclasses import replace

import pytest

from sagesmith.store import AuditQuery, AuditRecord, InvalidToken, Store
from tests.integration.store.documents import REGION, model

RECORD = AuditRecord(
    at_us=1_000_000,
    region=REGION,
    service="sagemaker",
    operation="CreateModel",
    user="alice",
    access_key_id="AKIA",
    resource_type="AWS::SageMaker::Model",
    resource="m",
    details={"request_id": "r", "request": {"ModelName": "m"}},
)


def put(store: Store, *records: AuditRecord) -> None:
    with store.write() as tx:
        for record in records:
            tx.put_audit_record(record)


def found(store: Store, query: AuditQuery) -> list[AuditRecord]:
    with store.read() as tx:
        return tx.audit_records(query).records


def test_records_come_back_whole_and_the_latest_first(store: Store) -> None:
    later = replace(RECORD, at_us=2_000_000, operation="DeleteModel")
    put(store, RECORD, later)
    assert found(store, AuditQuery(REGION)) == [later, RECORD]


def test_records_of_the_same_microsecond_are_all_kept(store: Store) -> None:
    put(store, *[RECORD] * 3)
    assert [each.at_us for each in found(store, AuditQuery(REGION))] == [1_000_002, 1_000_001, 1_000_000]


def test_writers_of_the_same_microsecond_do_not_lose_records(store: Store) -> None:
    together = threading.Barrier(8)

    def write() -> None:
        together.wait()
        put(store, RECORD)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found(store, AuditQuery(REGION))) == 8


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("service", "kms"),
        ("operation", "DeleteModel"),
        ("user", "bob"),
        ("access_key_id", "ASIA"),
        ("resource_type", "AWS::KMS::Key"),
        ("resource", "n"),
    ],
)
def test_records_are_looked_up_by_each_column(store: Store, column: str, value: str) -> None:
    other = replace(RECORD, at_us=2_000_000, **{column: value})
    put(store, RECORD, other)
    assert found(store, AuditQuery(REGION, where={column: value})) == [other]  # type: ignore[dict-item]


def test_a_window_of_time_has_both_its_ends(store: Store) -> None:
    put(store, *(replace(RECORD, at_us=at) for at in range(1, 6)))
    window = AuditQuery(REGION, since_us=2, until_us=4)
    assert [each.at_us for each in found(store, window)] == [4, 3, 2]


def test_a_region_does_not_see_the_records_of_another(store: Store) -> None:
    put(store, RECORD)
    assert found(store, AuditQuery("eu-west-1")) == []
    with store.read() as tx:
        assert tx.audit_record("eu-west-1", RECORD.at_us) is None
        assert tx.audit_record(REGION, RECORD.at_us) == RECORD


def test_pages_show_every_record_once_while_others_are_added(store: Store) -> None:
    put(store, *(replace(RECORD, at_us=at) for at in range(1, 6)))
    query = AuditQuery(REGION, where={"user": "alice"}, limit=2)
    seen = []
    for new in (10, 11, 12):
        with store.read() as tx:
            page = tx.audit_records(query)
        seen += [each.at_us for each in page.records]
        query = replace(query, token=page.next_token)
        put(store, replace(RECORD, at_us=new))
    assert seen == [5, 4, 3, 2, 1]
    assert query.token is None


def test_a_token_of_another_query_is_refused(store: Store) -> None:
    put(store, *(replace(RECORD, at_us=at) for at in range(1, 4)))
    with store.read() as tx:
        token = tx.audit_records(AuditQuery(REGION, limit=1)).next_token
        with pytest.raises(InvalidToken):
            tx.audit_records(AuditQuery(REGION, where={"user": "alice"}, limit=1, token=token))


def test_pruning_removes_the_oldest_up_to_its_limit_and_nothing_younger(store: Store) -> None:
    put(store, *(replace(RECORD, at_us=at) for at in range(1, 6)))
    with store.write() as tx:
        assert tx.prune_audit_records(4, limit=2) == 2
        assert tx.prune_audit_records(4, limit=2) == 1
        assert tx.prune_audit_records(4, limit=2) == 0
    assert [each.at_us for each in found(store, AuditQuery(REGION))] == [5, 4]


def create(store: Store, name: str) -> None:
    with store.write() as tx:
        tx.create(model(name))


def names(store: Store) -> set[str]:
    with store.read() as tx:
        return {name for name in ("a", "b") if tx.get(model(name).kind, REGION, name)}


def test_what_completes_some_work_is_committed_with_it(store: Store) -> None:
    store.completed(lambda: create(store, "a"), lambda tx, _: tx.put_audit_record(RECORD))
    assert names(store) == {"a"}
    assert found(store, AuditQuery(REGION)) == [RECORD]


def test_work_that_cannot_be_completed_is_not_done(store: Store) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.completed(lambda: create(store, "a"), fail)
    assert names(store) == set()
    create(store, "b")
    assert names(store) == {"b"}


def test_work_that_fails_is_not_completed(store: Store) -> None:
    def work() -> None:
        create(store, "a")
        raise LookupError("after the first write")

    with pytest.raises(LookupError):
        store.completed(work, lambda tx, _: tx.put_audit_record(RECORD))
    assert names(store) == {"a"}
    assert found(store, AuditQuery(REGION)) == []


def test_work_reads_what_it_wrote_and_completes_its_last_write(store: Store) -> None:
    def work() -> set[str]:
        create(store, "a")
        seen = names(store)
        create(store, "b")
        return seen

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.completed(work, fail)
    assert names(store) == {"a"}
    assert store.completed(lambda: names(store), lambda tx, _: tx.put_audit_record(RECORD)) == {"a"}
    assert found(store, AuditQuery(REGION)) == [RECORD]


def test_whoever_waits_for_work_is_told_after_the_commit(store: Store) -> None:
    seen: list[set[str]] = []
    store.on_schedule(lambda: seen.append(names(store)))

    def work() -> None:
        with store.write() as tx:
            tx.create(model("a"))
            tx.schedule("model", REGION, "a", 0.0)

    store.completed(work, lambda tx, _: tx.put_audit_record(RECORD))
    assert seen == [{"a"}]
