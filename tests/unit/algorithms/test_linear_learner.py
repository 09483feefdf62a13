"""Linear Learner's parts: losses, both ways of training, the choice of models and thresholds."""

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import linear_model
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score, roc_auc_score

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.protobuf import Sparse
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.linear_learner import losses, metrics
from sagesmith.algorithms.linear_learner import rows as rows_module
from sagesmith.algorithms.linear_learner.candidates import candidates
from sagesmith.algorithms.linear_learner.descent import Descent, Optimizer
from sagesmith.algorithms.linear_learner.learner import Learner
from sagesmith.algorithms.linear_learner.metrics import Criterion, best_threshold
from sagesmith.algorithms.linear_learner.model import load
from sagesmith.algorithms.linear_learner.newton import Newton
from sagesmith.algorithms.linear_learner.penalties import Penalties
from sagesmith.algorithms.linear_learner.problem import Problem
from sagesmith.algorithms.linear_learner.rows import DENSE_COLUMNS, Data
from sagesmith.algorithms.linear_learner.scaling import Moments, Scaling
from sagesmith.algorithms.linear_learner.schema import LOSSES, SCHEMA
from sagesmith.algorithms.linear_learner.squares import Squares
from sagesmith.algorithms.linear_learner.train import train
from sagesmith.algorithms.run import meeting
from sagesmith.algorithms.run.hosts import Hosts
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.serving import Rows
from tests.algorithms import harness
from tests.unit.algorithms.test_streaming import NAMES, together

SETTINGS: Mapping[str, Any] = {"margin": 1.0, "quantile": 0.8, "huber_delta": 0.7, "loss_insensitivity": 0.2}
POINTWISE = [name for kind in ("regressor", "binary_classifier") for name in LOSSES[kind]]


def table(rows: int = 400, columns: int = 5, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, columns)).astype(np.float32)
    raw = features @ np.arange(1, columns + 1) / columns + random.normal(size=rows)
    return features, (raw > 0.3).astype(np.float32)


def prepare(batch: Batch) -> tuple[Any, Any]:
    return np.column_stack([batch.features, np.ones(len(batch), np.float32)]), batch.labels


def newton(loss: str, l1: list[float], wd: list[float], columns: int = 6, classes: int = 1) -> Newton:
    problem = Problem(classes, None if loss == "softmax_loss" else losses.loss(loss, SETTINGS))
    weights = np.zeros((len(l1), classes, columns))
    return Newton(problem, Penalties(np.array(l1), np.array(wd)), prepare, weights)


def squares(l1: list[float], wd: list[float]) -> Squares:
    return Squares(Penalties(np.array(l1), np.array(wd)), prepare, np.zeros((len(l1), 1, 6)))


def descent(models: int = 2) -> Descent:
    problem = Problem(1, losses.loss("logistic", SETTINGS))
    penalties = Penalties(np.zeros(models), np.full(models, 1e-3))
    return Descent(problem, penalties, prepare, Optimizer("adam", np.full(models, 0.05)), 50, np.zeros((models, 1, 6)))


def trained(method: Newton, batch: Batch, passes: int = 40) -> Newton:
    for _ in range(passes):
        method.update(batch)
        if method.step():
            break
    return method


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("kink", [0.0, 0.5])
def test_slopes_are_the_derivatives_of_the_losses(name: str, kink: float) -> None:
    loss = losses.loss(name, SETTINGS)
    raw = np.linspace(-3, 3, 61)[:, None] + 0.0123
    for label in (np.zeros((1, 1)), np.ones((1, 1))):
        step = 1e-6
        numeric = (loss.value(raw + step, label, kink) - loss.value(raw - step, label, kink)) / (2 * step)
        assert loss.slope(raw, label, kink) == pytest.approx(numeric, abs=1e-4)
        value, slope = loss.measured(raw, label, kink)
        assert value == pytest.approx(loss.value(raw, label, kink))
        assert slope == pytest.approx(numeric, abs=1e-4)


