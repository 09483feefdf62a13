"""What algorithms that are PyTorch networks share: repeatable starts, weights without pickle, checkpoints."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.hosts import Hosts
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.state import unpack, write

CHECKPOINT = "checkpoint.pt"
# What a core does in a millisecond or so. With less in each batch, cores that others keep busy hold up all.
_MULTIPLICATIONS = 30_000_000


def begin(seed: int = 0) -> np.random.Generator:
    """Make what follows repeatable on a machine; a generator for everything outside of PyTorch."""
    _leave_the_compiler_out()
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def _leave_the_compiler_out() -> None:
    """Keep optimizers from importing PyTorch's compiler, which takes a second, to tell it that they are not for it.

    They do what they did. With a PyTorch that is made otherwise it is imported as before.
    """
    for method in vars(torch.optim.Optimizer).values():
        inner = getattr(method, "__wrapped__", None)
        if inner is not None:
            vars(inner)["__dynamo_disable"] = inner
    every = vars(torch.optim).values()
    kinds: list[Any] = [each for each in every if isinstance(each, type) and issubclass(each, torch.optim.Optimizer)]
    for kind in kinds:
        step = vars(kind).get("step")
        inner = getattr(step, "__wrapped__", None)
        if inner is not None and not hasattr(step, "hooked"):
            kind.step = torch.no_grad()(inner)


def use_cores(network: nn.Module, uses: int) -> None:
    """Use all cores for a network, or one where others had more to wait than to do.

    Args:
        uses: how often a batch uses each weight (its rows, or its tokens), more or less.
    """
    tables = sum(each.weight.numel() for each in network.modules() if isinstance(each, nn.Embedding))
    weights = sum(each.numel() for each in network.parameters()) - tables
    worth = weights * uses > _MULTIPLICATIONS
    torch.set_num_threads(len(os.sched_getaffinity(0)) if worth else 1)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights, and nothing else."""
    write(path, {name: value.detach().numpy() for name, value in network.state_dict().items()})


def load_weights(network: nn.Module, path: Path, title: str) -> None:
    """Read what `save_weights` has written, for answering.

    Raises:
        CustomerError: the file is another network's.
    """
    try:
        arrays = unpack(path.read_bytes())
        network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of {title}: {path.name}: {error}") from error
    network.eval()
    use_cores(network, 1)


def checkpoint(job: Job, state: Mapping[str, Any]) -> None:
    """Keep a state (tensors, numbers, strings, and dicts and lists of them) for a job that has to begin again."""
    if job.leads and job.checkpoints.is_dir():
        temporary = job.checkpoints / f".{CHECKPOINT}.tmp"
        torch.save(dict(state), temporary)
        temporary.replace(job.checkpoints / CHECKPOINT)


def resumed(job: Job, hosts: Hosts | None = None) -> dict[str, Any] | None:
    """The job's checkpoint, if it has one.

    Args:
        hosts: of several instances, all get the leader's.

    Raises:
        CustomerError: it is no such file.
    """
    path = job.checkpoints / CHECKPOINT
    if hosts is None:
        data = path.read_bytes() if path.is_file() else b""
    else:
        data = hosts.gather(path.read_bytes() if job.leads and path.is_file() else b"")[0]
    if not data:
        return None
    try:
        state = torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # of zipfile, pickle and PyTorch, without a base of their own
        raise CustomerError(f"The checkpoint {path.name} cannot be resumed from: {error}") from error
    return dict(state)


@contextmanager
def restoring() -> Iterator[None]:
    """Around what takes in a checkpoint, which may be another job's.

    Raises:
        CustomerError: it is.
    """
    try:
        yield
    except (AttributeError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise CustomerError(f"The checkpoint is of another job: {error}") from error
