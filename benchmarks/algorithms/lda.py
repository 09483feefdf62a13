"""LDA against scikit-learn's."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.decomposition import LatentDirichletAllocation

from benchmarks.algorithms import Row
from sagesmith.algorithms.lda.spectral import Decomposition
from sagesmith.algorithms.lda.train import learned
from sagesmith.algorithms.lda.variational import likelihood

_TOPICS = 10


def quality() -> Iterator[Row]:
    """The bound of the log-likelihood of words of documents that were kept apart, of which more is better."""
    for name, documents in (
        ("digits as counts", csr_matrix(load_digits().data)),
        ("2,000 documents", _documents(2000)),
    ):
        yield _compared(name, documents)[0]
    yield from _bars()


def speed() -> Iterator[Row]:
    """Documents a second, from the corpus in memory to the topics."""
    yield _compared("5,000 documents", _documents(5000))[1]


def _compared(name: str, documents: Any) -> tuple[Row, Row]:
    split = documents.shape[0] * 4 // 5
    train, test = documents[:split], documents[split:]
    start = time.monotonic()
    model = learned(train, _TOPICS, 1.0, Decomposition(), threading.Event())
    ours = time.monotonic() - start
    start = time.monotonic()
    reference = LatentDirichletAllocation(_TOPICS, learning_method="batch", max_iter=50, random_state=0).fit(train)
    theirs = time.monotonic() - start
    topics = reference.components_ / reference.components_.sum(axis=1, keepdims=True)
    found = likelihood(test, model.alpha, model.values), likelihood(test, np.full(_TOPICS, 1 / _TOPICS), topics)
    label = "scikit-learn LatentDirichletAllocation"
    return (
        Row("lda", name, "test log-likelihood per word", *found, label),
        Row("lda", name, "documents/s", split / ours, split / theirs, label),
    )


def _bars() -> Iterator[Row]:
    """Topics that are the rows and columns of a square of 5 × 5 words, of which all that were there should be found.

    Source: Griffiths and Steyvers, "Finding scientific topics", PNAS 101, 2004; AWS's introductory notebook of LDA
    generates such documents.
    """
    random = np.random.default_rng(0)
    squares = np.zeros((_TOPICS, 5, 5))
    for bar in range(5):
        squares[bar, bar] = squares[5 + bar, :, bar] = 0.2
    topics = squares.reshape(_TOPICS, 25)
    mixtures = random.dirichlet(np.full(_TOPICS, 0.1), 6000)
    documents = csr_matrix(np.array([random.multinomial(150, mixture @ topics) for mixture in mixtures], np.float64))
    ours = learned(documents, _TOPICS, 1.0, Decomposition(), threading.Event()).values
    reference = LatentDirichletAllocation(_TOPICS, learning_method="batch", max_iter=50, random_state=0)
    theirs = reference.fit(documents).components_
    theirs = theirs / theirs.sum(axis=1, keepdims=True)
    yield Row(
        "lda",
        "bars of 5 × 5 words",
        "share of words' weights that is right",
        *(_recovered(topics, found) for found in (ours, theirs)),
        "scikit-learn LatentDirichletAllocation",
    )


def _recovered(topics: Any, found: Any) -> float:
    """One less half the mean distance of topics from those found, each with its own."""
    distances = np.abs(topics[:, None] - found[None]).sum(axis=2)
    return 1 - float(distances[linear_sum_assignment(distances)].mean()) / 2


def _documents(count: int) -> Any:
    random = np.random.default_rng(0)
    topics = random.dirichlet(np.full(1000, 0.05), size=_TOPICS)
    mixtures = random.dirichlet(np.full(_TOPICS, 0.1), size=count)
    return csr_matrix(np.array([random.multinomial(80, mixture @ topics) for mixture in mixtures], np.float64))