@pytest.mark.parametrize("name", ["logistic", "softmax_loss"])
@pytest.mark.parametrize("wd", [1e-3, 1e-1])
def test_newtons_method_finds_what_scikit_learn_finds(name: str, wd: float) -> None:
    features, labels = table()
    classes = 1
    if name == "softmax_loss":
        labels, classes = (features[:, 0] > 0) + (features[:, 1] > 0.2) * 1.0, 3
    method = trained(newton(name, [0.0], [wd], classes=classes), Batch(features, labels))
    theirs = linear_model.LogisticRegression(C=1 / (len(labels) * wd), tol=1e-10, max_iter=1000).fit(features, labels)
    reference = theirs.coef_ if classes > 1 else theirs.coef_[:1]
    assert method.weights[0, :, :-1] == pytest.approx(reference, abs=2e-3)


def test_models_of_several_classes_with_few_weights_are_found_in_few_passes() -> None:
    random = np.random.default_rng(2)
    features = random.normal(size=(600, 5)).astype(np.float32)
    raw = 2 * features @ random.normal(size=(5, 4))
    labels = (raw + random.gumbel(size=raw.shape)).argmax(axis=1).astype(np.float32)
    method = trained(newton("softmax_loss", [0.02], [0.0], classes=4), Batch(features, labels), passes=12)
    theirs = linear_model.LogisticRegression(
        C=1 / (len(labels) * 0.02), l1_ratio=1.0, solver="saga", tol=1e-4, max_iter=10_000
    ).fit(features, labels)
    weights = method.weights[0]
    shares = losses.softmax(prepare(Batch(features, labels))[0] @ weights.T)

    def objective(shares: Any, weights: Any) -> float:
        return log_loss(labels, shares) + 0.02 * float(np.abs(weights).sum())

    assert objective(shares, weights[:, :-1]) <= 1.0001 * objective(theirs.predict_proba(features), theirs.coef_)
    assert (weights[:, :-1] == 0).any()


@pytest.mark.parametrize(("l1", "wd"), [(0.0, 1e-3), (1e-3, 0.0)])
def test_a_step_that_was_too_long_is_followed_by_one_that_makes_the_loss_less(l1: float, wd: float) -> None:
    features, labels = table()
    method = newton("logistic", [l1], [wd])
    method.update(Batch(features, labels))
    method.step()
    method.weights = 12 * method.weights
    method.update(Batch(features, labels))
    best = method.objective.copy()
    method.step()
    assert method.objective == best
    method.update(Batch(features, labels))
    method.step()
    assert method.objective < 0.95 * best


@pytest.mark.parametrize("counted", [False, True])
def test_the_curvature_of_several_classes_is_the_change_of_the_slopes(counted: bool) -> None:
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(50, 4)), random.integers(0, 3, 50)
    weights, counts = random.normal(size=(5, 3, 4)), random.random((50, 1)) if counted else None
    problem = Problem(3, None)

    def gradient(weights: Any) -> Any:
        shares = losses.softmax(np.einsum("ij,mcj->imc", rows, weights))
        slopes = shares - np.eye(3)[labels][:, None]
        return np.einsum("imc,ij->mcj", slopes if counts is None else slopes * counts[:, :, None], rows)

    raw = np.einsum("ij,mcj->imc", rows, weights)
    found = problem.curvatures(rows, raw, labels, counts)
    for place in range(12):
        step = np.zeros(12)
        step[place] = 1e-5
        moved = gradient(weights + step.reshape(3, 4)) - gradient(weights - step.reshape(3, 4))
        assert found[:, place] == pytest.approx(moved.reshape(5, 12) / 2e-5, abs=1e-3)


@pytest.mark.parametrize("classes", [1, 3])
def test_sparse_rows_are_answered_and_learned_from_as_dense_ones(classes: int) -> None:
    random = np.random.default_rng(0)
    rows = np.where(random.random((20, 6)) < 0.3, random.normal(size=(20, 6)), 0).astype(np.float32)
    weights, slopes = random.normal(size=(4, classes, 6)), random.normal(size=(20, 4, classes)).astype(np.float32)
    problem = Problem(classes, None)
    raw = problem.raw(rows, weights)
    assert raw == pytest.approx(np.einsum("ij,mcj->imc", rows, weights), abs=1e-5)
    assert problem.raw(csr_matrix(rows), weights) == pytest.approx(raw, abs=1e-5)
    gradients = problem.gradients(rows, slopes)
    assert gradients == pytest.approx(np.einsum("imc,ij->mcj", slopes, rows), abs=1e-5)
    assert problem.gradients(csr_matrix(rows), slopes) == pytest.approx(gradients, abs=1e-5)


