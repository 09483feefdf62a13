"""What IP Insights knows between batches: a network, and where its optimizer is."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.ipinsights.network import Adam, Network, negatives


class Learner:
    """Learns from batches of pairs: see `run.state.State`.

    Args:
        values: the hyperparameters.
        rank: of the instance, which makes up pairs of its own.
        report: told the speed now and then, in examples a second.
    """

    def __init__(self, values: Mapping[str, Any], rank: int, report: Callable[[int, float], None]) -> None:
        self._values, self._rank, self._report = values, rank, report
        network = Network.random(values["num_entity_vectors"], values["vector_dim"], values["num_ip_encoder_layers"])
        self._adam = Adam(network, values["learning_rate"], values["weight_decay"])
        self._since, self._examples = time.monotonic(), 0
        self.loss, self.examples, self.rows = 0.0, 0, 0

    @property
    def network(self) -> Network:
        return self._adam.network

    def update(self, batch: Batch) -> None:
        values = self._values
        entities, addresses = batch.features[:, 0], batch.features[:, 1]
        rng = np.random.default_rng((self._rank, self._adam.steps))
        rates = values["random_negative_sampling_rate"], values["shuffled_negative_sampling_rate"]
        pairs = [(entities, addresses), *negatives(entities, addresses, *rates, rng)]
        labels = np.zeros(len(pairs) * len(entities), np.float32)
        labels[: len(entities)] = 1
        entities, addresses = (np.concatenate(each) for each in zip(*pairs, strict=True))
        loss, gradients, of_entities = self.network.gradients(entities, addresses, labels)
        self._adam.step(entities, gradients, of_entities)
        self.loss += loss
        self.examples += len(labels)
        self.rows += len(batch)
        self._examples += len(batch)
        if self._adam.steps % values["batch_metrics_publish_interval"] == 0:
            now = time.monotonic()
            self._report(self._adam.steps, self._examples / max(now - self._since, 1e-9))
            self._since, self._examples = now, 0

    def cross_entropy(self) -> float:
        """The mean loss since it was last asked for."""
        mean = self.loss / max(self.examples, 1)
        self.loss, self.examples = 0.0, 0
        return mean

    def merge(self, others: list["Learner"]) -> None:
        """The mean of all, by the rows that each has seen since they last were one."""
        everybody = [self, *others]
        total = sum(each.rows for each in everybody)
        shares = [np.float32(each.rows / total if total else 1 / len(everybody)) for each in everybody]
        theirs = [each.arrays() for each in everybody]
        merged = {
            name: sum(arrays[name] * share for arrays, share in zip(theirs, shares, strict=True))
            for name in theirs[0]
            if name not in _COUNTS
        }
        self.restore(
            merged
            | {
                "steps": max(each._adam.steps for each in everybody),
                "loss": sum(each.loss for each in everybody),
                "examples": sum(each.examples for each in everybody),
                "rows": 0,
            }
        )

    def arrays(self) -> Mapping[str, Any]:
        arrays = dict(self.network.arrays())
        arrays |= {f"first_{name}": each for name, each in self._adam.first.items()}
        arrays |= {f"second_{name}": each for name, each in self._adam.second.items()}
        return arrays | {"steps": self._adam.steps, "loss": self.loss, "examples": self.examples, "rows": self.rows}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        names = [name for name in arrays if not name.startswith(("first_", "second_")) and name not in _COUNTS]
        adam = Adam.__new__(Adam)
        adam.network = Network.of({name: arrays[name] for name in names})
        adam.rate, adam.decay = self._adam.rate, self._adam.decay
        adam.first = {name: arrays[f"first_{name}"] for name in names}
        adam.second = {name: arrays[f"second_{name}"] for name in names}
        adam.steps = int(arrays["steps"])
        self._adam = adam
        self.loss, self.examples, self.rows = float(arrays["loss"]), int(arrays["examples"]), int(arrays["rows"])


_COUNTS = ("steps", "loss", "examples", "rows")
