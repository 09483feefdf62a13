"""Writes, as JSON, what each optimizer makes of a weight of one in two steps, and what of its compiler was imported."""

import json
import sys

import torch

from sagesmith.algorithms import networks
from sagesmith.algorithms.vision import descent

GIVEN = {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.0, "gamma1": 0.9, "gamma2": 0.0}


def descended(name: str) -> float:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = descent.optimizer([weight], GIVEN | {"optimizer": name})
    for _ in range(2):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    return weight.item()


for _ in range(2):
    networks.begin()
    found = {name: descended(name) for name in ("sgd", "nag", "rmsprop", "adam", "adadelta", "adagrad")}
print(json.dumps({"found": found, "imported": [name for name in sys.modules if name.startswith("torch._dynamo")]}))