def test_the_squared_loss_takes_one_pass_for_models_of_all_penalties() -> None:
    features, labels = table()
    method, other = squares([0.0, 0.0, 0.1], [0.0, 0.2, 0.0]), squares([0.0, 0.0, 0.1], [0.0, 0.2, 0.0])
    method.update(Batch(features[:150], labels[:150]))
    other.update(Batch(features[150:], labels[150:]))
    method.merge([other])
    assert method.step()
    plain = linear_model.LinearRegression().fit(features, labels)
    assert method.weights[0, 0, :-1] == pytest.approx(plain.coef_, abs=1e-4)
    ridge = linear_model.Ridge(alpha=0.2 * len(labels) / 2).fit(features, labels)
    assert method.weights[1, 0, :-1] == pytest.approx(ridge.coef_, abs=1e-4)
    lasso = linear_model.Lasso(alpha=0.05, tol=1e-6).fit(features, labels)
    assert method.weights[2, 0, :-1] == pytest.approx(lasso.coef_, abs=1e-4)
    errors = labels - plain.predict(features)
    assert method.mean_losses()[0] == pytest.approx((errors**2).mean(), rel=1e-4)


def test_columns_of_small_numbers_count_beside_those_of_large_ones() -> None:
    features, labels = table()
    scale = np.geomspace(1e-3, 1e5, features.shape[1]).astype(np.float32)
    method = squares([0.0], [0.0])
    method.update(Batch(features * scale, labels))
    method.step()
    plain = linear_model.LinearRegression().fit(features, labels)
    assert method.weights[0, 0, :-1] * scale == pytest.approx(plain.coef_, abs=1e-4)


@pytest.mark.parametrize("quantile", [0.2, 0.8])
def test_the_share_of_labels_below_a_predicted_quantile_is_the_quantile(quantile: float) -> None:
    features, _ = table(2000)
    labels = (features.sum(axis=1) + np.random.default_rng(1).normal(size=2000)).astype(np.float32)
    problem = Problem(1, losses.loss("quantile_loss", {**SETTINGS, "quantile": quantile}))
    method = Newton(problem, Penalties(np.zeros(1), np.zeros(1)), prepare, np.zeros((1, 1, 6)))
    rows, _ = prepare(Batch(features, labels))
    weights = trained(method, Batch(features, labels)).best
    assert (labels < rows @ weights[0, 0]).mean() == pytest.approx(quantile, abs=0.01)


def test_sums_of_two_instances_take_the_step_of_one() -> None:
    features, labels = table()
    whole = newton("logistic", [0.0, 1e-2], [1e-3, 0.0])
    first, second = newton("logistic", [0.0, 1e-2], [1e-3, 0.0]), newton("logistic", [0.0, 1e-2], [1e-3, 0.0])
    for _ in range(3):
        whole.update(Batch(features, labels))
        first.update(Batch(features[:150], labels[:150]))
        second.update(Batch(features[150:], labels[150:]))
        alone = second.arrays()
        first.merge([second])
        second.restore({name: np.array(array) for name, array in first.arrays().items()})
        assert alone["rows"] == 250
        for each in (whole, first, second):
            each.step()
    assert first.weights == pytest.approx(whole.weights, abs=1e-5)
    assert np.array_equal(first.weights, second.weights)


@pytest.mark.parametrize(
    "make",
    [descent, lambda: newton("logistic", [0.0, 1e-2], [1e-3, 0.0]), lambda: squares([0.0, 1e-2], [1e-3, 0.0])],
    ids=["adam", "newton", "squares"],
)
def test_a_state_that_was_restored_goes_on_to_the_last_bit(make: Any) -> None:
    features, labels = table()
    one, other = Learner(make(), np.zeros(2, np.int64)), Learner(make(), np.zeros(2, np.int64))
    one.update(Batch(features, labels))
    saved = {name: np.array(array) for name, array in one.arrays().items()}
    other.restore(saved)
    for learner in (one, other):
        learner.method.step()
        learner.update(Batch(features[::-1].copy(), labels[::-1].copy()))
        learner.method.step()
    assert np.array_equal(one.method.weights, other.method.weights)
    with pytest.raises(ValueError, match="shape"):
        other.restore(saved | {"method_weights": np.zeros((3, 1, 6))} | {"kept": np.zeros((2, 6))})


