"""Training K-Means: one pass that learns, and further ones that refine."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sagesmith.algorithms.data.read import Source, batches, peek_columns
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.kmeans.lloyd import AUTO_TRIALS, Lloyd
from sagesmith.algorithms.kmeans.model import Centroids, assigned
from sagesmith.algorithms.kmeans.state import AUTO_EXTRA, Clusters, Plan
from sagesmith.algorithms.run.hosts import Hosts, connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.state import pack, unpack
from sagesmith.algorithms.run.streaming import passes


def train(job: Job) -> None:
    """Train a model and leave it in the job's model directory."""
    values, source = job.values, job.sources["train"]
    columns = peek_columns(source) if values["feature_dim"] == "auto" else values["feature_dim"]
    rows = values["mini_batch_size"]
    with connected(job) as hosts, threadpool_limits(1, user_api="blas"):
        trainer = Trainer(job, hosts, Clusters.empty(plan_of(values, columns, hosts.rank)))
        state = passes(
            job,
            hosts,
            trainer.state,
            lambda epoch: batches(source, rows=rows, columns=columns, dense=True, epoch=epoch),
            values["epochs"],
            trainer.after_pass,
        )
    centroids = Centroids(state.model.astype(np.float32))
    if job.leads:
        centroids.save(job.model, job.host)
    trainer.report("train", state.reached, state.seen)
    if "test" in job.sources:
        trainer.report("test", *measured(centroids, job.sources["test"], rows))


def plan_of(values: Mapping[str, Any], columns: int, rank: int) -> Plan:
    """The hyperparameters' plan; those that are `auto` are chosen here."""
    extra, trials = values["extra_center_factor"], values["local_lloyd_num_trials"]
    return Plan(
        k=values["k"],
        columns=columns,
        extra=AUTO_EXTRA if extra == "auto" else extra,
        init=values["init_method"],
        half_life=values["half_life_time_size"],
        lloyd=Lloyd(
            init=values["local_lloyd_init_method"],
            trials=AUTO_TRIALS if trials == "auto" else trials,
            iterations=values["local_lloyd_max_iter"],
            tolerance=values["local_lloyd_tol"],
        ),
        rank=rank,
    )


def measured(centroids: Centroids, source: Source, rows: int) -> tuple[float, int]:
    """The sum of squared distances of a channel's rows, and how many they are."""
    distance, count = 0.0, 0
    for batch in batches(source, rows=rows, columns=centroids.columns, dense=True):
        distance += assigned(centroids.values, batch.dense())[2]
        count += len(batch)
    return distance, count


class Trainer:
    """What happens between the passes of a job."""

    def __init__(self, job: Job, hosts: Hosts, state: Clusters) -> None:
        self.state = state
        self._job = job
        self._hosts = hosts
        self._metrics: list[str] = json.loads(job.values["eval_metrics"])

    def after_pass(self, state: Clusters, epoch: int) -> bool:
        """Choose or improve the model; True once no row changes its centre any more."""
        k = int(self._job.values["k"])
        if state.seen < k:
            raise CustomerError(
                f"The number of clusters, k={k}, is larger than the number of rows in the training data, {state.seen}. "
                "Set k to a smaller number, or provide more data."
            )
        before = state.model
        if not len(before) or state.plan.half_life:
            model, distance = self._leaders(lambda: state.centres(k))
            state.reached = distance * state.seen
        else:
            state.reached = state.distance
            model = self._leaders(lambda: (state.refined(), 0.0))[0]
        self.report("train", state.reached, state.seen, epoch)
        if state.plan.half_life:
            state.carry_on(model, self._hosts.size)
            return False
        state.refine(model)
        return len(before) > 0 and bool(np.array_equal(before, model))

    def report(self, channel: str, distance: float, rows: int, epoch: int | None = None) -> None:
        """Log the metrics that were asked for."""
        for metric in self._metrics:
            value = distance / max(rows, 1) if metric == "msd" else distance
            self._job.log.quality(channel, metric, value, epoch=epoch)

    def _leaders(self, make: Any) -> tuple[Any, float]:
        """What the leading instance makes of the state: the others could come to other last digits."""
        mine = b""
        if self._job.leads:
            model, distance = make()
            mine = pack({"model": model, "distance": distance})
        made = unpack(self._hosts.gather(mine)[0])
        return made["model"], float(made["distance"])
