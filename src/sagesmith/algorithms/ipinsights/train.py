"""Training IP Insights."""

from typing import Any

import numpy as np

from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.ipinsights.model import Insights
from sagesmith.algorithms.ipinsights.pairs import Numbers, batches
from sagesmith.algorithms.ipinsights.state import Learner
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.streaming import passes

_SEED = 1


def train(job: Job) -> None:
    values, source = job.values, job.sources["train"]
    numbers, rows = Numbers(values["num_entity_vectors"]), values["mini_batch_size"]

    def report(batch: int, speed: float) -> None:
        job.log.say(f"Batch [{batch}] Speed: {speed:.2f} samples/sec")

    def after(state: Learner, epoch: int) -> bool:
        loss = state.cross_entropy()
        if not np.isfinite(loss):
            raise CustomerError(f"The loss is {loss} after epoch {epoch}: lower learning_rate.")
        job.log.quality("train", "cross_entropy", loss, epoch=epoch)
        if job.leads and "validation" in job.sources:
            score = discriminator_auc(job, Insights(state.network), numbers, epoch)
            job.log.quality("validation", "discriminator_auc", score, kind="score", epoch=epoch)
        return False

    with connected(job) as hosts:
        state = passes(
            job,
            hosts,
            Learner(values, hosts.rank, report),
            lambda epoch: batches(source, numbers, rows, epoch, seed=_SEED),
            values["epochs"],
            after,
        )
    if job.leads:
        Insights(state.network).save(job.model)


def discriminator_auc(job: Job, model: Insights, numbers: Numbers, epoch: int) -> float:
    """How well the model tells the validation data's pairs from the same entities with random addresses."""
    rng = np.random.default_rng(0)
    seen, random = [], []
    for batch in batches(job.sources["validation"], numbers, job.values["mini_batch_size"], epoch):
        pairs = batch.features
        others = np.column_stack([pairs[:, 0], rng.integers(0, 1 << 32, len(pairs), dtype=np.int64)])
        seen.append(model.products(pairs))
        random.append(model.products(others))
    return area_under_curve(np.concatenate(seen), np.concatenate(random))


def area_under_curve(positives: Any, negatives: Any) -> float:
    """The chance that a positive scores higher than a negative; a tie counts half."""
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left").sum(dtype=np.int64)
    up_to = np.searchsorted(ordered, positives, "right").sum(dtype=np.int64)
    return float((below + up_to) / (2 * len(positives) * len(negatives)))
