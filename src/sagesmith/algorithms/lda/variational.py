"""Variational Bayes of LDA: topics that make documents likelier, step by step, and the topics of a document.

Sources: Blei, Ng and Jordan, "Latent Dirichlet Allocation", JMLR 3, 2003; Hoffman, Blei and Bach, "Online learning for
Latent Dirichlet Allocation", NIPS 2010; of the concentration parameters, Minka, "Estimating a Dirichlet distribution",
2000.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import digamma, gammaln, polygamma

# Numbers (words of documents times topics) that are looked at together.
_BLOCK = 1 << 20
_SMALLEST_ALPHA, _LARGEST_ALPHA = 1e-4, 1e3


@dataclass(slots=True)
class Fit:
    """Topics that are being refined.

    Attributes:
        counts: a `scipy.sparse.csr_matrix` of shape (documents, words).
        alpha: the concentration parameters, of shape (topics,).
        weights: of words in topics: parameters of Dirichlet distributions, of shape (topics, words).
        mixtures: the same of topics in documents, of shape (documents, topics).
        bound: of the log-likelihood of all documents, before the last step.
    """

    counts: Any
    alpha: Any
    weights: Any
    mixtures: Any
    prior: float
    bound: float = -np.inf

    @classmethod
    def begin(cls, counts: Any, alpha: Any, topics: Any) -> "Fit":
        """Begin from topics, of shape (topics, words), that sum up to 1."""
        number, words = topics.shape
        prior = 1 / number
        # As many words as there are, and some for topics to move on.
        weights = prior + topics * (counts.sum() / number) + 0.01 * counts.sum() / (number * words)
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        return cls(counts, np.asarray(alpha, np.float64), weights, alpha + lengths[:, None] / number, prior)

    @classmethod
    def at_random(cls, counts: Any, alpha: Any, seed: int) -> "Fit":
        random = np.random.default_rng(seed)
        topics = random.gamma(100.0, 0.01, (len(alpha), counts.shape[1]))
        return cls.begin(counts, alpha, topics / topics.sum(axis=1, keepdims=True))

    def step(self) -> None:
        """Fit the documents to the topics, then these and the concentration parameters to the documents."""
        logarithms = digamma(self.weights) - digamma(self.weights.sum(axis=1, keepdims=True))
        likely, sums = np.exp(logarithms), np.zeros_like(self.weights)
        bound = 0.0
        for part, block in _blocks(self.counts, len(self.alpha)):
            mixtures, rates, found = fitted(block, likely, self.alpha, self.mixtures[part])
            self.mixtures[part] = mixtures
            sums += (divided(block, found).T @ rates).T
            bound += bounded(block, mixtures, self.alpha, found)
        self.bound = bound + _topics_bound(self.weights, logarithms, self.prior)
        self.weights = self.prior + likely * sums
        self.alpha = _moved(self.alpha, self.mixtures)

    def forget(self) -> None:
        """Begin the documents' mixtures anew: a topic that one has lost does not come back to it by steps."""
        lengths = np.asarray(self.counts.sum(axis=1))
        self.mixtures = self.alpha + lengths / len(self.alpha)

    @property
    def topics(self) -> Any:
        return self.weights / self.weights.sum(axis=1, keepdims=True)


def fitted(
    block: Any, likely: Any, alpha: Any, mixtures: Any, steps: int = 50, close: float = 1e-3
) -> tuple[Any, Any, Any]:
    """The mixtures of some documents.

    Args:
        block: counts of words, a `csr_matrix`.
        likely: the topics' (expected) likelihoods of the words, of shape (topics, words).
        mixtures: to begin from.

    Returns:
        the mixtures' parameters; the exponential of their logarithms' expectation; the likelihood of each word that
        occurs.
    """
    documents = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    of_words = np.ascontiguousarray(likely.T)[block.indices]
    for _ in range(steps):
        rates = _rates(mixtures)
        found = np.einsum("ij,ij->i", rates[documents], of_words) + 1e-100
        before = mixtures
        mixtures = alpha + rates * (divided(block, found) @ likely.T)
        if np.abs(mixtures - before).mean() < close:
            break
    rates = _rates(mixtures)
    return mixtures, rates, np.einsum("ij,ij->i", rates[documents], of_words) + 1e-100


