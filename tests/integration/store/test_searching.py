"""Search in the store: what the index says is what every document would say, on both databases."""

import dataclasses
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from sagesmith.store import (
    STATUS,
    AllOf,
    AnyOf,
    At,
    Condition,
    Document,
    Equal,
    InvalidToken,
    Named,
    Not,
    Present,
    Search,
    Store,
    VersionConflict,
    Within,
    Written,
    number_of,
    searching,
    upgrade,
)
from tests.integration.store.documents import REGION, model

NUMBERS = (-3.5, -1, -0.0, 0, 1e-9, 0.5, 0.50001, 1, 2, 7, 1e18)
WORDS = ("red", "Red", "", "7", "0.5", "ünï", "a b")


def body(source: random.Random) -> dict[str, Any]:
    members: dict[str, Any] = {
        "Word": source.choice(WORDS),
        "Number": source.choice(NUMBERS),
        "Flag": source.random() < 0.5,
        "Map": {"a.b": source.choice(WORDS), "n": str(source.choice(NUMBERS))},
        "List": [{"Name": source.choice(WORDS)} for _ in range(source.randrange(3))],
        "_hidden": "red",
    }
    return {member: value for member, value in members.items() if source.random() < 0.8}


def documents() -> list[Document]:
    source = random.Random(7)
    return [
        model(
            f"{source.choice(('job', 'run'))}-{number}",
            body=body(source),
            status=source.choice(("", "Failed", "Completed")),
            created_at=float(1000 + number % 9),
            updated_at=float(2000 + number % 5),
            searchable=True,
        )
        for number in range(60)
    ]


def leaves(value: Any, path: str) -> list[Any]:
    """All scalars at a path, the way one would write it without an index."""
    if isinstance(value, list):
        return [each for element in value for each in leaves(element, path)]
    if not path:
        return [value]
    if not isinstance(value, dict):
        return []
    return [
        each
        for member in value
        if path == member or path.startswith(f"{member}.")
        for each in leaves(value[member], path[len(member) + 1 :])
    ]


def numbers(document: Document, path: str) -> list[float]:
    found = [number_of(each) if isinstance(each, str) else each for each in leaves(document.body, path)]
    return [each for each in found if each is not None and not isinstance(each, bool)]


def holds(condition: Condition, document: Document) -> bool:
    """What a condition says of a document."""
    match condition:
        case Equal(path, bool() | str() as value):
            values = [document.status] if path == STATUS else leaves(document.body, path)
            return any(type(each) is type(value) and each == value for each in values)
        case Equal(path, value):
            return value in numbers(document, path)
        case Within(path, low, high):
            return any(low <= each <= high for each in numbers(document, path))
        case Present(path):
            return bool(leaves(document.body, path))
        case Named(part):
            return part in document.name
        case Written(part):
            return orjson.dumps(part)[1:-1] in orjson.dumps(document.body)
        case At(column, low, high):
            return bool(low <= getattr(document, column) <= high)
        case Not(inner):
            return not holds(inner, document)
        case AllOf(parts):
            return all(holds(each, document) for each in parts)
        case AnyOf(parts):
            return any(holds(each, document) for each in parts)


PATHS = st.sampled_from(("Word", "Number", "Flag", "Map.a.b", "Map.n", "List.Name", "Nothing"))
BOUNDS = st.sampled_from(NUMBERS) | st.floats(allow_nan=False)
LEAVES: "st.SearchStrategy[Condition]" = st.one_of(
    st.builds(Equal, PATHS, st.sampled_from(WORDS) | st.sampled_from(NUMBERS) | st.booleans()),
    st.builds(Equal, st.just(STATUS), st.sampled_from(("Failed", "Completed", "Stopped"))),
    st.builds(Within, PATHS, BOUNDS, BOUNDS),
    st.builds(Present, PATHS),
    st.builds(Named, st.sampled_from(("job", "job-1", "-2", "7", "zzz"))),
    st.builds(Written, st.sampled_from(("red", "ünï", "7", "Flag", "nowhere"))),
    st.builds(At, st.just("created_at"), st.floats(999, 1010), st.floats(999, 1010)),
    st.builds(At, st.just("updated_at"), st.floats(1999, 2006), st.floats(1999, 2006)),
)
CONDITIONS: "st.SearchStrategy[Condition]" = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
SORTS = st.sampled_from(("name", "created_at", "updated_at", "status", "Word", "Number", "List.Name"))


