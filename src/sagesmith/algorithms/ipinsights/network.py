"""Vectors of entities and addresses, and how they are learned: a network of NumPy arrays and its gradient."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

_BITS = 32
_SCALE = 0.1
"""The standard deviation of entity vectors before anything is learned."""


@dataclass(frozen=True, slots=True)
class Network:
    """A vector for each entity, and layers that make one of an address.

    Attributes:
        entities: shape (entity vectors, size).
        weights, offsets: of each layer; all but the last are followed by a rectifier.
    """

    entities: Any
    weights: tuple[Any, ...]
    offsets: tuple[Any, ...]

    @classmethod
    def random(cls, vectors: int, size: int, layers: int, seed: int = 0) -> "Network":
        rng = np.random.default_rng(seed)
        entities = rng.standard_normal((vectors, size), np.float32)
        entities *= _SCALE
        widths = [_BITS] + [size] * (layers + 1)
        weights = tuple(
            rng.standard_normal((width, following), np.float32) * np.float32(np.sqrt(2 / width))
            for width, following in pairwise(widths)
        )
        return cls(entities, weights, tuple(np.zeros(size, np.float32) for _ in weights))

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> "Network":
        """What `arrays` came from.

        Raises:
            KeyError, ValueError: they came from nothing of the kind.
        """
        layers = sum(name.startswith("weights_") for name in arrays)
        weights = tuple(arrays[f"weights_{number}"] for number in range(layers))
        offsets = tuple(arrays[f"offsets_{number}"] for number in range(layers))
        entities = arrays["entities"]
        if not weights or weights[0].shape[0] != _BITS or weights[-1].shape[1] != entities.shape[1]:
            raise ValueError("the layers do not fit each other")
        return cls(entities, weights, offsets)

    def arrays(self) -> dict[str, Any]:
        """All of it by name; no copies."""
        layers = {f"weights_{number}": each for number, each in enumerate(self.weights)}
        return {"entities": self.entities} | layers | {f"offsets_{n}": each for n, each in enumerate(self.offsets)}

    def activations(self, addresses: Any) -> list[Any]:
        """The bits of addresses (as -1 and 1), and what each layer makes of them; the last are the vectors."""
        values = ((addresses[:, None] >> np.arange(_BITS)) & 1).astype(np.float32)
        values *= 2
        values -= 1
        found = [values]
        for number, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True)):
            values = values @ weight
            values += offset
            if number < len(self.weights) - 1:
                np.maximum(values, 0, out=values)
            found.append(values)
        return found

    def gradients(self, entities: Any, addresses: Any, labels: Any) -> tuple[float, dict[str, Any], Any]:
        """The sum of log losses, the gradients of the mean's layers, and those of each row's entity vector."""
        activations = self.activations(addresses)
        mine, theirs = self.entities[entities], activations[-1]
        products = np.einsum("ij,ij->i", mine, theirs)
        loss = float(np.logaddexp(0, np.where(labels > 0, -products, products)).sum())
        errors = (_sigmoid(products) - labels)[:, None] / np.float32(len(labels))
        of_entities, slope = errors * theirs, errors * mine
        found = {}
        for number in range(len(self.weights) - 1, -1, -1):
            found[f"weights_{number}"] = activations[number].T @ slope
            found[f"offsets_{number}"] = slope.sum(axis=0)
            if number:
                slope = slope @ self.weights[number].T
                slope *= activations[number] > 0
        return loss, found, of_entities


class Adam:
    """Adam, which moves only those entity vectors that a batch has."""

    def __init__(self, network: Network, rate: float, decay: float) -> None:
        self.network, self.rate, self.decay = network, rate, decay
        self.steps = 0
        self.first = {name: np.zeros_like(each) for name, each in network.arrays().items()}
        self.second = {name: np.zeros_like(each) for name, each in network.arrays().items()}

    def step(self, entities: Any, gradients: Mapping[str, Any], of_entities: Any) -> None:
        """One step along the gradients that `Network.gradients` gave."""
        self.steps += 1
        values = self.network.arrays()
        for name, gradient in gradients.items():
            self._move(values[name], self.first[name], self.second[name], slice(None), gradient)
        order = np.argsort(entities, kind="stable")
        touched, starts = np.unique(entities[order], return_index=True)
        summed = np.add.reduceat(of_entities[order], starts, axis=0)
        self._move(values["entities"], self.first["entities"], self.second["entities"], touched, summed)

    def _move(self, values: Any, first: Any, second: Any, rows: Any, gradient: Any) -> None:
        gradient = gradient + np.float32(self.decay) * values[rows]
        mean = first[rows] * np.float32(0.9) + np.float32(0.1) * gradient
        square = second[rows] * np.float32(0.999) + np.float32(0.001) * gradient * gradient
        first[rows], second[rows] = mean, square
        scale = self.rate * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        values[rows] -= np.float32(scale) * mean / (np.sqrt(square) + np.float32(1e-8))


def negatives(entities: Any, addresses: Any, random: int, shuffled: int, rng: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs that were not seen: the entities with random addresses, and with each other's."""
    for _ in range(random):
        yield entities, rng.integers(0, 1 << _BITS, len(entities), dtype=np.int64)
    for _ in range(shuffled):
        yield entities, rng.permutation(addresses)


def _sigmoid(values: Any) -> Any:
    return np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * values))
