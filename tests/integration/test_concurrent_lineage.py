"""Lineage under many clients at once, on SQLite and PostgreSQL."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sagesmith.services.sagemaker import handlers
from sagesmith.store import Store
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import AwsError
from tests.unit.services.home import home_in
from tests.unit.services.sagemaker.world import context

CLIENTS = 8


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def operations(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Handler]]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/lineage.db" if sqlite else request.getfixturevalue("empty_postgres")
    home = home_in(tmp_path)
    home.store.close()
    store = Store.open(url)
    yield handlers(replace(home, store=store))
    store.close()


def call(operations: dict[str, Handler], operation: str, **params: Any) -> Params:
    return operations[operation](context(operation), params)


def at_once(*attempts: Callable[[], object]) -> Counter[str]:
    """How many attempts, all begun together, ended in which error, or in none."""
    outcomes: Counter[str] = Counter()
    begin = threading.Barrier(len(attempts))

    def run(attempt: Callable[[], object]) -> None:
        begin.wait()
        try:
            attempt()
            outcomes["done"] += 1
        except AwsError as error:
            outcomes[error.code] += 1

    threads = [threading.Thread(target=run, args=(attempt,)) for attempt in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def artifact(operations: dict[str, Handler], uri: str) -> str:
    return str(call(operations, "CreateArtifact", Source={"SourceUri": uri}, ArtifactType="t")["ArtifactArn"])


def test_the_first_entities_of_a_region_share_one_lineage_group(operations: dict[str, Handler]) -> None:
    outcomes = at_once(*(partial(artifact, operations, str(number)) for number in range(CLIENTS)))
    assert outcomes == {"done": CLIENTS}
    assert len(call(operations, "ListLineageGroups")["LineageGroupSummaries"]) == 1


def test_one_artifact_comes_of_many_who_name_the_same_source(operations: dict[str, Handler]) -> None:
    outcomes = at_once(*[partial(artifact, operations, "same")] * CLIENTS)
    assert outcomes == {"done": 1, "ValidationException": CLIENTS - 1}


def test_no_association_is_left_without_an_end(operations: dict[str, Handler]) -> None:
    hub = artifact(operations, "hub")
    for round_ in range(10):
        end = artifact(operations, str(round_))
        ends = {"SourceArn": hub, "DestinationArn": end}
        outcomes = at_once(
            partial(call, operations, "AddAssociation", **ends),
            partial(call, operations, "DeleteArtifact", ArtifactArn=end),
        )
        left = call(operations, "ListAssociations", DestinationArn=end)["AssociationSummaries"]
        # Either the association was there first, or the artifact was gone.
        assert outcomes == {"done": 1, "ValidationException" if left else "ResourceNotFound": 1}
