"""LDA: the decomposition, its refinement, and mixtures of documents."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.decomposition import LatentDirichletAllocation

from sagesmith.algorithms import ndarrays, serving
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.lda.model import Topics
from sagesmith.algorithms.lda.spectral import Decomposition, topics
from sagesmith.algorithms.lda.train import learned
from sagesmith.algorithms.lda.variational import Fit, fitted, likelihood

NUMBER, WORDS = 4, 40


@pytest.fixture(scope="module")
def truth() -> Any:
    return np.random.default_rng(1).dirichlet(np.full(WORDS, 0.1), size=NUMBER)


@pytest.fixture(scope="module")
def documents(truth: Any) -> Any:
    random = np.random.default_rng(2)
    alpha = np.full(NUMBER, 0.25)
    return csr_matrix(
        np.array([random.multinomial(60, random.dirichlet(alpha) @ truth) for _ in range(1500)], np.float64)
    )


def distance(found: Any, truth: Any) -> float:
    """The mean total variation of topics from those that they are closest to, each to one."""
    apart = np.abs(found[:, None] - truth[None]).sum(axis=2) / 2
    return float(apart[linear_sum_assignment(apart)].mean())


def fit(counts: Any, number: int) -> Topics:
    return learned(counts, number, 1.0, Decomposition(), threading.Event())


def test_the_decomposition_finds_the_topics_that_documents_were_made_of(documents: Any, truth: Any) -> None:
    found = topics(documents, NUMBER, 1.0, Decomposition())
    assert found is not None
    alpha, values = found
    assert alpha.sum() == pytest.approx(1.0)
    assert distance(values, truth) < 0.1


def test_refined_topics_are_closer_and_concentrations_are_learned(documents: Any, truth: Any) -> None:
    model = fit(documents, NUMBER)
    assert distance(model.values, truth) < 0.04
    assert model.alpha.sum() == pytest.approx(1.0, rel=0.2)


def test_documents_are_as_likely_as_by_scikit_learn(documents: Any) -> None:
    learned_from, test = documents[:500], documents[1200:]
    model = fit(learned_from, NUMBER)
    reference = LatentDirichletAllocation(NUMBER, learning_method="batch", max_iter=10, random_state=0).fit(
        learned_from
    )
    values = reference.components_ / reference.components_.sum(axis=1, keepdims=True)
    theirs = likelihood(test, np.full(NUMBER, 1 / NUMBER), values)
    assert likelihood(test, model.alpha, model.values) >= theirs - 0.01 * abs(theirs)


def test_digits_are_as_likely_as_by_scikit_learn() -> None:
    counts = csr_matrix(load_digits().data[:150])
    model = fit(counts, 5)
    reference = LatentDirichletAllocation(5, learning_method="batch", max_iter=10, random_state=0).fit(counts)
    values = reference.components_ / reference.components_.sum(axis=1, keepdims=True)
    theirs = likelihood(counts, np.full(5, 0.2), values)
    assert likelihood(counts, model.alpha, model.values) >= theirs - 0.01 * abs(theirs)


def test_each_step_makes_documents_likelier(documents: Any) -> None:
    going = Fit.at_random(documents[:300], np.full(NUMBER, 0.25), 0)
    bounds = []
    for _ in range(8):
        going.step()
        bounds.append(going.bound)
    assert np.all(np.diff(bounds) > -1e-4 * np.abs(bounds[:-1]))


def test_short_documents_and_few_of_them_are_learned_from_all_the_same() -> None:
    counts = csr_matrix(np.array([[1.0, 0, 0], [0, 2, 0], [0, 0, 1], [0, 0, 0]]))
    assert topics(counts, 2, 1.0, Decomposition()) is None
    model = fit(counts, 2)
    np.testing.assert_allclose(model.values.sum(axis=1), 1)


def test_a_document_finds_topics_again_that_it_has_lost() -> None:
    random, squares = np.random.default_rng(0), np.zeros((10, 5, 5))
    for bar in range(5):
        # The rows of a square together are its columns together.
        squares[bar, bar] = squares[5 + bar, :, bar] = 0.2
    bars = squares.reshape(10, 25)
    counts = [random.multinomial(150, mixture @ bars) for mixture in random.dirichlet(np.full(10, 0.1), 500)]
    assert distance(fit(csr_matrix(np.array(counts, np.float64)), 10).values, bars) < 0.02


def test_the_same_corpus_gives_the_same_topics(documents: Any) -> None:
    np.testing.assert_array_equal(fit(documents[:200], 3).values, fit(documents[:200], 3).values)


def test_a_model_that_was_asked_to_stop_is_a_model(documents: Any) -> None:
    stopping = threading.Event()
    stopping.set()
    model = learned(documents, NUMBER, 1.0, Decomposition(), stopping)
    np.testing.assert_allclose(model.values.sum(axis=1), 1)


def test_answers_are_mixtures_whatever_the_other_documents_are(tmp_path: Path, truth: Any, documents: Any) -> None:
    Topics(np.full(NUMBER, 0.25), truth).save(tmp_path, "algo-1")
    predictor = serving.load("lda", tmp_path)
    lines = [",".join(map(repr, row)) for row in documents[:5].toarray().tolist()] + [",".join("0" * WORDS)]
    together = predictor.answer("\n".join(lines).encode(), "text/csv", "application/jsonlines")[0].splitlines()
    alone = [predictor.answer(line.encode(), "text/csv", "application/jsonlines")[0].strip() for line in lines]
    assert together == alone
    assert together[-1] == b'{"topic_mixture": [0.25, 0.25, 0.25, 0.25]}'


def test_sparse_documents_are_answered(tmp_path: Path, truth: Any) -> None:
    Topics(np.full(NUMBER, 0.25), truth).save(tmp_path, "algo-1")
    body = b'{"instances": [{"data": {"features": {"keys": [0, 3], "shape": [40], "values": [5, 7]}}}]}'
    answered = serving.load("lda", tmp_path).answer(body, "application/json", "application/json")[0]
    assert answered.startswith(b'{"predictions": [{"topic_mixture": [')


def test_an_artifact_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    ndarrays.write(tmp_path, "algo-1", [np.ones((2, 2))])
    with pytest.raises(CustomerError, match="not one of LDA"):
        serving.load("lda", tmp_path)


def test_the_mixture_of_a_document_is_that_which_it_has_among_others(truth: Any, documents: Any) -> None:
    alpha, some = np.full(NUMBER, 0.25), documents[:20]
    begin = alpha + np.asarray(some.sum(axis=1)) / NUMBER
    together = np.array([fitted(some[row], truth, alpha, begin[row][None], 100, 1e-4)[0][0] for row in range(20)])
    found = Topics(alpha, truth).mixtures(some)
    assert np.allclose(found, together / together.sum(axis=1, keepdims=True), atol=1e-9)
    empty = Topics(alpha, truth).mixtures(csr_matrix((1, WORDS)))
    assert np.allclose(empty, 1 / NUMBER)
