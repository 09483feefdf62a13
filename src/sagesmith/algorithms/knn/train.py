"""Training K-Nearest Neighbors: a sample of the rows in one pass, and an index of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sagesmith.algorithms.data.read import batches
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.knn import index as indexes
from sagesmith.algorithms.knn import projection
from sagesmith.algorithms.knn.declaration import IVF_PQ
from sagesmith.algorithms.knn.model import Neighbours, Space
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.reservoir import Reservoir
from sagesmith.algorithms.run.streaming import passes


def train(job: Job) -> None:
    values, source = job.values, job.sources["train"]
    columns, rows = values["feature_dim"], values["mini_batch_size"]
    space = space_of(values)
    with connected(job) as hosts:
        state = Reservoir(values["sample_size"], rank=hosts.rank, prepare=space.place)
        state = passes(
            job,
            hosts,
            state,
            lambda epoch: batches(source, labels=1, rows=rows, columns=columns, dense=True, epoch=epoch),
            epochs=1,
        )
    if not job.leads:
        return
    model = fitted(values, space, state)
    job.log.say(f"The index has {model.index.ntotal} of {state.seen} rows, in {space.width} dimensions.")
    model.save(job.model)
    if "test" in job.sources:
        measure(job, model)


def space_of(values: Mapping[str, Any]) -> Space:
    """Where rows are compared, as the hyperparameters have it."""
    columns, target = values["feature_dim"], values["dimension_reduction_target"]
    width, parts = target or columns, int(values["faiss_index_pq_m"] or 1)
    if values["index_type"] == IVF_PQ:
        width = -(-width // parts) * parts
    # Where dimensions are reduced there are as many more of them; else zeros fill up the rows.
    kind = values["dimension_reduction_type"]
    made = projection.matrix(kind, columns, width) if kind else None
    return Space(columns, width, made, values["index_metric"])


def fitted(values: Mapping[str, Any], space: Space, state: Reservoir) -> Neighbours:
    """The model of a sample.

    Raises:
        CustomerError: the sample is too small.
    """
    rows, labels = state.sample()
    found = 0 if rows is None else len(rows)
    if found < values["k"]:
        raise CustomerError(f"k ({values['k']}) is greater than the number of training rows ({found}).")
    parts = int(values["faiss_index_pq_m"] or 1)
    index = indexes.build(rows, values["index_type"], values["index_metric"], values["faiss_index_ivf_nlists"], parts)
    return Neighbours.of(space, index, values["k"], labels, classifier=values["predictor_type"] == "classifier")


def measure(job: Job, model: Neighbours) -> None:
    """Report how well the test channel's labels are predicted."""
    classifier, total, count = model.classes is not None, 0.0, 0
    rows = job.values["mini_batch_size"]
    for batch in batches(job.sources["test"], labels=1, rows=rows, columns=model.columns, dense=True):
        for part in model.parts(batch):
            labels, _, _ = model.labelled(part.dense())
            misses = labels - part.labels
            total += float((misses == 0).sum() if classifier else np.square(misses).sum())
        count += len(batch)
        if job.stopping.is_set():
            break
    metric, score = ("accuracy" if classifier else "mse"), total / max(count, 1)
    job.log.say(f"#test_score ({job.host}) : ('{metric}', {score!r})")
    job.log.quality("test", metric, score, kind="score" if classifier else "loss")
