"""Writes how far the mean gradient of two instances is from that of their images in one batch, as JSON."""

import json
import socket
import threading

import torch
from torch import nn

from sagesmith.algorithms.run.hosts import Hosts
from sagesmith.algorithms.vision import together

ROWS = torch.arange(50.0).view(10, 5).sin()
WANTED = ROWS.sum(1, keepdim=True).cos()


def gradients(rows: slice, hosts: Hosts, found: list[list[torch.Tensor]]) -> None:
    network = nn.Linear(5, 1)
    for each in network.parameters():
        nn.init.constant_(each, 0.3)
    part = ROWS[rows]
    if len(part):
        nn.functional.mse_loss(network(part), WANTED[rows]).backward()
    assert together.average(list(network.parameters()), hosts, len(part), False) == (10, False)
    found.append([each.grad for each in network.parameters()])


def both(split: int) -> float:
    names, pair = ("algo-1", "algo-2"), socket.socketpair()
    found: list[list[torch.Tensor]] = []
    hosts = [Hosts(names, rank, [end]) for rank, end in enumerate(pair)]
    other = threading.Thread(target=gradients, args=(slice(split, None), hosts[1], found))
    other.start()
    gradients(slice(0, split), hosts[0], found)
    other.join()
    gradients(slice(None), Hosts(names[:1], 0, []), found)
    one, two, whole = found
    assert all(torch.equal(*each) for each in zip(one, two, strict=True))
    return max(float((a - b).abs().max()) for a, b in zip(one, whole, strict=True))


print(json.dumps({"apart": both(7), "one has none": both(10)}))