def test_a_later_pass_is_kept_though_an_earlier_one_was_estimated_better() -> None:
    learner = Learner(newton("logistic", [0.0], [1e-3]), np.zeros(2, np.int64))
    learner.consider(np.array([-0.1]), np.array([0.2]), np.zeros(1), 1e-3, falls=True)
    learner.method.weights = np.ones((1, 1, 6))
    assert learner.consider(np.array([-0.11]), np.array([0.2]), np.zeros(1), 1e-3, falls=True)
    assert learner.kept.tolist() == [[1.0] * 6]
    assert learner.waited == 1
    assert not learner.consider(np.array([-0.12]), np.array([0.2]), np.zeros(1), 1e-3)


@pytest.mark.parametrize(("name", "rate"), [("sgd", 0.05), ("adam", 0.05), ("rmsprop", 0.05), ("adagrad", 0.3)])
def test_every_gradient_method_comes_close_to_the_least_loss(name: str, rate: float) -> None:
    features, labels = table(2000)
    method = descent(1)
    method.optimizer = Optimizer(name, np.array([rate]), factor=0.99, every=10)
    for _ in range(15):
        method.step()
        method.update(Batch(features, labels))
    best = linear_model.LogisticRegression(C=1 / (2000 * 1e-3)).fit(features, labels)
    least = log_loss(labels, best.predict_proba(features)[:, 1])
    assert method.mean_losses()[0] < 1.02 * least


def test_merged_gradient_methods_mean_their_weights_by_rows() -> None:
    features, labels = table()
    one, other = descent(1), descent(1)
    one.update(Batch(features[:100], labels[:100]))
    other.update(Batch(features[100:], labels[100:]))
    expected = one.weights * 0.25 + other.weights * 0.75
    one.merge([other])
    assert one.weights == pytest.approx(expected, abs=1e-6)


def test_rows_are_scaled_and_weights_brought_back() -> None:
    features, labels = table()
    features = features * [1, 10, 100, 1e-3, 0] + [0, 1e5, 3, 0, 7]
    features = features.astype(np.float32)
    batches = [Batch(features[:100], labels[:100]), Batch(features[100:], labels[100:])]
    moments = Moments.of(batches, 5)
    assert moments.means[:5] == pytest.approx(features.astype(np.float64).mean(axis=0))
    values = SCHEMA.read({"predictor_type": "regressor"})
    scaling = Scaling.chosen(values, moments, False)
    rows = scaling.features(features)
    assert rows[:, :4].std(axis=0) == pytest.approx(1, abs=1e-4)
    assert rows.mean(axis=0) == pytest.approx([0, 0, 0, 0, 0, 1], abs=1e-4)
    weights = np.random.default_rng(0).normal(size=(1, 6))
    original, intercepts = scaling.original(weights)
    direct = features.astype(np.float64) @ original + intercepts
    assert direct[:, 0] == pytest.approx(scaling.raw(rows @ weights[0]), abs=1e-4)


@pytest.mark.parametrize(
    ("criterion", "measure"),
    [
        (Criterion("accuracy"), lambda said, true: (said == true).mean()),
        (Criterion("f_beta"), lambda said, true: f1_score(true, said)),
        (
            Criterion("precision_at_target_recall", target=0.9),
            lambda said, true: precision_score(true, said) if recall_score(true, said) >= 0.9 else -1,
        ),
        (
            Criterion("recall_at_target_precision", target=0.9),
            lambda said, true: recall_score(true, said) if precision_score(true, said, zero_division=0) >= 0.9 else -1,
        ),
    ],
    ids=["accuracy", "f_beta", "precision", "recall"],
)
def test_no_threshold_is_better_than_the_one_that_is_chosen(criterion: Criterion, measure: Any) -> None:
    random = np.random.default_rng(3)
    labels = (random.random(200) < 0.4).astype(np.float32)
    scores = np.round(np.clip(random.normal(0.3 + 0.3 * labels, 0.2), 0, 1), 2).astype(np.float32)
    threshold, value = best_threshold(scores, labels, criterion, 0.5)
    all_values = [measure(scores >= cut, labels == 1) for cut in np.arange(-0.005, 1.01, 0.01)]
    assert value == pytest.approx(max(all_values))
    assert measure(scores >= threshold, labels == 1) == pytest.approx(value)


