import random
from dataclasses import replace
from typing import Any

import pytest

from sagesmith.store import Document, InvalidToken, Query, Store
from sagesmith.store.base import SortKey
from tests.integration.store.documents import REGION, model


def _many(count: int) -> list[Document]:
    chance = random.Random(1)
    return [
        model(
            f"{chance.choice(['train', 'Tune', 'x_y%'])}-{chance.randrange(10**6):06d}-{number}",
            status=chance.choice(["InService", "Failed", "Creating"]) if number % 97 else "Odd",
            parent=chance.choice(["", "p1", "p2"]),
            facets={"role": chance.choice("ab"), "rare": "yes" if number % 50 == 0 else "no"},
            created_at=float(chance.randrange(1, 50)),
            updated_at=float(chance.randrange(50, 100)),
        )
        for number in range(count)
    ]


def _expected(documents: list[Document], query: Query) -> set[str]:
    """What the query means, said once more in plain Python."""
    return {
        d.key
        for d in documents
        if (query.name_contains is None or query.name_contains in d.name)
        and (query.created_after is None or d.created_at > query.created_after)
        and (query.created_before is None or d.created_at < query.created_before)
        and (query.updated_after is None or d.updated_at > query.updated_after)
        and (query.updated_before is None or d.updated_at < query.updated_before)
        and (query.status is None or d.status == query.status)
        and (query.parent is None or d.parent == query.parent)
        and all(d.facets.get(name) == value for name, value in query.facets.items())
    }


def _all_pages(store: Store, query: Query) -> list[Document]:
    found: list[Document] = []
    with store.read() as tx:
        while True:
            page = tx.list(query)
            assert len(page.documents) <= query.limit
            found += page.documents
            if page.next_token is None:
                return found
            query = replace(query, token=page.next_token)


def test_every_filter_in_every_order_gives_what_plain_python_gives(store: Store) -> None:
    documents = _many(300)
    with store.write() as tx:
        for document in documents:
            tx.create(document)
            if document.key.startswith("train"):
                tx.create(replace(document, region="eu-west-1", arn=document.arn + "/eu"))
    filters: list[dict[str, Any]] = [
        {},
        {"name_contains": ""},
        {"name_contains": "a"},
        {"name_contains": "tr"},
        {"name_contains": "tra"},
        {"name_contains": "train-0"},
        {"name_contains": "TRAIN"},
        {"name_contains": "-29"},
        {"name_contains": documents[7].name},
        {"name_contains": documents[7].name + "x"},
        {"name_contains": "y%-"},
        {"name_contains": "%"},
        {"name_contains": "_y%"},
        {"name_contains": 'no"such'},
        {"status": "Odd"},
        {"status": "Failed"},
        {"status": "None"},
        {"parent": "p1"},
        {"parent": ""},
        {"status": ""},
        {"facets": {"role": "a"}},
        {"facets": {"role": "a", "rare": "yes"}},
        {"facets": {"role": "z"}},
        {"created_after": 10.0, "created_before": 20.0},
        {"updated_after": 60.0},
        {"updated_before": 60.0, "status": "Failed", "name_contains": "une", "parent": "p2", "facets": {"role": "b"}},
    ]
    sorts: list[SortKey] = ["name", "created_at", "updated_at", "status"]
    for number, chosen in enumerate(filters):
        for sort in sorts:
            for descending in (False, True):
                query = Query("model", REGION, sort=sort, descending=descending, limit=(7, 100)[number % 2], **chosen)
                found = _all_pages(store, query)
                assert {d.key for d in found} == _expected(documents, query), query
                assert len({d.key for d in found}) == len(found)
                values = [getattr(d, sort) for d in found]
                assert values == sorted(values, reverse=descending), query
        with store.read() as tx:
            assert tx.count(query) == len(found)


def test_updates_are_found_by_what_they_are_now(store: Store) -> None:
    with store.write() as tx:
        created = tx.create(model("a", status="Creating", parent="p", facets={"f": "1", "g": "1"}))
        tx.update(replace(created, status="InService", parent="q", facets={"f": "2"}))
        for query, found in [
            (Query("model", REGION, status="Creating"), 0),
            (Query("model", REGION, status="InService"), 1),
            (Query("model", REGION, parent="p"), 0),
            (Query("model", REGION, parent="q"), 1),
            (Query("model", REGION, facets={"f": "1"}), 0),
            (Query("model", REGION, facets={"g": "1"}), 0),
            (Query("model", REGION, facets={"f": "2"}), 1),
        ]:
            assert len(tx.list(query).documents) == found, query


@pytest.mark.parametrize("name_contains", [None, "m-0"])
def test_pages_survive_what_is_created_and_deleted_between_them(store: Store, name_contains: str | None) -> None:
    with store.write() as tx:
        for number in range(0, 40, 2):
            tx.create(model(f"m-{number:03d}"))
    query = Query("model", REGION, sort="name", descending=False, limit=5, name_contains=name_contains)
    with store.read() as tx:
        first = tx.list(query)
    assert [d.name for d in first.documents][-1] == "m-008"
    with store.write() as tx:
        tx.delete("model", REGION, "m-008")
        tx.delete("model", REGION, "m-012")
        tx.create(model("m-001"))
        tx.create(model("m-011"))
    rest = _all_pages(store, replace(query, token=first.next_token))
    assert [d.name for d in rest][:3] == ["m-010", "m-011", "m-014"]
    assert len(rest) == 15


def test_documents_of_the_same_moment_are_paged_without_loss(store: Store) -> None:
    with store.write() as tx:
        for number in range(25):
            tx.create(model(f"m-{number}", created_at=1.5))
    for descending in (True, False):
        found = _all_pages(store, Query("model", REGION, descending=descending, limit=4))
        assert len({d.key for d in found}) == len(found) == 25


def test_a_token_of_another_query_or_of_nobody_is_refused(store: Store) -> None:
    with store.write() as tx:
        for number in range(5):
            tx.create(model(f"m-{number}"))
    query = Query("model", REGION, limit=2)
    with store.read() as tx:
        token = tx.list(query).next_token
        assert token is not None
        assert len(tx.list(replace(query, token=token, limit=3)).documents) == 3
        for wrong in (
            replace(query, token=token, descending=False),
            replace(query, token=token, region="eu-west-1"),
            replace(query, token=token, status="x"),
            replace(query, token="nonsense"),
            replace(query, token=""),
            replace(query, token="ünï"),
            replace(query, token=token[:-3]),
            replace(query, token="W10"),
        ):
            with pytest.raises(InvalidToken):
                tx.list(wrong)


def test_a_limit_of_nothing_is_a_mistake(store: Store) -> None:
    with store.read() as tx, pytest.raises(ValueError, match="limit"):
        tx.list(Query("model", REGION, limit=0))


@pytest.mark.parametrize("sort", ["name", "created_at", "status"])
def test_a_rare_filter_among_thousands_is_found_in_every_order(store: Store, sort: SortKey) -> None:
    with store.write() as tx:
        for number in range(1500):
            tx.create(
                model(f"job-{number:05d}", status="Failed" if number % 500 == 3 else "Done", created_at=1.0 + number)
            )
    names = ["job-00003", "job-00503", "job-01003"]
    found = _all_pages(store, Query("model", REGION, status="Failed", sort=sort, descending=False, limit=2))
    assert [d.name for d in found] == names
    found = _all_pages(store, Query("model", REGION, name_contains="503", sort=sort, descending=False, limit=100))
    assert [d.name for d in found] == ["job-00503"]
    assert len(_all_pages(store, Query("model", REGION, name_contains="job-", sort=sort, limit=100))) == 1500
