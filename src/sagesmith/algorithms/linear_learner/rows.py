"""The rows of a job: where they are read, how they are checked and counted."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.data.assemble import joined
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.read import batches
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.linear_learner.scaling import Moments
from sagesmith.algorithms.run.hosts import Hosts
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.replay import Replay
from sagesmith.algorithms.run.state import pack, unpack

_JUDGED_ROWS = 50_000
_SHARED_NUMBERS = 1 << 24
_RISING = 0.95
DENSE_COLUMNS = 1024
"""Rows of so many features are made dense."""


@dataclass(frozen=True, slots=True)
class Data:
    """The job's rows.

    Attributes:
        sample: the first of this instance's rows for training, `num_point_for_scaler` of them; some of all rows where
            the first come in the order of their labels.
        sparse: they stay sparse.
        judged: where the best model is chosen, and its channel's name.
    """

    rows: Replay
    sample: list[Batch]
    columns: int
    sparse: bool
    moments: Moments
    judged: tuple[str, Replay]

    def tells(self, values: Mapping[str, Any]) -> bool:
        """Whether the sample has more than one class, or labels that are no classes."""
        return not labels_of(values) or _classes(self.sample) > 1

    @classmethod
    def opened(cls, job: Job, hosts: Hosts) -> "Data":
        wanted = None if job.values["feature_dim"] == "auto" else int(job.values["feature_dim"])
        rows = Replay(lambda epoch: read(job, "train", wanted, epoch))
        limit = job.values["num_point_for_scaler"]
        head = _head(rows, limit, labels_of(job.values))
        sample = list(_first(head, limit))
        if not sample:
            raise CustomerError("The channel 'train' has no rows.")
        columns = sample[0].columns
        moments = Moments.of(sample, columns)
        everybody = [Moments.restored(unpack(data)) for data in hosts.gather(pack(moments.arrays()))]
        for other in everybody:
            if len(other.means) != columns + 1:
                raise CustomerError(f"The instances have rows of {columns} and of {len(other.means) - 1} features.")
        moments = everybody[0]
        for other in everybody[1:]:
            moments = moments.merged(other)
        if "validation" in job.sources:
            judged = ("validation", Replay(lambda epoch: read(job, "validation", columns, epoch)))
        else:
            shared = _everybodys(head, hosts)
            judged = ("train", Replay(lambda _: iter(shared)))
        return cls(rows, sample, columns, sample[0].sparse and columns > DENSE_COLUMNS, moments, judged)


def read(job: Job, channel: str, columns: int | None, epoch: int) -> Iterator[Batch]:
    """A channel's rows, their labels checked.

    Raises:
        CustomerError: a label is none of a class.
    """
    count, seen = labels_of(job.values), 0
    for batch in batches(job.sources[channel], labels=1, rows=None, columns=columns, epoch=epoch):
        if count:
            labels = batch.labels
            wrong = np.flatnonzero((labels < 0) | (labels >= count) | (labels != np.floor(labels)))
            if len(wrong):
                raise CustomerError(
                    f"The label of row {seen + int(wrong[0]) + 1} of the channel '{channel}' is {labels[wrong[0]]:g}. "
                    f"Labels of a {job.values['predictor_type']} must be the integers from 0 to {count - 1}."
                )
        seen += len(batch)
        yield batch


def _head(rows: Replay, limit: int, classes: int) -> list[Batch]:
    """The first rows; some of all, if they come in the order of their labels: the first say nothing of the others.

    Args:
        limit: so many of them are the sample.
        classes: how many there are, 0 of a regressor.
    """
    count = max(limit, _JUDGED_ROWS)
    head = rows.head(count)
    sample = list(_first(head, limit))
    total = sum(map(len, head))
    more = total >= count
    if (total <= limit and not more) or not _ordered(sample, classes):
        # The sample has all rows, or is like them.
        return head
    return _some(rows() if more and _ordered(head, classes) else head, count)


def _ordered(batches_: Iterable[Batch], classes: int) -> bool:
    """Whether rows come in the order of their labels: some class is missing, or nearly all labels rise, or fall."""
    if classes:
        return _classes(batches_) < classes
    ways = np.diff(np.concatenate([batch.labels for batch in batches_]))
    rising, falling = (ways > 0).sum(), (ways < 0).sum()
    return bool(max(rising, falling) > _RISING * max(rising + falling, 1))


def _classes(batches_: Iterable[Batch]) -> int:
    return len(np.unique(np.concatenate([batch.labels for batch in batches_])))


def _some(batches_: Iterable[Batch], rows: int) -> list[Batch]:
    """So many rows, or a few more, of which each has the same chance to be among them, in an order of their own."""
    random, share, held = np.random.default_rng(0), 1.0, list[Batch]()
    for batch in batches_:
        held.append(_chosen(batch, np.flatnonzero(random.random(len(batch)) < share)))
        while sum(map(len, held)) > 2 * rows:
            held = [_chosen(each, np.flatnonzero(random.random(len(each)) < 0.5)) for each in held]
            share /= 2
    together = joined(held)
    return [_chosen(together, random.permutation(len(together)))]


def _chosen(batch: Batch, places: Any) -> Batch:
    return Batch(batch.features[places], batch.labels[places])


def _first(batches_: list[Batch], rows: int) -> Iterator[Batch]:
    """No more than so many rows."""
    for batch in batches_:
        if rows <= 0:
            return
        yield next(batch.pieces(min(rows, len(batch))))
        rows -= len(batch)


def _everybodys(head: list[Batch], hosts: Hosts) -> list[Batch]:
    """The first rows of all instances: by those of one, whose part may be small, no model could be chosen."""
    if hosts.size == 1:
        return head
    numbers = sum(batch.features.nnz if batch.sparse else batch.features.size for batch in head)
    fit = _SHARED_NUMBERS * sum(map(len, head)) // max(numbers, 1)
    mine = joined(list(_first(head, max(1, min(_JUDGED_ROWS // hosts.size, fit)))))
    return [_unpacked(unpack(data)) for data in hosts.gather(pack(_packed(mine)))]


def _packed(batch: Batch) -> Mapping[str, Any]:
    features = batch.features
    if not batch.sparse:
        return {"labels": batch.labels, "features": features}
    of_rows = {"data": features.data, "indices": features.indices, "indptr": features.indptr}
    return {"labels": batch.labels, "shape": features.shape, **of_rows}


def _unpacked(arrays: Mapping[str, Any]) -> Batch:
    if "features" in arrays:
        return Batch(arrays["features"], arrays["labels"])
    from scipy.sparse import csr_matrix

    parts = arrays["data"], arrays["indices"], arrays["indptr"]
    return Batch(csr_matrix(parts, tuple(arrays["shape"].tolist())), arrays["labels"])


def labels_of(values: Mapping[str, Any]) -> int:
    """The number of classes, 0 of a regressor."""
    if values["predictor_type"] == "regressor":
        return 0
    return 2 if values["predictor_type"] == "binary_classifier" else int(values["num_classes"])


def see_classes(seen: Any, values: Mapping[str, Any]) -> None:
    """See that a classifier has more than one class to learn.

    Raises:
        CustomerError: it has one.
    """
    there = np.flatnonzero(seen)
    if len(seen) and len(there) == 1:
        raise CustomerError(
            f"All rows of the channel 'train' have the label {there[0]}: a {values['predictor_type']} needs rows of at "
            "least two classes."
        )


def class_weights(job: Job, hosts: Hosts, data: Data) -> tuple[tuple[float, ...], Any]:
    """Weights of positive rows to choose from, and those of all classes."""
    values = job.values
    word = values["positive_example_weight_mult"]
    multiclass = values["predictor_type"] == "multiclass_classifier"
    binary = values["predictor_type"] == "binary_classifier"
    if binary and word not in ("balanced", "auto"):
        return (float(word),), None
    if not binary and not (multiclass and values["balance_multiclass_weights"]):
        return (1.0,), None
    counts = np.zeros(labels_of(values), np.int64)
    for batch in data.rows():
        counts += np.bincount(batch.labels.astype(np.intp), minlength=len(counts))
    counts = np.sum([unpack(each)["counts"] for each in hosts.gather(pack({"counts": counts}))], axis=0)
    see_classes(counts, values)
    if multiclass:
        return (1.0,), counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    balanced = float(counts[0] / counts[1])
    return ((balanced,) if word == "balanced" else (1.0, balanced, float(np.sqrt(balanced)))), None