def test_a_threshold_that_is_as_good_as_any_is_not_moved() -> None:
    scores, labels = np.array([0.1, 0.9], np.float32), np.array([0, 1], np.float32)
    assert best_threshold(scores, labels, Criterion("accuracy"), 0.5) == (0.5, 1.0)


def test_metrics_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(4)
    labels = (random.random(300) < 0.3).astype(np.float32)
    scores = np.round(random.normal(labels, 1.0), 1)
    found = metrics.binary(scores, labels, 0.5, 1.0)
    assert found["binary_f_1.000"] == pytest.approx(f1_score(labels, scores >= 0.5))
    assert found["roc_auc_score"] == pytest.approx(roc_auc_score(labels, scores))
    confusion = metrics.Confusion.empty(3, 2)
    wanted = random.integers(3, size=100)
    shares = random.random((100, 3)) + np.eye(3)[wanted]
    confusion.add(shares, wanted.astype(np.float32))
    many = confusion.metrics(1.0)
    assert many["macro_f_1.000"] == pytest.approx(f1_score(wanted, shares.argmax(1), average="macro"))
    assert many["macro_recall"] == pytest.approx(recall_score(wanted, shares.argmax(1), average="macro"))
    second = np.sort(shares, axis=1)[:, 1]
    assert many["multiclass_top_k_accuracy_2"] == pytest.approx((shares[np.arange(100), wanted] >= second).mean())


def values(**given: str) -> dict[str, Any]:
    return SCHEMA.read({"predictor_type": "regressor"} | given)


def test_the_first_model_is_the_one_that_the_job_describes() -> None:
    found = candidates(values(l1="0.5", wd="0.25"), optimizer="newton", weights=10, tuned=False)
    assert (found[0].l1, found[0].wd) == (0.5, 0.25)
    assert len(found) == len(set(found)) == 9
    rates = candidates(values(learning_rate="0.2", num_models="40"), optimizer="adam", weights=10, tuned=False)
    assert rates[0].learning_rate == 0.2
    assert len(set(rates)) == 40


def test_a_tuning_job_trains_one_model() -> None:
    assert len(candidates(values(num_models="7"), optimizer="newton", weights=10, tuned=True)) == 1


def test_positive_weights_are_tried_with_the_first_penalties() -> None:
    found = candidates(values(), optimizer="newton", weights=10, tuned=False, positives=(1.0, 9.0, 3.0))
    assert {each.positive for each in found[:3]} == {1.0, 9.0, 3.0}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "'predictor_type' is a required property"),
        ({"predictor_type": "multiclass_classifier"}, "'num_classes' is a required property"),
        ({"predictor_type": "regressor", "loss": "logistic"}, "'logistic' is not a loss of a regressor"),
        ({"predictor_type": "regressor", "momentum": "1"}, "'momentum'"),
    ],
)
def test_hyperparameters_that_do_not_fit_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(CustomerError, match=said):
        SCHEMA.read(given)


@pytest.mark.parametrize(("given", "shift"), [("True", 5.0), ("false", 0.0), ("auto", 5.0)])
def test_a_flag_is_read_as_the_sdk_writes_it(given: str, shift: float) -> None:
    moments = Moments(2, np.array([5.0, 0.0]), np.array([2.0, 2.0]))
    values = SCHEMA.read({"predictor_type": "regressor", "unbias_data": given})
    assert Scaling.chosen(values, moments, False).shift.tolist() == [shift]


