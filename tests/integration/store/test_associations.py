"""Edges between things that have ARNs, on SQLite and PostgreSQL."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from sagesmith.store import (
    AlreadyExists,
    Association,
    AssociationQuery,
    AssociationSort,
    InvalidToken,
    NotFound,
    Store,
)

R = "us-east-1"


def edge(source: str, destination: str, **members: Any) -> Association:
    types = {"source_type": source.upper(), "destination_type": destination.upper()}
    return Association(R, source, destination, **{**types, **members})


def add(store: Store, *edges: Association) -> None:
    with store.write() as tx:
        for number, each in enumerate(edges, 1):
            tx.associate(replace(each, created_at=float(number)))


def pairs(store: Store, query: AssociationQuery) -> list[str]:
    with store.read() as tx:
        return [each.source + each.destination for each in tx.associations(query).associations]


def test_an_edge_is_read_as_it_was_stored(store: Store) -> None:
    given = replace(edge("a", "b", type="Produced"), created_by={"Arn": "x"})
    with store.write() as tx:
        stored = tx.associate(given)
    assert stored == replace(given, created_at=stored.created_at)
    assert stored.created_at > 0
    with store.read() as tx:
        assert tx.associations(AssociationQuery(R)).associations == [stored]
        assert tx.associations_of(R, "source", ["a"]) == tx.associations_of(R, "destination", ["b"]) == [stored]


def test_there_is_one_edge_in_each_direction_and_region(store: Store) -> None:
    add(store, edge("a", "b"), edge("b", "a"), replace(edge("a", "b"), region="eu-west-1"))
    with store.write() as tx:
        with pytest.raises(AlreadyExists):
            tx.associate(edge("a", "b", type="Other"))
        tx.disassociate(R, "a", "b")
        with pytest.raises(NotFound):
            tx.disassociate(R, "a", "b")
    assert pairs(store, AssociationQuery(R)) == ["ba"]
    assert pairs(store, AssociationQuery("eu-west-1")) == ["ab"]


def test_all_edges_of_one_end_are_removed_at_once(store: Store) -> None:
    add(store, edge("a", "b"), edge("c", "a"), edge("b", "c"), replace(edge("a", "b"), region="eu-west-1"))
    with store.write() as tx:
        tx.disassociate_all(R, "a")
        tx.disassociate_all(R, "none")
    assert pairs(store, AssociationQuery(R)) == ["bc"]
    assert pairs(store, AssociationQuery("eu-west-1")) == ["ab"]


def test_edges_are_found_by_either_of_their_ends(store: Store) -> None:
    add(store, edge("a", "b"), edge("a", "c"), edge("b", "c"), replace(edge("a", "d"), region="eu-west-1"))
    with store.read() as tx:
        assert {each.destination for each in tx.associations_of(R, "source", ["a", "none"])} == {"b", "c"}
        assert {each.source for each in tx.associations_of(R, "destination", ["c", "b"])} == {"a", "b"}
        assert tx.associations_of(R, "source", []) == []
        quoted = 'it\'s "quoted" \\ [1]'
        assert tx.associations_of(R, "source", [quoted]) == []


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort", ["source", "destination", "source_type", "destination_type", "created_at"])
def test_pages_of_any_order_have_every_edge_once(store: Store, sort: AssociationSort, descending: bool) -> None:
    add(store, *(edge(source, destination) for source in "cabd" for destination in "badc"))
    query = AssociationQuery(R, sort=sort, descending=descending)
    found: list[Association] = []
    token = None
    with store.read() as tx:
        while True:
            page = tx.associations(replace(query, limit=3, token=token))
            found += page.associations
            if (token := page.next_token) is None:
                break
        assert tx.associations(replace(query, limit=16)).associations == found
        filtered = tx.associations(replace(query, source="a", limit=16)).associations
    assert filtered == [each for each in found if each.source == "a"]
    values = [(getattr(each, sort), each.created_at) for each in found]
    assert values == sorted(values, reverse=descending)
    assert len({(each.source, each.destination) for each in found}) == 16


def test_filters_exclude_whatever_differs(store: Store) -> None:
    add(store, edge("a", "b", type="x"), edge("a", "c", type="y"), edge("b", "c", type="y"))
    query = AssociationQuery(R, descending=False)
    assert pairs(store, replace(query, source="a")) == ["ab", "ac"]
    assert pairs(store, replace(query, destination="c")) == ["ac", "bc"]
    assert pairs(store, replace(query, source="a", destination="c")) == ["ac"]
    assert pairs(store, replace(query, type="y")) == ["ac", "bc"]
    assert pairs(store, replace(query, source_type="A", type="x")) == ["ab"]
    assert pairs(store, replace(query, source_type="B", destination_type="B")) == []
    assert pairs(store, replace(query, created_after=1.0)) == ["ac", "bc"]
    assert pairs(store, replace(query, created_after=1.0, created_before=3.0)) == ["ac"]
    assert pairs(store, replace(query, created_after=1.0, destination="c", sort="source")) == ["ac", "bc"]


def test_a_token_is_good_for_its_own_query_only(store: Store) -> None:
    add(store, edge("a", "b"), edge("a", "c"))
    query = AssociationQuery(R, limit=1)
    with store.read() as tx:
        token = tx.associations(query).next_token
        assert token
        for other in (replace(query, sort="source"), replace(query, source="a"), replace(query, descending=False)):
            with pytest.raises(InvalidToken):
                tx.associations(replace(other, token=token))
        with pytest.raises(InvalidToken):
            tx.associations(replace(query, token="nonsense"))
        with pytest.raises(ValueError, match="positive"):
            tx.associations(replace(query, limit=0))


def test_of_many_who_add_the_same_edge_at_once_one_does(store: Store) -> None:
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            with store.write() as tx:
                tx.associate(edge("a", "b"))
            outcomes.append("added")
        except AlreadyExists:
            outcomes.append("there")

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["added", *["there"] * 7]
