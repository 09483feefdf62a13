"""Training K-Means."""

from sagesmith.algorithms.data.read import batches, peek_columns
from sagesmith.algorithms.kmeans.model import FILE, Centroids, closest
from sagesmith.algorithms.kmeans.state import Centres
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.streaming import passes


def train(job: Job) -> None:
    values, source = job.values, job.sources["train"]
    columns = values["feature_dim"] if values["feature_dim"] != "auto" else peek_columns(source)
    extra = 4 if values["extra_center_factor"] == "auto" else values["extra_center_factor"]
    state = Centres.empty(values["k"] * extra, columns)
    rows = values["mini_batch_size"]
    with connected(job) as hosts:
        state = passes(
            job,
            hosts,
            state,
            lambda epoch: batches(source, labels=None, rows=rows, columns=columns, dense=True, epoch=epoch),
            values["epochs"],
        )
    centroids = Centroids(state.reduced(values["k"], values["local_lloyd_max_iter"]))
    if job.leads:
        centroids.save(job.model / FILE)
    job.log.quality("train", "msd", state.distance / max(state.seen, 1))
    test = job.sources.get("test")
    if test is not None:
        total, count = 0.0, 0
        for batch in batches(test, labels=None, rows=rows, columns=columns, dense=True):
            total += float(closest(centroids.values, batch.dense())[1].sum())
            count += len(batch)
        job.log.quality("test", "msd", total / max(count, 1))
