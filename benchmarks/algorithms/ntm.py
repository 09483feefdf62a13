"""NTM against scikit-learn's LDA: how well unseen documents are told, and how well topics' words go together."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from benchmarks.algorithms import Row, _docstrings, _operations
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.lda.variational import likelihood
from sagesmith.algorithms.run.state import unpack
from tests.algorithms import harness

_TOPICS, _TOP = 20, 10
# Those of AWS's notebook of 20 newsgroups; of few documents, more updates.
_NOTEBOOK = {"epochs": 100, "num_patience_epochs": 5, "mini_batch_size": 128, "tolerance": 0.001}
_FEW = _NOTEBOOK | {"num_patience_epochs": 10, "mini_batch_size": 64, "optimizer": "adam", "learning_rate": 0.01}


def quality() -> Iterator[Row]:
    """Of what AWS's services say of their operations, and of documentation strings, five lines of a package together.

    Perplexities are the mean documents', by lower bounds of the likelihood; scikit-learn's own of LDA is looser than
    the one that is taken. A tenth of the documents is there to stop by.
    """
    operations = tuple([text for _, text in part] for part in _operations.texts())
    strings = tuple(_documents(part) for part in _docstrings.texts())
    yield from _compared("AWS's operations", *operations, 2000, _NOTEBOOK)
    yield from _compared("docstrings", *strings, 1000, _FEW)


def _compared(title: str, train: list[str], test: list[str], words: int, given: dict[str, object]) -> Iterator[Row]:
    vectorizer = CountVectorizer(max_features=words, stop_words="english", token_pattern=r"\b[a-z]{3,}\b")
    counts, unseen = (_filled(each) for each in (vectorizer.fit_transform(train), vectorizer.transform(test)))
    loss, topics = _ours(counts, unseen, given)
    lda = LatentDirichletAllocation(_TOPICS, max_iter=30, learning_method="batch", random_state=0).fit(counts)
    shares = lda.components_ / lda.components_.sum(axis=1, keepdims=True)
    alpha, rows = np.full(_TOPICS, 1 / _TOPICS), csr_matrix(unseen, dtype=np.float64)
    theirs = -np.mean([likelihood(row, alpha, shares) for row in rows])
    label = "scikit-learn LatentDirichletAllocation"
    yield Row("ntm", title, "perplexity", float(np.exp(loss)), float(np.exp(theirs)), label)
    nmf = NMF(_TOPICS, random_state=0, max_iter=200).fit(TfidfTransformer().fit_transform(counts))
    together = np.concatenate([counts, unseen]) > 0
    ours = _coherence(topics, together)
    for name, found in ((label, lda.components_), ("scikit-learn NMF of tf-idf", nmf.components_)):
        yield Row("ntm", title, "coherence (NPMI)", ours, _coherence(found, together), name)


def _filled(counts: Any) -> Any:
    """Documents that have some of the words."""
    found = counts.toarray()
    return found[found.sum(axis=1) > 0]


def _ours(counts: Any, unseen: Any, given: dict[str, object]) -> tuple[float, Any]:
    cut = len(counts) * 9 // 10
    channels = {
        name: harness.Channel({"a.rec": _records(rows)}, "application/x-recordio-protobuf")
        for name, rows in (("train", counts[:cut]), ("validation", counts[cut:]), ("test", unseen))
    }
    given = given | {"feature_dim": counts.shape[1], "num_topics": _TOPICS}
    with tempfile.TemporaryDirectory() as folder:
        trained = harness.train("ntm", Path(folder), given, channels, anew=True)
        topics = unpack((Path(folder) / "model" / "model.npz").read_bytes())["topics"]
    return trained.metrics["test:total_loss"][0], topics


def _records(counts: Any) -> bytes:
    width = counts.shape[1]
    return recordio.write(
        protobuf.write({"values": protobuf.Sparse(row[row > 0].astype(np.float32), np.flatnonzero(row), width)})
        for row in counts
    )


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
