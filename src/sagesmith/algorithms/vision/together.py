"""What the instances of a job tell each other while they train one network.

Each has a copy of it and images of its own. The gradients of a batch are averaged, weighted by the images that each
had, as if all had been one batch; but batches are normalised each by itself, and the statistics of that averaged at the
end of an epoch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sagesmith.algorithms.run.hosts import Hosts
from sagesmith.algorithms.run.state import pack, unpack


def average(parameters: Sequence[Tensor], hosts: Hosts, rows: int, stop: bool) -> tuple[int, bool]:
    """Replace gradients by everybody's mean.

    Args:
        rows: the images that this instance's are of; none where it has no more of them.
        stop: whether this instance is asked to stop.

    Returns:
        The images of all instances, and whether one is asked to stop.
    """
    if hosts.size == 1:
        return rows, stop
    own = torch.cat([_flat(each) for each in parameters]) * rows
    found = hosts.total(np.concatenate([own.numpy(), np.array([rows, stop], np.float32)]))
    everybodys, stop = int(found[-2]), bool(found[-1] > 0)
    if everybodys:
        mean = torch.from_numpy(found[:-2] / np.float32(everybodys))
        for each, part in zip(parameters, mean.split([each.numel() for each in parameters]), strict=True):
            each.grad = part.view_as(each)
    return everybodys, stop


def added(sums: Mapping[str, float], hosts: Hosts) -> dict[str, float]:
    """The sums of all instances, by name."""
    total: dict[str, float] = {}
    for data in hosts.gather(pack(sums)) if hosts.size > 1 else ():
        for name, value in unpack(data).items():
            total[name] = total.get(name, 0.0) + float(value)
    return total or dict(sums)


def mean(value: float, hosts: Hosts) -> float:
    """The mean of all instances' values."""
    return float(hosts.total(np.array([value]))[0] / hosts.size)


def same_statistics(network: nn.Module, hosts: Hosts) -> None:
    """Give all instances the mean of what their networks have counted of batches, beside what they learned."""
    if hosts.size == 1:
        return
    counted = [each for each in network.buffers() if each.is_floating_point()]
    if counted:
        found = hosts.total(torch.cat([each.flatten() for each in counted]).numpy()) / np.float32(hosts.size)
        for each, part in zip(counted, torch.from_numpy(found).split([each.numel() for each in counted]), strict=True):
            each.copy_(part.view_as(each))


def _flat(parameter: Any) -> Tensor:
    gradient = parameter.grad
    return torch.zeros(parameter.numel()) if gradient is None else gradient.flatten()
