"""Reading hundreds of stored trials, none of which ran."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.services.sagemaker.training_jobs import TRAINING_JOB
from sagesmith.services.sagemaker.tuning.definitions import Definition, definitions_of
from sagesmith.services.sagemaker.tuning.trials import FACET, TrainingJob, Trials, best_of
from sagesmith.store import Document, Store, Transaction
from tests.stores import new_store
from tests.unit.services.sagemaker.tunings import tuning_job
from tests.unit.services.sagemaker.world import REGION

COUNT = 300
DEFINITIONS: list[Definition] = list(definitions_of(tuning_job()))


def child(number: int, status: str = "Completed") -> Document:
    trial = {"tuning": "id", "key": "tune", "number": number, "definition": 0, "tuned": {"x": str(number)}}
    body = {"_trial": trial}
    if status == "Completed":
        body["FinalMetricDataList"] = [{"MetricName": "loss", "Value": float(1000 - number), "Timestamp": 1.0}]
    name, facets = f"trial-{number}", {FACET: "id"}
    return Document(TRAINING_JOB.id, REGION, name, name, f"arn:{name}", body, "", status, float(number), facets=facets)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Store]:
    store = new_store(tmp_path / "store.db")
    with store.write() as tx:
        for number in range(COUNT):
            tx.create(child(number, "InProgress" if number >= COUNT - 2 else "Completed"))
    yield store
    store.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ARNs of the documents that were read whole."""
    found: list[str] = []
    get = Transaction.get_by_arn

    def noted(tx: Transaction, arn: str) -> Document | None:
        found.append(arn)
        return get(tx, arn)

    monkeypatch.setattr(Transaction, "get_by_arn", noted)
    return found


def read(store: Store, trials: Trials) -> list[TrainingJob]:
    with store.read() as tx:
        return trials.read(tx, REGION, "id", DEFINITIONS)


def test_trials_that_have_ended_are_read_once_and_those_that_run_each_time(stored: Store, opened: list[str]) -> None:
    trials = Trials()
    first = read(stored, trials)
    assert [each.number for each in first] == list(range(COUNT))
    assert len(opened) == COUNT
    opened.clear()
    assert read(stored, trials) == first
    assert sorted(opened) == ["arn:trial-298", "arn:trial-299"]


def test_a_trial_that_ends_is_known_with_its_value(stored: Store) -> None:
    trials = Trials()
    read(stored, trials)
    with stored.write() as tx:
        present = tx.get(TRAINING_JOB.id, REGION, "trial-299")
        assert present is not None
        tx.update(replace(present, status="Completed", body=child(299).body))
    best = best_of(read(stored, trials), DEFINITIONS)
    assert best is not None
    assert (best.number, best.value) == (299, 701.0)


def test_a_trial_that_was_deleted_is_not_there_any_more_and_a_new_one_is(stored: Store, opened: list[str]) -> None:
    trials = Trials()
    read(stored, trials)
    with stored.write() as tx:
        tx.delete(TRAINING_JOB.id, REGION, "trial-7")
        tx.create(child(COUNT, "InProgress"))
    opened.clear()
    assert [each.number for each in read(stored, trials)] == [n for n in range(COUNT + 1) if n != 7]
    assert sorted(opened) == ["arn:trial-298", "arn:trial-299", "arn:trial-300"]


def test_a_changed_trial_is_read_again_although_it_had_ended(stored: Store) -> None:
    trials = Trials()
    read(stored, trials)
    with stored.write() as tx:
        present = tx.get(TRAINING_JOB.id, REGION, "trial-0")
        assert present is not None
        tx.update(replace(present, status="Failed", body={**present.body, "FailureReason": "AlgorithmError"}))
    changed = read(stored, trials)[0]
    assert (changed.objective_status, changed.failure_reason) == ("Failed", "AlgorithmError")
