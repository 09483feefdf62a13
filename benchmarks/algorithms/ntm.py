"""NTM against scikit-learn's LDA: how well unseen documents are told, and how well topics' words go together."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from benchmarks.algorithms import Row, _docstrings
from sagesmith.algorithms.lda.variational import likelihood
from sagesmith.algorithms.run.state import unpack
from tests.algorithms import harness
from tests.algorithms.rows import csv

_TOPICS, _WORDS, _TOP = 20, 1000, 10
_GIVEN = {
    "feature_dim": _WORDS,
    "num_topics": _TOPICS,
    "epochs": 100,
    "num_patience_epochs": 10,
    "mini_batch_size": 64,
    "optimizer": "adam",
    "learning_rate": 0.01,
}


def quality() -> Iterator[Row]:
    """Of documentation strings, five lines of a package together.

    Perplexities are by lower bounds of the likelihood; scikit-learn's own of LDA is looser than the one that is taken.
    """
    train, test = (_documents(part) for part in _docstrings.texts())
    vectorizer = CountVectorizer(max_features=_WORDS, stop_words="english")
    counts, unseen = vectorizer.fit_transform(train).toarray(), vectorizer.transform(test).toarray()
    loss, topics = _ours(counts, unseen)
    lda = LatentDirichletAllocation(_TOPICS, max_iter=50, learning_method="batch", random_state=0).fit(counts)
    shares = lda.components_ / lda.components_.sum(axis=1, keepdims=True)
    theirs = likelihood(csr_matrix(unseen, dtype=np.float64), np.full(_TOPICS, 1 / _TOPICS), shares)
    label = "scikit-learn LatentDirichletAllocation"
    yield Row("ntm", "docstrings", "perplexity", float(np.exp(loss)), float(np.exp(-theirs)), label)
    nmf = NMF(_TOPICS, random_state=0, max_iter=500).fit(TfidfTransformer().fit_transform(counts))
    together = np.concatenate([counts, unseen]) > 0
    ours = _coherence(topics, together)
    for name, found in ((label, lda.components_), ("scikit-learn NMF of tf-idf", nmf.components_)):
        yield Row("ntm", "docstrings", "coherence (NPMI)", ours, _coherence(found, together), name)


def _ours(counts: Any, unseen: Any) -> tuple[float, Any]:
    content_type = "text/csv;label_size=0"
    channels = {
        "train": harness.Channel({"a.csv": csv(counts)}, content_type),
        "test": harness.Channel({"a.csv": csv(unseen)}, content_type),
    }
    with tempfile.TemporaryDirectory() as folder:
        trained = harness.train("ntm", Path(folder), _GIVEN, channels, anew=True)
        topics = unpack((Path(folder) / "model" / "model.npz").read_bytes())["topics"]
    return trained.metrics["test:total_loss"][0], topics


def _documents(texts: list[tuple[str, str]], lines: int = 5) -> list[str]:
    by_package: dict[str, list[str]] = {}
    for package, text in texts:
        by_package.setdefault(package, []).append(text)
    return [
        " ".join(found[start : start + lines])
        for _, found in sorted(by_package.items())
        for start in range(0, len(found), lines)
    ]


def _coherence(topics: Any, together: Any) -> float:
    """The mean normalized pointwise mutual information of two of a topic's first words, by documents.

    Source: Lau, Newman and Baldwin, "Machine Reading Tea Leaves", EACL 2014.
    """
    share, found = together.mean(axis=0), []
    for top in np.argsort(-topics, axis=1)[:, :_TOP]:
        for number, one in enumerate(top):
            for two in top[:number]:
                both = float((together[:, one] & together[:, two]).mean())
                value = np.log(both / (share[one] * share[two])) / -np.log(both) if 0 < both < 1 else -1.0
                found.append(value)
    return float(np.mean(found))