@pytest.mark.parametrize("strays", [0.0, 0.02])
@pytest.mark.parametrize("classes", [2, 3])
def test_rows_in_the_order_of_their_labels_are_learned_from_as_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int, strays: float
) -> None:
    monkeypatch.setattr(rows_module, "_JUDGED_ROWS", 400)
    random = np.random.default_rng(0)
    features = random.normal(size=(3000, 3))
    labels = np.digitize(features @ [1, -1, 2] + random.logistic(size=3000), [0, 2][: classes - 1])
    where = np.where(random.random(3000) < strays, random.integers(0, classes, 3000), labels)
    order = np.argsort(where, kind="stable")
    table = np.column_stack([labels, features])[order]
    kind: dict[str, object] = {"predictor_type": "multiclass_classifier", "num_classes": 3}
    if classes == 2:
        # A threshold is chosen by some rows, in which strays are all there is of a class.
        criterion = "loss_function" if strays else "accuracy"
        kind = {"predictor_type": "binary_classifier", "binary_classifier_model_selection_criteria": criterion}
    values = {"num_point_for_scaler": 200, **kind}
    text = "".join(",".join(f"{each:.9g}" for each in row) + "\n" for row in table)
    harness.prepare(tmp_path, values, {"train": harness.Channel({"a.csv": text}, "text/csv")}, "algo-1", ["algo-1"])
    train(Job.load(catalogue.algorithm("linear_learner"), tmp_path))
    predictor = load(tmp_path / "model")
    assert isinstance(predictor, Rows)
    answers = predictor.model.predict(Batch(features.astype(np.float32)))
    scores = np.array([each["score"] for each in answers])
    reference = linear_model.LogisticRegression().fit(features, labels)
    assert log_loss(labels, scores) <= 1.1 * log_loss(labels, reference.predict_proba(features))
    found = [each["predicted_label"] for each in answers]
    assert accuracy_score(labels, found) >= 0.97 * reference.score(features, labels)


def test_numbers_in_their_order_are_learned_from_as_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_JUDGED_ROWS", 400)
    random = np.random.default_rng(0)
    features = random.normal(size=(3000, 3))
    labels = features @ [1, -1, 2] + random.normal(size=3000)
    table = np.column_stack([labels, features])[np.argsort(labels)]
    values = {"predictor_type": "regressor", "loss": "absolute_loss", "num_point_for_scaler": 200}
    text = "".join(",".join(f"{each:.9g}" for each in row) + "\n" for row in table)
    harness.prepare(tmp_path, values, {"train": harness.Channel({"a.csv": text}, "text/csv")}, "algo-1", ["algo-1"])
    train(Job.load(catalogue.algorithm("linear_learner"), tmp_path))
    predictor = load(tmp_path / "model")
    assert isinstance(predictor, Rows)
    scores = np.array([each["score"] for each in predictor.model.predict(Batch(features.astype(np.float32)))])
    reference = linear_model.LinearRegression().fit(features, labels).predict(features)
    assert np.abs(scores - labels).mean() <= 1.01 * np.abs(reference - labels).mean()


@pytest.mark.parametrize("sparse", [False, True], ids=("dense", "sparse"))
def test_models_are_judged_by_rows_of_all_instances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sparse: bool
) -> None:
    """The leader may have so few rows that many models are perfect for them."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    monkeypatch.setattr(meeting, "port", lambda _names: port)
    values = SCHEMA.read({"predictor_type": "regressor"})
    columns = DENSE_COLUMNS + 1 if sparse else 2
    for name, labels in zip(NAMES, ([1], [2, 3], [4, 5, 6]), strict=True):
        (tmp_path / name).mkdir()
        vectors = [Sparse(np.ones(1), np.zeros(1, np.int64), columns) if sparse else np.ones(2) for _ in labels]
        records = (
            protobuf.write({"values": each}, {"values": [label]}) for each, label in zip(vectors, labels, strict=True)
        )
        (tmp_path / name / "rows").write_bytes(recordio.write(records))

    def run(instance: Job, hosts: Hosts) -> Any:
        source = Source("train", tmp_path / instance.host, "application/x-recordio-protobuf")
        data = Data.opened(replace(instance, values=values, sources={"train": source}), hosts)
        channel, judged = data.judged
        judging = list(judged())
        assert channel == "train"
        assert all(batch.sparse == sparse and batch.columns == columns for batch in judging)
        return np.concatenate([batch.labels for batch in judging]).tolist(), len(list(data.rows()))

    assert together(NAMES, run) == [([1, 2, 3, 4, 5, 6], 1)] * 3
