"""Topics from the moments of words: a decomposition of a tensor, as AWS's algorithm makes it.

Of three different words of a document, the expected outer product is, but for what the mean and the pairs of words
account for, a sum over the topics; whitened by the pairs of words it is an orthogonal tensor.

Source: Anandkumar, Ge, Hsu, Kakade and Telgarsky, "Tensor decompositions for learning latent variable models", JMLR 15,
2014, sections 3.2 and 5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Rows whose products are in memory together, in numbers.
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Decomposition:
    """How the tensor is decomposed: see the hyperparameters."""

    restarts: int = 10
    iterations: int = 1000
    tolerance: float = 1e-8
    seed: int = 0


def topics(counts: Any, number: int, alpha0: float, how: Decomposition) -> tuple[Any, Any] | None:
    """The concentration parameters, of shape (topics,), and the topics, of shape (topics, words).

    Args:
        counts: a `scipy.sparse.csr_matrix` of shape (documents, words).

    Returns:
        None if the documents do not have as many directions as topics are asked for.
    """
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    # Three words are needed for a triple.
    counts, lengths = counts[lengths >= 3], lengths[lengths >= 3]
    if counts.shape[0] <= number or number >= counts.shape[1]:
        return None
    mean = np.asarray((counts.multiply(1 / lengths[:, None])).mean(axis=0)).ravel()
    whitened = _whitening(counts, lengths, mean, number, alpha0)
    if whitened is None:
        return None
    white, back = whitened
    values, vectors = _decomposed(_tensor(counts, lengths, mean, white, alpha0), how)
    if np.any(values <= 0):
        return None
    alpha = (2 / ((alpha0 + 2) * values)) ** 2
    found = np.maximum((back @ vectors) * values, 0).T
    sums = found.sum(axis=1, keepdims=True)
    if np.any(sums <= 0) or not np.all(np.isfinite(alpha)):
        return None
    return alpha0 * alpha / alpha.sum(), found / sums


def _whitening(counts: Any, lengths: Any, mean: Any, number: int, alpha0: float) -> tuple[Any, Any] | None:
    """W with W' M2 W = 1, M2 the moment of pairs of words; and its pseudo-inverse, transposed."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    weights = 1 / (lengths * (lengths - 1) * counts.shape[0])
    single = counts.T @ weights
    share = alpha0 / (alpha0 + 1)

    def times(vector: Any) -> Any:
        vector = vector.ravel()
        return counts.T @ (weights * (counts @ vector)) - single * vector - share * mean * (mean @ vector)

    words = counts.shape[1]
    operator = LinearOperator((words, words), matvec=times, dtype=np.float64)
    try:
        values, vectors = eigsh(operator, number, which="LA", v0=np.full(words, words**-0.5))
    except ArpackNoConvergence:
        return None
    if values.min() <= 1e-12 * max(values.max(), 0):
        return None
    return vectors / np.sqrt(values), vectors * np.sqrt(values)


def _tensor(counts: Any, lengths: Any, mean: Any, white: Any, alpha0: float) -> Any:
    """The moment of triples of words in whitened coordinates, of shape (topics, topics, topics)."""
    number, documents = white.shape[1], counts.shape[0]
    projected = counts @ white
    pairs = 1 / (lengths * (lengths - 1) * documents)
    triples = pairs / (lengths - 2)
    total = np.zeros((number, number * number))
    size = max(1, _BLOCK // number**2)
    for start in range(0, documents, size):
        part = projected[start : start + size]
        square = (part[:, :, None] * part[:, None, :]).reshape(len(part), -1)
        total += (part * triples[start : start + size, None]).T @ square
    result = total.reshape(number, number, number)
    beside, single = counts.T @ (triples[:, None] * projected), counts.T @ triples
    result -= _symmetric(_outer(white, white, beside))
    result += 2 * _outer(white * single[:, None], white, white)
    along = white.T @ mean
    pair = (projected * pairs[:, None]).T @ projected - (white * (counts.T @ pairs)[:, None]).T @ white
    result -= alpha0 / (alpha0 + 2) * _symmetric(pair[:, :, None] * along)
    cube = along[:, None, None] * along[:, None] * along
    return result + 2 * alpha0**2 / ((alpha0 + 1) * (alpha0 + 2)) * cube


def _outer(one: Any, two: Any, three: Any) -> Any:
    """The sum of the rows' outer products."""
    return np.einsum("wi,wj,wk->ijk", one, two, three, optimize=True)


def _symmetric(tensor: Any) -> Any:
    """The sum over the places of the last index."""
    return tensor + tensor.transpose(0, 2, 1) + tensor.transpose(2, 0, 1)


def _decomposed(tensor: Any, how: Decomposition) -> tuple[Any, Any]:
    """The values, and the directions as columns, of the best orthogonal decomposition by alternating least squares."""
    number = len(tensor)
    flat, random = tensor.reshape(number, -1), np.random.default_rng(how.seed)
    best: tuple[float, Any, Any] | None = None
    for _ in range(how.restarts):
        vectors = np.linalg.qr(random.normal(size=(number, number)))[0]
        for _ in range(how.iterations):
            before = vectors
            squares = (vectors[:, None, :] * vectors[None, :, :]).reshape(-1, number)
            left, _, right = np.linalg.svd(flat @ squares)
            # The closest matrix with orthogonal columns.
            vectors = left @ right
            if np.abs(np.abs((vectors * before).sum(axis=0)) - 1).max() < how.tolerance:
                break
        values = np.einsum("ijk,ia,ja,ka->a", tensor, vectors, vectors, vectors, optimize=True)
        signs = np.where(values < 0, -1.0, 1.0)
        explained = float((values**2).sum())
        if best is None or explained > best[0]:
            best = explained, values * signs, vectors * signs
    assert best is not None
    return best[1], best[2]