def mixture(counts: Any, likely: Any, alpha: Any, steps: int = 100, close: float = 1e-4) -> Any:
    """The mixture of one document, of shape (topics,): `fitted` without what matrices cost.

    Args:
        counts: of the words that it has.
        likely: the topics' likelihoods of these words, of shape (topics, words).
    """
    found = alpha + counts.sum() / len(alpha)
    for _ in range(steps):
        # A factor that all rates have is of no account.
        rates = np.exp(digamma(found))
        before, found = found, alpha + rates * (likely @ (counts / (rates @ likely + 1e-100)))
        if np.abs(found - before).sum() < close * len(alpha):
            break
    return found


def bounded(block: Any, mixtures: Any, alpha: Any, found: Any) -> float:
    """The lower bound of the documents' log-likelihood."""
    words = float((block.data * np.log(found)).sum())
    logarithms = digamma(mixtures) - digamma(mixtures.sum(axis=1, keepdims=True))
    prior = gammaln(alpha.sum()) - gammaln(alpha).sum()
    own = gammaln(mixtures).sum() - gammaln(mixtures.sum(axis=1)).sum()
    return words + float(((alpha - mixtures) * logarithms).sum() + own + prior * len(mixtures))


def likelihood(counts: Any, alpha: Any, topics: Any) -> float:
    """The lower bound of the log-likelihood of documents, per word."""
    total = 0.0
    for _, block in _blocks(counts, len(alpha)):
        lengths = np.asarray(block.sum(axis=1))
        mixtures, _, found = fitted(block, topics, alpha, alpha + lengths / len(alpha), 100, 1e-4)
        total += bounded(block, mixtures, alpha, found)
    return total / max(float(counts.sum()), 1.0)


def divided(block: Any, found: Any) -> Any:
    """The counts, each divided by its word's likelihood."""
    return csr_matrix((block.data / found, block.indices, block.indptr), block.shape)


def _rates(mixtures: Any) -> Any:
    return np.exp(digamma(mixtures) - digamma(mixtures.sum(axis=1, keepdims=True)))


def _blocks(counts: Any, topics: int) -> Iterator[tuple[slice, Any]]:
    """Documents that have so many words together."""
    start, most = 0, max(_BLOCK // topics, 1)
    while start < counts.shape[0]:
        end = int(np.searchsorted(counts.indptr, counts.indptr[start] + most, "right")) - 1
        part = slice(start, min(max(end, start + 1), counts.shape[0]))
        yield part, counts[part]
        start = part.stop


def _topics_bound(weights: Any, logarithms: Any, prior: float) -> float:
    words = weights.shape[1]
    of_prior = len(weights) * (gammaln(words * prior) - words * gammaln(prior))
    own = gammaln(weights).sum() - gammaln(weights.sum(axis=1)).sum()
    return float(((prior - weights) * logarithms).sum() + own + of_prior)


def _moved(alpha: Any, mixtures: Any) -> Any:
    """A step of Minka's towards the concentration parameters that make the mixtures likeliest."""
    target = (digamma(mixtures) - digamma(mixtures.sum(axis=1, keepdims=True))).mean(axis=0) + digamma(alpha.sum())
    return np.clip(_inverse_digamma(target), _SMALLEST_ALPHA, _LARGEST_ALPHA)


def _inverse_digamma(values: Any) -> Any:
    found = np.where(values >= -2.22, np.exp(np.minimum(values, 50.0)) + 0.5, -1 / (values - digamma(1.0)))
    for _ in range(5):
        found -= (digamma(found) - values) / polygamma(1, found)
    return found
