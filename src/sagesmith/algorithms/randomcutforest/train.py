"""Training Random Cut Forest: a sample of the rows in one pass, and trees of it."""

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.read import batches
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.randomcutforest.declaration import ACCURACY, FSCORE
from sagesmith.algorithms.randomcutforest.model import Forest, threshold
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.reservoir import Reservoir
from sagesmith.algorithms.run.streaming import passes

_THRESHOLD_ROWS = 1000


def train(job: Job) -> None:
    values, source = job.values, job.sources["train"]
    columns, size = values["feature_dim"], values["mini_batch_size"]
    trees, samples = values["num_trees"], values["num_samples_per_tree"]
    with connected(job) as hosts:
        state = passes(
            job,
            hosts,
            Reservoir(trees * samples, rank=hosts.rank),
            lambda epoch: (
                Batch(each.features)
                for each in batches(source, labels=None, rows=size, columns=columns, dense=True, epoch=epoch)
            ),
            epochs=1,
        )
    if not job.leads:
        return
    rows = state.shuffled()
    if rows is None:
        raise CustomerError("The job was stopped before it had read any data.")
    if len(rows) < samples:
        job.log.warn(f"There are {len(rows)} rows, fewer than num_samples_per_tree ({samples}): each tree has all.")

    told = -1

    def progress(share: float) -> bool:
        nonlocal told
        if int(20 * share) > told:
            told = int(20 * share)
            job.log.say(f"Growing {trees} trees of a sample of {len(rows)} of {state.seen} rows: {100 * share:.0f} %.")
        return job.stopping.is_set()

    forest = Forest.grown(rows, trees, samples, progress)
    if job.stopping.is_set():
        job.log.say("The job was asked to stop: the model is made of what was learned so far.")
    forest.save(job.model)
    if "test" in job.sources:
        measure(job, forest, threshold(forest.scores(rows[:_THRESHOLD_ROWS])))


def measure(job: Job, forest: Forest, cutoff: float) -> None:
    """Report how well the labels of the test channel are found by scores above a cutoff.

    Raises:
        CustomerError: a label is neither 0 nor 1.
    """
    counts = np.zeros((2, 2), np.int64)
    size = job.values["mini_batch_size"]
    for batch in batches(job.sources["test"], labels=1, rows=size, columns=forest.columns, dense=True):
        labels = batch.labels.astype(np.int64)
        wrong = batch.labels[(batch.labels != 0) & (batch.labels != 1)]
        if len(wrong):
            raise CustomerError(
                f"Labels of the test channel must be 0 (normal) or 1 (anomalous), but there is {float(wrong[0]):g}."
            )
        found = np.asarray(forest.scores(batch.dense())) > cutoff
        np.add.at(counts, (labels, found.astype(np.int64)), 1)
        if job.stopping.is_set():
            break
    job.log.say(f"Rows with a score above {cutoff:.4f} count as anomalous.")
    reported = job.values["eval_metrics"] or (ACCURACY, FSCORE)
    if ACCURACY in reported:
        job.log.quality("test", "accuracy", float(np.trace(counts) / max(counts.sum(), 1)), kind="score")
    if FSCORE in reported:
        for prefix, label in (("", 1), ("negative_", 0)):
            for name, value in zip(("precision", "recall", "f1"), fscore(counts, label), strict=True):
                job.log.quality("test", f"{prefix}{name}", value, kind="score")


def fscore(counts: "np.ndarray[tuple[int, int], np.dtype[np.int64]]", label: int) -> tuple[float, float, float]:
    """Precision, recall and F1 of a label; 0 where there is nothing to divide by.

    Args:
        counts: rows by label and by the label that was found.
    """
    right = float(counts[label, label])
    precision = right / max(float(counts[:, label].sum()), 1.0)
    recall = right / max(float(counts[label].sum()), 1.0)
    return precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0
