"""Factorization Machines' parts: predictions, steps, several instances, metrics."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import accuracy_score, f1_score, log_loss

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.factorization_machines.declaration import SCHEMA
from sagesmith.algorithms.factorization_machines.model import Machine
from sagesmith.algorithms.factorization_machines.state import Learning, measured, metrics


def learning(**given: object) -> Learning:
    values = {"feature_dim": 8, "num_factors": 3, "predictor_type": "regressor", "mini_batch_size": 10}
    return Learning.started(SCHEMA.read({name: str(value) for name, value in (values | given).items()}))


def table(rows: int = 40) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    features = (random.random((rows, 8)) * (random.random((rows, 8)) < 0.4)).astype(np.float32)
    return features, random.normal(size=rows).astype(np.float32)


def test_a_prediction_is_the_sum_of_all_interactions_by_twos() -> None:
    random = np.random.default_rng(1)
    linear, factors = random.normal(size=8).astype(np.float32), random.normal(size=(8, 3)).astype(np.float32)
    row = table(1)[0][0]
    wanted = 0.5 + row @ linear
    for one in range(8):
        for other in range(one + 1, 8):
            wanted += factors[one] @ factors[other] * row[one] * row[other]
    machine = Machine("regressor", 0.5, linear, factors)
    assert machine.scores(row[None]) == pytest.approx(wanted, abs=1e-5)
    assert machine.scores(sparse.csr_matrix(row[None])) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("kind", ["regressor", "binary_classifier"])
def test_a_first_step_of_adam_goes_against_the_sign_of_the_gradient(kind: str) -> None:
    features, labels = table(10)
    labels = (labels > 0).astype(np.float32) if kind == "binary_classifier" else labels
    given = {"factors_init_sigma": 0.5, "bias_wd": 0, "linear_wd": 0, "factors_wd": 0, "factors_lr": 0.001}
    state = learning(predictor_type=kind, **given)
    before = Machine(kind, float(state.bias[0]), state.linear.copy(), state.factors.copy())

    def loss(factors: Any) -> float:
        scores = Machine(kind, before.bias, before.linear, factors).scores(features.astype(np.float64))
        return float(log_loss(labels, scores) if kind == "binary_classifier" else ((scores - labels) ** 2).mean())

    state.update(Batch(features, labels))
    for place in [(0, 0), (3, 1), (7, 2)]:
        step = np.zeros((8, 3))
        step[place] = 1e-4
        slope = loss(before.factors + step) - loss(before.factors - step)
        moved = state.factors[place] - before.factors[place]
        assert moved == pytest.approx(-0.001 * np.sign(slope), rel=1e-2)


def test_sparse_rows_move_the_machine_as_dense_ones_do() -> None:
    features, labels = table()
    # Without rows that lack a feature a step moves all of them, as it does with dense rows.
    features = np.maximum(features, 0.01)
    dense, thin = learning(), learning()
    dense.update(Batch(features, labels))
    thin.update(Batch(sparse.csr_matrix(features), labels))
    assert thin.factors == pytest.approx(dense.factors, abs=1e-6)
    assert thin.linear == pytest.approx(dense.linear, abs=1e-6)


def test_a_feature_that_no_row_has_is_not_moved() -> None:
    features, labels = table()
    features[:, 5] = 0
    state = learning()
    before = state.factors[5].copy()
    state.update(Batch(sparse.csr_matrix(features), labels))
    assert np.array_equal(state.factors[5], before)
    assert state.touched[5] == 0


def test_instances_keep_what_only_one_of_them_has_seen() -> None:
    features, labels = table()
    one, other = learning(), learning()
    mine, others = features.copy(), features.copy()
    mine[:, 4:], others[:, :4] = 0, 0
    one.update(Batch(sparse.csr_matrix(mine), labels))
    other.update(Batch(sparse.csr_matrix(others), labels))
    left, right = one.factors[:4].copy(), other.factors[4:].copy()
    one.merge([other])
    assert one.factors[:4] == pytest.approx(left)
    assert one.factors[4:] == pytest.approx(right)
    assert one.sums[0] == 80


def test_a_state_that_was_restored_goes_on_to_the_last_bit() -> None:
    features, labels = table()
    one, other = learning(), learning(factors_init_sigma=2)
    one.update(Batch(features, labels))
    other.restore({name: np.array(array) for name, array in one.arrays().items()})
    one.update(Batch(features, labels))
    other.update(Batch(features, labels))
    assert np.array_equal(one.factors, other.factors)
    with pytest.raises(ValueError, match="shape"):
        other.restore(dict(learning(num_factors=4).arrays()))


def test_metrics_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    raw, labels = random.normal(size=100), (random.random(100) < 0.5).astype(np.float32)
    found = metrics(measured(raw, labels, True), True)
    assert found["binary_classification_accuracy"] == pytest.approx(accuracy_score(labels, raw >= 0))
    assert found["binary_classification_cross_entropy"] == pytest.approx(log_loss(labels, 1 / (1 + np.exp(-raw))))
    assert found["binary_f_1.000"] == pytest.approx(f1_score(labels, raw >= 0))


@pytest.mark.parametrize(("method", "missing"), [("uniform", "linear_init_scale"), ("constant", "linear_init_value")])
def test_a_way_to_begin_needs_its_number(method: str, missing: str) -> None:
    with pytest.raises(CustomerError, match=f"'{missing}' is a required property"):
        learning(linear_init_method=method)
    assert learning(linear_init_method=method, **{missing: 0.5}).linear.max() <= 0.5