def first_value(path: str) -> Callable[[Document], Any]:
    return lambda document: next((each for each in leaves(document.body, path)), None)


def pages(store: Store, asked: Search) -> list[list[Document]]:
    found = []
    while True:
        with store.read(indexed=True) as tx:
            page = tx.search(asked)
        found.append(page.documents)
        if page.next_token is None:
            return found
        assert len(page.documents) == asked.limit
        asked = dataclasses.replace(asked, token=page.next_token)


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as tx:
        for document in documents():
            tx.create(document)
        tx.create(model("other", region="eu-west-1", body={"Word": "red"}, searchable=True))
        tx.create(model("unindexed", kind="other", body={"Word": "red"}))
    return store


@pytest.mark.parametrize("probe", [1, 1000])
def test_a_search_finds_what_satisfies_its_condition_in_its_order(
    filled: Store, probe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few documents are walked in the order of the sort if hardly any count as few.
    monkeypatch.setattr(searching, "PROBE", probe)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(CONDITIONS, SORTS, st.booleans(), st.integers(1, 40), st.booleans())
    def check(condition: Condition, sort: Any, descending: bool, limit: int, even_names_only: bool) -> None:
        column = sort in ("name", "created_at", "updated_at", "status")
        accept = (lambda document: int(document.name[4:]) % 2 == 0) if even_names_only else None
        asked = Search(
            "model",
            REGION,
            condition,
            accept,
            sort if column else first_value(sort),
            descending,
            limit,
        )
        with filled.read(indexed=True) as tx:
            first = tx.search(asked)
        found = [each for page in pages(filled, asked) for each in page]
        wanted = [each for each in documents() if holds(condition, each) and (accept is None or accept(each))]
        assert sorted(each.name for each in found) == sorted(each.name for each in wanted)
        assert first.total == len(wanted) if first.exact else first.total <= len(wanted)
        values = [getattr(each, sort) if column else first_value(sort)(each) for each in found]
        present = [(isinstance(each, str), each) for each in values if each is not None]
        assert present == sorted(present, reverse=descending)
        assert None not in values[: len(present)]

    check()


def test_what_changes_is_found_by_what_it_became(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("m", body={"Word": "red"}, searchable=True), {"team": "a"})

    def found(condition: Condition) -> bool:
        with store.read(indexed=True) as tx:
            return bool(tx.search(Search("model", REGION, condition)).documents)

    assert found(Equal("Word", "red")) and found(Equal("Tags.team", "a"))
    with store.write() as tx:
        document = tx.get("model", REGION, "m")
        assert document is not None and document.searchable
        tx.put_tags(document.arn, {"team": "b", "stage": "x"})
        tx.update(dataclasses.replace(document, body={"Word": "blue"}, status="Failed"))
        tx.remove_tags(document.arn, ["stage"])
    assert found(AllOf((Equal("Word", "blue"), Equal(STATUS, "Failed"), Equal("Tags.team", "b"))))
    assert not found(AnyOf((Equal("Word", "red"), Equal("Tags.team", "a"), Present("Tags.stage"))))
    with store.write() as tx:
        tx.delete("model", REGION, "m")
        tx.create(model("m", body={}, searchable=True))
    assert not found(AnyOf((Equal("Word", "blue"), Equal(STATUS, "Failed"), Equal("Tags.team", "b"))))
    assert found(Not(Present("Word")))


def test_a_token_is_good_for_its_own_search_only(filled: Store) -> None:
    with filled.read(indexed=True) as tx:
        asked = Search("model", REGION, limit=2, identity="one")
        token = tx.search(asked).next_token
        assert token is not None
        for other in (
            dataclasses.replace(asked, identity="two"),
            dataclasses.replace(asked, descending=False),
            dataclasses.replace(asked, sort="name"),
            dataclasses.replace(asked, region="eu-west-1"),
            dataclasses.replace(asked, sort=first_value("Word")),
        ):
            with pytest.raises(InvalidToken):
                tx.search(dataclasses.replace(other, token=token))
        with pytest.raises(InvalidToken):
            tx.search(dataclasses.replace(asked, token="e30"))


def test_the_total_stays_what_the_first_page_knew(filled: Store) -> None:
    with filled.read(indexed=True) as tx:
        asked = Search("model", REGION, limit=7)
        first = tx.search(asked)
        second = tx.search(dataclasses.replace(asked, token=first.next_token))
    assert (first.total, first.exact) == (second.total, second.exact) == (60, True)


def test_nothing_is_left_in_the_index_of_documents_that_are_gone(store: Store) -> None:
    with store.write() as tx:
        for number in range(20):
            tx.create(model(f"m{number}", body={"Word": "red"}, searchable=True), {"n": str(number)})
    with store.read(indexed=True) as tx:
        assert tx.search(Search("model", REGION, Equal("Word", "red"))).total == 20
    with store.write() as tx:
        for number in range(20):
            tx.delete("model", REGION, f"m{number}")
    with store.read(indexed=True) as tx:
        assert tx.search(Search("model", REGION, Equal("Word", "red"))).total == 0
        assert tx.search(Search("model", REGION, Not(Present("Word")))).total == 0


def test_an_older_database_becomes_searchable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    with monkeypatch.context() as then:
        then.setattr(upgrade, "HEAD", "0001")
        upgrade.bring_up_to_date(engine := create_engine(url, isolation_level="AUTOCOMMIT"))
    old = text(
        "INSERT INTO documents (kind, region, key, name, arn, parent, status, created_at, updated_at, version, facets,"
        " body) VALUES (:kind, 'us-east-1', 'm', 'm', :arn, '', 'Failed', 1, 1, 1, '{}', :body)"
    )
    with engine.connect() as connection:
        for kind in ("model", "code-repository"):
            connection.execute(old, {"kind": kind, "arn": f"arn:{kind}", "body": b'{"Word": "red"}'})
        connection.execute(text("INSERT INTO tags (arn, key, value) VALUES ('arn:model', 'team', 'a')"))
    engine.dispose()
    store = Store.open(url)
    with store.read(indexed=True) as tx:
        wanted = AllOf((Equal("Word", "red"), Equal("Tags.team", "a"), Equal(STATUS, "Failed")))
        assert [each.name for each in tx.search(Search("model", REGION, wanted)).documents] == ["m"]
        assert not tx.search(Search("code-repository", REGION, Equal("Word", "red"))).documents
    store.close()


def test_the_store_looks_for_texts_as_json_writes_them(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("m", body={"Word": 'say "ünï"\\n\t'}, searchable=True))
    with store.read(indexed=True) as tx:
        for part in ('"ünï"', "\\n", "\t", "say"):
            assert tx.search(Search("model", REGION, Written(part))).total == 1, part
        assert tx.search(Search("model", REGION, Written("uni"))).total == 0


def test_tags_and_members_that_change_at_once_are_all_found(store: Store) -> None:
    with store.write() as tx:
        tx.create(model("m", body={"Number": 0}, searchable=True))
    arn = model("m").arn

    def tag(worker: int) -> None:
        for number in range(10):
            with store.write() as tx:
                tx.put_tags(arn, {f"w{worker}": str(number)})

    def count(_: int) -> None:
        done = 0
        while done < 10:
            try:
                with store.write() as tx:
                    document = tx.get("model", REGION, "m")
                    assert document is not None
                    body = {"Number": document.body["Number"] + 1}
                    tx.update(dataclasses.replace(document, body=body))
                done += 1
            except VersionConflict:
                continue

    with ThreadPoolExecutor(6) as threads:
        tasks = [threads.submit(what, worker) for worker in range(3) for what in (tag, count)]
        for task in tasks:
            task.result()
    with store.read(indexed=True) as tx:
        last = (Equal("Number", 30), *(Equal(f"Tags.w{worker}", "9") for worker in range(3)))
        assert tx.search(Search("model", REGION, AllOf(last))).total == 1
        stale = (Within("Number", high=29), *(Within(f"Tags.w{worker}", high=8) for worker in range(3)))
        assert tx.search(Search("model", REGION, AnyOf(stale))).total == 0
