"""How good topics look: whether their words belong together, and are theirs alone."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

TOP = 20
_SIZE = 100


def top_words(topics: Any) -> Any:
    """The numbers of each topic's most frequent words, the most frequent first."""
    return np.argsort(-topics, axis=1, kind="stable")[:, :TOP]


def uniqueness(tops: Any) -> list[float]:
    """Of each topic (TU): the mean of its words' 1 / (number of topics that have it)."""
    counts = Counter(tops.ravel().tolist())
    return [float(np.mean([1 / counts[word] for word in words])) for words in tops.tolist()]


def vectors(documents: Any) -> Any:
    """Vectors of words by the documents that have them, of length 1: latent semantic analysis."""
    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(sparse.csr_matrix(documents))
    size = min(_SIZE, min(weighted.shape) - 1)
    if size < 1:
        return np.ones((weighted.shape[1], 1))
    found = TruncatedSVD(size, random_state=0).fit(weighted)
    values = (found.components_ * found.singular_values_[:, None]).T
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def coherence(tops: Any, words: Any) -> list[float]:
    """Of each topic (WETC): the mean cosine similarity of two of its words.

    Args:
        words: vectors of length 1.
    """
    found = []
    for top in tops:
        count = len(top)
        total = float(np.square(words[top].sum(axis=0)).sum()) - count
        found.append(total / max(count * (count - 1), 1))
    return found


def told(topics: Any, vocabulary: Sequence[str] | None, documents: Any) -> list[str]:
    """Topics as lines of AWS's log; without a vocabulary words are numbers, and there is no coherence."""
    tops = top_words(topics)
    unique = uniqueness(tops)
    if vocabulary is None or documents is None:
        lines = [f"Topics from epoch:final (num_topics:{len(tops)}) [tu {np.mean(unique):.2f}]:"]
        return lines + [
            f"[{own:.2f}] {' '.join(map(str, top))}" for own, top in zip(unique, tops.tolist(), strict=True)
        ]
    coherent = coherence(tops, vectors(documents))
    lines = [
        f"Topics from epoch:final (num_topics:{len(tops)}) [wetc {np.mean(coherent):.2f}, tu {np.mean(unique):.2f}]:"
    ]
    return lines + [
        f"[{wetc:.2f}, {own:.2f}] {' '.join(vocabulary[word] for word in top)}"
        for wetc, own, top in zip(coherent, unique, tops.tolist(), strict=True)
    ]
