"""Passes over the data that update a state: progress, checkpoints, several instances, a clean stop."""

import time
from collections.abc import Callable, Iterable
from copy import copy
from pathlib import Path
from typing import TypeVar

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.hosts import Hosts
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.state import State, unpack, write

S = TypeVar("S", bound=State)
CHECKPOINT = "state.npz"
_EPOCH = "_epoch"
_FINISHED = "_finished"


def passes(
    job: Job,
    hosts: Hosts,
    state: S,
    batches: Callable[[int], Iterable[Batch]],
    epochs: int,
    after: Callable[[S, int], bool] | None = None,
) -> S:
    """The state after some passes over the data, the same on every instance.

    A job that has a checkpoint of itself goes on after the last pass that it has finished. One that is asked to stop
    ends within the pass, with what the state knows by then.

    Args:
        state: as it begins, the same on every instance.
        batches: the rows of this instance, given the number of the pass, from 0.
        after: called after each pass with the merged state and the pass' number; True: it was the last one.

    Raises:
        CustomerError: there are no rows.
    """
    first = resumed(job, state, hosts)
    for epoch in range(first, epochs):
        start, rows = time.time(), 0
        begun = copy(state)
        for batch in batches(epoch):
            state.update(batch)
            rows += len(batch)
            if job.stopping.is_set():
                break
        if rows == 0 and hosts.size == 1 and not job.stopping.is_set():
            raise CustomerError(f"The channel '{next(iter(job.sources))}' has no rows.")
        hosts.merge(state, begun)
        stopping = hosts.any(job.stopping.is_set())
        # The leader says so for all: others may come to other last digits, and would wait for each other in vain.
        last = hosts.first(after is not None and after(state, epoch) and not stopping)
        end = time.time()
        job.log.throughput(rows, end - start)
        job.log.metrics({"epochs": epochs, "update.time": 1000 * (end - start)}, start, end, epoch=epoch)
        job.log.progress(epoch + 1, epochs)
        if stopping:
            job.log.say("The job was asked to stop: the model is made of what was learned so far.")
            break
        checkpoint(job, state, epoch + 1, finished=last)
        if last:
            job.log.say(f"Early stopping condition met after {epoch + 1} epochs.")
            break
    return state


def checkpoint(job: Job, state: State, epochs: int, *, finished: bool = False) -> None:
    """Keep a state for a job that has to begin again; nothing without a place for checkpoints."""
    if job.leads and job.checkpoints.is_dir():
        write(job.checkpoints / CHECKPOINT, {**state.arrays(), _EPOCH: epochs, _FINISHED: finished})


def resumed(job: Job, state: State, hosts: Hosts) -> int:
    """Restore the leader's checkpoint on all instances, if it has one; how many passes the job has behind it.

    Raises:
        CustomerError: the checkpoint is another algorithm's.
    """
    path: Path = job.checkpoints / CHECKPOINT
    # What the others have may be of another pass: all are to go on after the same one.
    data = hosts.gather(path.read_bytes() if job.leads and path.is_file() else b"")[0]
    if not data:
        return 0
    try:
        arrays = unpack(data)
        epochs, finished = int(arrays.pop(_EPOCH)), bool(arrays.pop(_FINISHED))
        state.restore(arrays)
    except (ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The checkpoint {path.name} cannot be resumed from: {error}") from error
    job.log.say(f"Resuming from the checkpoint after {epochs} epochs.")
    return 1 << 62 if finished else epochs
