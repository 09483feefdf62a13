"""PCA: its states and its models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA

from sagesmith.algorithms import ndarrays, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.pca.model import Components
from sagesmith.algorithms.pca.state import Moments, Sketch
from sagesmith.algorithms.pca.train import begin, model_of

MODES = ("regular", "randomized")


def digits() -> Any:
    return load_digits().data.astype(np.float32)


def learned(rows: Any, number: int, mode: str = "regular", *, mean: bool = True, extra: int = -1) -> Moments | Sketch:
    state = begin(rows.shape[1], number, mode, extra, mean)
    for piece in Batch(rows).pieces(170):
        state.update(piece)
    return state


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer], ids=["digits", "breast_cancer"])
def test_regular_components_are_scikit_learns(load: Any) -> None:
    rows = load().data.astype(np.float32)
    model, reference = model_of(learned(rows, 5), 5), PCA(5, svd_solver="full").fit(rows.astype(np.float64))
    np.testing.assert_allclose(model.lengths[::-1], reference.singular_values_, rtol=1e-4)
    agreement = np.abs(np.sum(model.directions.T[::-1] * reference.components_, axis=1))
    np.testing.assert_allclose(agreement, 1, atol=1e-4)


def test_randomized_components_have_nearly_as_much_variance() -> None:
    rows = digits()
    model, reference = model_of(learned(rows, 8, "randomized"), 8), PCA(8, svd_solver="full").fit(rows)
    projected = model.project(rows)
    assert projected.var(axis=0).sum() >= 0.99 * reference.transform(rows).var(axis=0).sum()


@pytest.mark.parametrize("mode", MODES)
def test_the_mean_stays_where_it_is_not_to_be_subtracted(mode: str) -> None:
    rows = digits()
    model = model_of(learned(rows, 4, mode, mean=False, extra=50), 4)
    values = np.linalg.svd(rows.astype(np.float64), compute_uv=False)[:4]
    np.testing.assert_allclose(model.lengths[::-1], values, rtol=1e-3)
    assert model.mean is None


@pytest.mark.parametrize("mode", MODES)
def test_states_of_two_instances_merge_into_that_of_all_rows(mode: str) -> None:
    rows = digits()
    one, two, both = (learned(part, 6, mode, extra=40) for part in (rows[:700], rows[700:], rows))
    one.merge([two])  # type: ignore[arg-type]
    assert one.count == both.count
    np.testing.assert_allclose(one.mean, both.mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(one.variance, both.variance, rtol=1e-5)
    np.testing.assert_allclose(model_of(one, 6).lengths, model_of(both, 6).lengths, rtol=2e-3)


@pytest.mark.parametrize("mode", MODES)
def test_a_state_that_was_saved_and_restored_goes_on_to_the_last_bit(mode: str) -> None:
    through, stopped = begin(64, 4, mode, -1, True), begin(64, 4, mode, -1, True)
    for piece in Batch(digits()).pieces(300):
        through.update(piece)
        stopped.update(piece)
        saved, stopped = stopped.arrays(), begin(64, 4, mode, -1, True)
        stopped.restore(saved)
    for name, values in through.arrays().items():
        np.testing.assert_array_equal(values, stopped.arrays()[name], name)


@pytest.mark.parametrize("mode", MODES)
def test_sparse_rows_give_the_components_of_dense_ones(mode: str) -> None:
    rows = digits()
    dense, sparse = learned(rows, 4, mode), learned(csr_matrix(rows), 4, mode)
    np.testing.assert_allclose(model_of(dense, 4).lengths, model_of(sparse, 4).lengths, rtol=1e-5)


@pytest.mark.parametrize("columns", [20, 900], ids=["narrow", "wide"])
def test_a_sketch_of_long_batches_is_as_good(columns: int) -> None:
    random = np.random.default_rng(0)
    rows = (random.normal(size=(8000, columns)) * 0.8 ** np.arange(columns)).astype(np.float32)
    state = begin(columns, 4, "randomized", -1, True)
    state.update(Batch(rows))
    reference = PCA(4, svd_solver="covariance_eigh").fit(rows.astype(np.float64))
    np.testing.assert_allclose(model_of(state, 4).lengths[::-1], reference.singular_values_, rtol=1e-3)


def test_a_large_mean_loses_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32) * np.float32([1, 2, 3, 4])
    far = (rows + 2**16).astype(np.float32)
    reference = PCA(2, svd_solver="full").fit(far.astype(np.float64))
    np.testing.assert_allclose(model_of(learned(far, 2), 2).lengths[::-1], reference.singular_values_, rtol=1e-4)


def test_a_model_answers_as_the_page_says(tmp_path: Path) -> None:
    Components(np.eye(3, 2, dtype=np.float32), np.ones(2), np.float32([1, 1, 1])).save(tmp_path, "algo-1")
    predictor = serving.load("pca", tmp_path)
    assert predictor.answer(b"2,3,4\n1,1,1", "text/csv", "application/json") == (
        b'{"projections": [{"projection": [1.0, 2.0]}, {"projection": [0.0, 0.0]}]}',
        "application/json",
    )
    assert predictor.answer(b"2,3,4", "text/csv", "application/jsonlines")[0] == b'{"projection": [1.0, 2.0]}\n'


def test_an_artifact_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    ndarrays.write(tmp_path, "algo-1", [np.ones((2, 2))])
    with pytest.raises(CustomerError, match="not one of PCA"):
        serving.load("pca", tmp_path)


def test_an_artifact_whose_mean_is_of_other_columns_is_refused(tmp_path: Path) -> None:
    ndarrays.write(tmp_path, "algo-1", [np.ones((2, 2)), np.ones(2), np.ones((1, 3))], ["v", "s", "mean"])
    with pytest.raises(CustomerError, match="v and mean do not fit"):
        serving.load("pca", tmp_path)


def test_a_row_is_answered_alone_as_among_others() -> None:
    rows = digits()[:200]
    model = model_of(learned(rows, 5), 5)
    together = model.predict(Batch(rows))
    assert [model.predict(Batch(rows[at : at + 1]))[0] for at in range(len(rows))] == list(together)
