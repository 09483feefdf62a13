"""Lifecycles hold everybody who stores a resource."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import IllegalMove, guard
from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.store import Document, Store
from tests.stores import new_store

REGION = "us-east-1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = new_store(tmp_path / "store.db")
    opened.on_change(guard([TRAINING_JOB, ENDPOINT]))
    yield opened
    opened.close()


def put(store: Store, kind: str, status: str) -> Document:
    arn = f"arn:aws:sagemaker:{REGION}:123456789012:{kind}/it"
    with store.write() as tx:
        return tx.create(Document(kind, REGION, "it", "it", arn, {}, status=status))


def test_a_job_that_has_ended_never_runs_again(store: Store) -> None:
    job = put(store, "training-job", "Completed")
    with pytest.raises(IllegalMove, match="is Completed, which InProgress does not follow"), store.write() as tx:
        tx.update(replace(job, status="InProgress"))
    with store.read() as tx:
        assert tx.get("training-job", REGION, "it") == job


def test_an_endpoint_that_failed_can_only_go(store: Store) -> None:
    endpoint = put(store, "endpoint", "Failed")
    with pytest.raises(IllegalMove), store.write() as tx:
        tx.update(replace(endpoint, status="InService"))
    with store.write() as tx:
        leaving = tx.update(replace(endpoint, status="Deleting"))
        tx.delete(leaving.kind, REGION, "it")


def test_what_stays_in_its_state_may_change_otherwise(store: Store) -> None:
    job = put(store, "training-job", "Completed")
    with store.write() as tx:
        assert tx.update(replace(job, body={"changed": True})).body == {"changed": True}
