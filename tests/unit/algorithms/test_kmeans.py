"""K-Means: its state, its models, its hyperparameters."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine

from sagesmith.algorithms import catalogue, ndarrays, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.kmeans.bounds import Bounded
from sagesmith.algorithms.kmeans.lloyd import Lloyd
from sagesmith.algorithms.kmeans.model import Centroids, assigned
from sagesmith.algorithms.kmeans.state import Clusters, Plan
from sagesmith.algorithms.kmeans.train import train
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.log import Log


def grouped(rows: int, groups: int = 5, columns: int = 3, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    centres = random.normal(0, 8, (groups, columns))
    return (centres[random.integers(groups, size=rows)] + random.normal(size=(rows, columns))).astype(np.float32)


def learned(rows: Any, plan: Plan, batch: int = 500) -> Clusters:
    state = Clusters.empty(plan)
    for piece in Batch(rows).pieces(batch):
        state.update(piece)
    return state


@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_lead_where_lloyds_algorithm_leads(weighted: bool) -> None:
    rows = grouped(2000, groups=12, columns=5)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(rows)) if weighted else None
    centres, moving = rows[:12].astype(np.float64), Bounded(rows, rows[:12], weights)
    for _ in range(30):
        sums, counts, _ = assigned(centres, rows, weights)
        centres = sums / counts[:, None]
        moving.step()
    assert moving.result == pytest.approx(centres, abs=1e-3)
    assert moving.loss == pytest.approx(assigned(centres, rows, weights)[2], rel=1e-4)


@pytest.mark.parametrize("seed", [45, 4384, 4874, 5499])
def test_what_weights_leave_behind_where_a_centres_rows_have_all_gone_is_no_row(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, k = int(random.integers(6, 14)), int(random.integers(3, 5))
    rows, weights = random.normal(size=(count, 2)).astype(np.float32), 10 ** random.uniform(-6, 3, count)
    moving = Bounded(rows, random.normal(size=(k, 2)), weights)
    for _ in range(12):
        moving.step()
    assert np.abs(moving.result).max() <= np.abs(rows).max() * 1.01


def loss(centres: Any, rows: Any) -> float:
    return assigned(centres, rows)[2]


@pytest.mark.parametrize(("load", "k"), [(load_digits, 10), (load_wine, 3)], ids=["digits", "wine"])
def test_real_data_are_clustered_as_well_as_by_scikit_learn(load: Any, k: int) -> None:
    rows = load().data.astype(np.float32)
    centres, _ = learned(rows, Plan(k, rows.shape[1])).centres(k)
    reference = KMeans(k, n_init=5, random_state=0).fit(rows)
    assert loss(centres, rows) <= 1.01 * reference.inertia_


def test_a_sample_of_many_rows_is_enough_for_centres_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagesmith.algorithms.kmeans.state._FEWEST_ROWS", 1000)
    rows = grouped(20_000)
    state = learned(rows, Plan(5, 3))
    centres, distance = state.centres(5)
    assert len(state.rows) == 2500
    assert loss(centres, rows) <= 1.01 * KMeans(5, n_init=5, random_state=0).fit(rows).inertia_
    assert distance * len(rows) == pytest.approx(loss(centres, rows), rel=0.05)


def test_one_pass_serves_several_k() -> None:
    rows = grouped(3000)
    state = learned(rows, Plan(6, 3))
    for k in (2, 5, 6):
        centres, _ = state.centres(k)
        assert centres.shape == (k, 3)
        assert loss(centres, rows) <= 1.01 * KMeans(k, n_init=5, random_state=0).fit(rows).inertia_


def test_further_passes_come_to_the_means_of_the_rows_that_are_closest() -> None:
    rows = grouped(3000)
    state = learned(rows, Plan(4, 3, lloyd=Lloyd(trials=1, iterations=1)))
    model, before = state.centres(4)[0], np.inf
    for _ in range(4):
        state.refine(model)
        for piece in Batch(rows).pieces(700):
            state.update(piece)
        assert state.distance <= before * (1 + 1e-5)
        before, model = state.distance, state.refined()
    numbers = Centroids(state.model.astype(np.float32)).closest(rows)[0]
    np.testing.assert_allclose(model, [rows[numbers == each].mean(axis=0) for each in range(4)], rtol=1e-4)


def test_a_pass_that_was_not_finished_changes_no_centres() -> None:
    rows = grouped(1000)
    state = learned(rows, Plan(3, 3))
    model = state.centres(3)[0]
    state.refine(model)
    state.update(Batch(rows[:10]))
    np.testing.assert_array_equal(state.refined(), model)


@pytest.mark.parametrize("init", ["random", "kmeans++"])
def test_a_state_that_was_saved_and_restored_goes_on_to_the_last_bit(init: str) -> None:
    rows, plan = grouped(2000), Plan(3, 3, init=init, half_life=500)
    through, stopped = Clusters.empty(plan), Clusters.empty(plan)
    for piece in Batch(rows).pieces(300):
        through.update(piece)
        stopped.update(piece)
        saved, stopped = stopped.arrays(), Clusters.empty(plan)
        stopped.restore(saved)
    for name, values in through.arrays().items():
        np.testing.assert_array_equal(values, stopped.arrays()[name], name)


def test_states_of_two_instances_merge_into_one_of_all_rows() -> None:
    rows = grouped(4000)
    one, two = learned(rows[:1500], Plan(5, 3)), learned(rows[1500:], Plan(5, 3, rank=1))
    one.merge([two])
    assert one.seen == 4000
    assert one.weights.sum() == pytest.approx(4000)
    assert len(one.means) <= 20
    centres, _ = one.centres(5)
    assert loss(centres, rows) <= 1.01 * KMeans(5, n_init=5, random_state=0).fit(rows).inertia_
    for state in (one, two):
        state.refine(centres)
    one.update(Batch(rows[:1500]))
    two.update(Batch(rows[1500:]))
    one.merge([two])
    assert one.distance == pytest.approx(loss(centres, rows), rel=1e-6)


def test_with_a_half_life_centres_follow_rows_that_move() -> None:
    early, late = grouped(5000, 1), grouped(5000, 1) + 100
    plan = Plan(1, 3, half_life=500)
    state = learned(np.concatenate([early, late]).astype(np.float32), plan)
    assert np.linalg.norm(state.centres(1)[0][0] - late.mean(axis=0)) < 1


def test_rows_far_from_the_origin_keep_their_distances() -> None:
    rows = grouped(500) + np.float32(100_000)
    centroids = Centroids(rows[:4].copy())
    numbers, distances = centroids.closest(rows)
    exact = ((rows[:, None].astype(np.float64) - centroids.values[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances, exact.min(axis=1), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(exact[np.arange(500), numbers], exact.min(axis=1), atol=0.5)


def test_rows_of_a_request_do_not_change_each_others_answers(tmp_path: Path) -> None:
    rows = grouped(50)
    Centroids(rows[:7]).save(tmp_path, "algo-1")
    predictor = serving.load("kmeans", tmp_path)
    lines = [",".join(map(repr, row)) for row in rows.tolist()]
    together = predictor.answer("\n".join(lines).encode(), "text/csv", "application/jsonlines")[0].splitlines()
    alone = [predictor.answer(line.encode(), "text/csv", "application/jsonlines")[0].strip() for line in lines]
    assert together == alone


def test_an_artifact_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    ndarrays.write(tmp_path, "algo-1", [np.ones((2, 2)), np.ones(2)], ["v", "s"])
    with pytest.raises(CustomerError, match="not one of K-Means"):
        serving.load("kmeans", tmp_path)


@pytest.mark.parametrize(
    ("text", "metrics"), [('["msd","ssd"]', '["msd", "ssd"]'), ("ssd", '["ssd"]'), ("ssd,msd", '["msd", "ssd"]')]
)
def test_metrics_are_read_as_the_page_and_the_sdk_write_them(text: str, metrics: str) -> None:
    schema = catalogue.algorithm("kmeans").schema
    assert schema.read({"k": "2", "feature_dim": "2", "eval_metrics": text})["eval_metrics"] == metrics


@pytest.mark.parametrize("text", ['["rmse"]', "[]", "7", ""])
def test_other_metrics_are_refused(text: str) -> None:
    with pytest.raises(CustomerError, match="eval_metrics"):
        catalogue.algorithm("kmeans").schema.read({"k": "2", "feature_dim": "2", "eval_metrics": text})


def trained(root: Path, rows: Any, **hyperparameters: object) -> str:
    """The log of a job."""
    folder = root / "input" / "data" / "train"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "model").mkdir(exist_ok=True)
    np.savetxt(folder / "rows.csv", rows, delimiter=",")
    algorithm, log = catalogue.algorithm("kmeans"), io.StringIO()
    given = {name: str(value) for name, value in hyperparameters.items()}
    sources = {"train": Source("train", folder, "text/csv;label_size=0")}
    host = ("algo-1",)
    train(Job(algorithm, algorithm.schema.read(given), given, sources, host, host[0], root, Log(host[0], "", log)))
    return log.getvalue()


def test_several_passes_go_on_with_rows_that_lose_their_weight(tmp_path: Path) -> None:
    rows = grouped(3000)
    trained(tmp_path, rows, k=5, feature_dim=3, half_life_time_size=500, epochs=3)
    model = ndarrays.read(tmp_path / "model", "K-Means").values[0]
    assert loss(model, rows) <= 1.05 * KMeans(5, n_init=5, random_state=0).fit(rows).inertia_


def test_what_instances_knew_before_a_pass_counts_once_where_they_merge() -> None:
    rows = grouped(4000)
    first, second = (learned(rows, Plan(5, 3, half_life=1_000_000, rank=rank)) for rank in (0, 1))
    begun, before, model = dict(first.arrays()), first.weights.sum(), first.centres(5)[0]
    for each in (first, second):
        each.restore(begun)
        each.carry_on(model, 2)
        each.update(Batch(rows[:100]))
    first.merge([second])
    assert first.weights.sum() == pytest.approx(before + 200, rel=1e-3)
    assert first.seen == 4000


def test_a_job_that_has_only_its_model_left_to_write_knows_how_good_it_is(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    whole, again = (trained(tmp_path, grouped(500), k=5, feature_dim=3) for _ in range(2))
    assert "Resuming" in again
    assert whole.splitlines()[-1].partition("train msd")[2] == again.splitlines()[-1].partition("train msd")[2] != ""
