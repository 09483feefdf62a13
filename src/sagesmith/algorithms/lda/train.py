"""Training LDA: a decomposition of moments, and what variational Bayes makes of it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from sagesmith.algorithms.data.read import Source, whole
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.lda.model import Topics
from sagesmith.algorithms.lda.spectral import Decomposition, topics
from sagesmith.algorithms.lda.variational import Fit, likelihood
from sagesmith.algorithms.run.job import Job

# Steps after which beginnings are compared, those of the best one, and the share of the bound that another must bring.
_SHORT, _MOST, _TOLERANCE = 10, 200, 1e-5
_RANDOM = 2
# How often the documents are looked at anew, while that brings something.
_LOOKS = 6


def train(job: Job) -> None:
    """Train a model and leave it in the job's model directory."""
    values = job.values
    counts = corpus(job.sources["train"], values["feature_dim"])
    if counts.shape[0] != values["mini_batch_size"]:
        job.log.warn(f"mini_batch_size is {values['mini_batch_size']}; all {counts.shape[0]} documents are used.")
    how = Decomposition(values["max_restarts"], values["max_iterations"], values["tol"])
    start = time.time()
    model = learned(counts, values["num_topics"], values["alpha0"], how, job.stopping, job.log.say)
    job.log.throughput(counts.shape[0], time.time() - start)
    model.save(job.model, job.host)
    job.log.quality("train", "pwll", likelihood(counts, model.alpha, model.values), kind="score")
    if "test" in job.sources:
        test = corpus(job.sources["test"], values["feature_dim"])
        job.log.quality("test", "pwll", likelihood(test, model.alpha, model.values), kind="score")
    job.log.progress(1, 1)


def corpus(source: Source, words: int) -> Any:
    """A channel's documents as a `csr_matrix` of float64.

    Raises:
        CustomerError: they are no counts, or there are none.
    """
    counts = csr_matrix(whole(source, columns=words).features, dtype=np.float64)
    counts.sum_duplicates()
    if counts.nnz and counts.data.min() < 0:
        row = int(np.searchsorted(counts.indptr, int(counts.data.argmin()), "right"))
        raise CustomerError(
            f"The channel '{source.name}' has a negative number in row {row}, column "
            f"{int(counts.indices[counts.data.argmin()]) + 1}. LDA takes counts of words."
        )
    if not counts.sum():
        raise CustomerError(f"The documents of the channel '{source.name}' have no words.")
    return counts


def learned(
    counts: Any,
    number: int,
    alpha0: float,
    how: Decomposition,
    stopping: threading.Event,
    say: Callable[[str], None] = lambda _: None,
) -> Topics:
    """The topics of a corpus: the best of some beginnings, carried on until it gains no more."""
    alpha = np.full(number, alpha0 / number)
    spectral = topics(counts, number, alpha0, how)
    begun = [] if spectral is None else [Fit.begin(counts, *spectral)]
    say("The moments were decomposed." if begun else "The moments have too few directions to be decomposed.")
    begun += [Fit.at_random(counts, alpha, how.seed + each) for each in range(_RANDOM)]
    for fit in begun:
        _carry_on(fit, _SHORT, stopping)
    best = max(begun, key=lambda fit: fit.bound)
    steps = _SHORT + _carry_on(best, _MOST, stopping)
    for _ in range(_LOOKS):
        before = best.bound
        if stopping.is_set():
            break
        best.forget()
        steps += _carry_on(best, _MOST, stopping)
        if not _gained(before, best.bound):
            break
    say(f"The topics gain no more after {steps} steps; bound of the log-likelihood: {best.bound:.6g}.")
    return Topics(best.alpha, best.topics)


def _carry_on(fit: Fit, most: int, stopping: threading.Event) -> int:
    for step in range(most):
        before = fit.bound
        fit.step()
        if stopping.is_set() or (step > 0 and not _gained(before, fit.bound)):
            return step + 1
    return most


def _gained(before: float, after: float) -> bool:
    return after - before > _TOLERANCE * abs(before)
