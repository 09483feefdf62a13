"""Training Factorization Machines."""

from collections.abc import Iterator

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.read import batches
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.factorization_machines.model import Machine, raw
from sagesmith.algorithms.factorization_machines.state import SUMS, Learning, measured, metrics
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.replay import KEPT_BYTES, Replay
from sagesmith.algorithms.run.streaming import passes

_BLOCK_ROWS = 1 << 16
_BLOCK_NUMBERS = 1 << 22


def train(job: Job) -> None:
    values = job.values
    # Rows that are gone over once need not be kept.
    kept = KEPT_BYTES if values["epochs"] > 1 else 0
    rows = Replay(lambda epoch: _read(job, "train", epoch), kept)
    learning = Learning.started(values)

    def after(state: Learning, epoch: int) -> bool:
        found = metrics(state.sums, state.settings.classifies)
        if not np.isfinite([*found.values(), state.bias[0]]).all():
            raise CustomerError(f"The loss is not a number after epoch {epoch}: lower the learning rates (*_lr).")
        _tell(job, "train", found, epoch)
        state.begin()
        return False

    with connected(job) as hosts:
        learning = passes(job, hosts, learning, lambda _: rows(), values["epochs"], after)
    machine = Machine(values["predictor_type"], float(learning.bias[0]), learning.linear, learning.factors)
    if job.leads:
        machine.save(job.model)
    if "test" in job.sources:
        found = _scored(job, machine)
        for name, value in found.items():
            job.log.say(f"#test_score ({job.host}) : ('{name}', {value})")
        _tell(job, "test", found, None)


def _scored(job: Job, machine: Machine) -> dict[str, float]:
    classifies = machine.predictor_type == "binary_classifier"
    sums = np.zeros(len(SUMS))
    for batch in _read(job, "test", 0):
        found, _ = raw(batch.features, machine.bias, machine.linear, machine.factors, machine.lengths)
        sums += measured(found, batch.labels, classifies)
    return metrics(sums, classifies)


def _tell(job: Job, channel: str, found: dict[str, float], epoch: int | None) -> None:
    for name, value in found.items():
        score = name in ("binary_classification_accuracy", "binary_f_1.000")
        job.log.quality(channel, name, value, kind="score" if score else "loss", epoch=epoch)


def _read(job: Job, channel: str, epoch: int) -> Iterator[Batch]:
    """A channel's rows.

    Raises:
        CustomerError: a label of a classifier is neither 0 nor 1.
    """
    step, columns = job.values["mini_batch_size"], job.values["feature_dim"]
    # Dense rows come in blocks of some megabytes, which are whole mini-batches.
    rows = max(1, min(_BLOCK_ROWS, max(_BLOCK_NUMBERS // columns, 1)) // step) * step
    seen = 0
    for batch in batches(job.sources[channel], labels=1, rows=rows, columns=columns, epoch=epoch):
        if job.values["predictor_type"] == "binary_classifier":
            wrong = np.flatnonzero((batch.labels != 0) & (batch.labels != 1))
            if len(wrong):
                raise CustomerError(
                    f"The label of row {seen + int(wrong[0]) + 1} of the channel '{channel}' is "
                    f"{batch.labels[wrong[0]]:g}. Labels of a binary_classifier must be 0 or 1."
                )
        seen += len(batch)
        yield batch
