"""Training PCA: one pass."""

import numpy as np

from sagesmith.algorithms.data.read import Source, batches
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.pca.model import Components
from sagesmith.algorithms.pca.state import Moments, Sketch
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.streaming import passes

# Numbers that are read together: the result does not depend on how the rows are divided.
_READ = 1 << 20


def train(job: Job) -> None:
    """Train a model and leave it in the job's model directory."""
    values, source = job.values, job.sources["train"]
    columns, number = values["feature_dim"], values["num_components"]
    rows = max(values["mini_batch_size"], _READ // columns)
    with connected(job) as hosts:
        state: Moments | Sketch = passes(
            job,
            hosts,
            begin(columns, number, values["algorithm_mode"], values["extra_components"], values["subtract_mean"]),
            lambda epoch: batches(source, rows=rows, columns=columns, epoch=epoch),
            1,
        )
    if state.count < number:
        raise CustomerError(
            f"The number of components, {number}, is larger than the number of rows in the training data, "
            f"{state.count}. Set num_components to a smaller number, or provide more data."
        )
    components = model_of(state, number)
    if job.leads:
        components.save(job.model, job.host)
    has = float((components.lengths.astype(np.float64) ** 2).sum())
    job.log.quality("train", "explained_variance", has / state.variance if state.variance else 1.0, kind="score")
    if "test" in job.sources:
        job.log.quality("test", "explained_variance", explained(components, job.sources["test"], rows), kind="score")


def begin(columns: int, number: int, mode: str, extra: int, subtract_mean: bool) -> Moments | Sketch:
    """The state of a mode before the first row."""
    if mode == "regular":
        return Moments(columns, subtract_mean)
    size = number + (max(10, number) if extra < 0 else extra)
    return Sketch(columns, min(size, columns), subtract_mean)


def model_of(state: Moments | Sketch, number: int) -> Components:
    """The model; its directions point to where their largest coordinate is positive."""
    lengths, directions = state.components(number)
    largest = np.abs(directions).argmax(axis=0)
    signs = np.where(directions[largest, np.arange(number)] < 0, -1.0, 1.0)
    mean = state.mean.astype(np.float32) if state.centred else None
    return Components((directions * signs).astype(np.float32), lengths.astype(np.float32), mean)


def explained(components: Components, source: Source, rows: int) -> float:
    """The share of a channel's variance (about the model's mean) that the components have."""
    all_of_it, has = 0.0, 0.0
    for batch in batches(source, rows=rows, columns=components.columns, dense=True):
        values = batch.dense()
        apart = values if components.mean is None else values - components.mean
        all_of_it += float(np.einsum("ij,ij->", apart, apart, dtype=np.float64))
        projected = components.project(values)
        has += float(np.einsum("ij,ij->", projected, projected, dtype=np.float64))
    return has / all_of_it if all_of_it else 1.0
