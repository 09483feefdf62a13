"""Training Object2Vec."""

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from sagesmith.algorithms import networks
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.object2vec import pairs as data
from sagesmith.algorithms.object2vec.declaration import DENSE, ROW_SPARSE, STORAGE
from sagesmith.algorithms.object2vec.model import FILE, WEIGHTS
from sagesmith.algorithms.object2vec.network import Network, complete
from sagesmith.algorithms.object2vec.pairs import Pairs
from sagesmith.algorithms.object2vec.pretrained import Pretrained
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.sequences import orders

_EVALUATION_ROWS = 1024
_OPTIMIZERS: dict[str, Any] = {
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


def train(job: Job) -> None:
    """Train until the loss gets no better, and keep the epoch of the least loss."""
    values = complete(job.values)
    random = networks.begin()
    channels = {name: data.read(source, values) for name, source in job.sources.items() if name != "auxiliary"}
    network = Network(values)
    Pretrained.into(network, values, job.sources)
    networks.use_cores(network, values["mini_batch_size"] * (1 + values["negative_sampling_rate"]))
    training = _Training(job, values, network)
    training.fit(channels["train"], channels.get("validation"), random)
    (job.model / FILE).write_text(json.dumps(dict(values)))
    networks.save_weights(network, job.model / WEIGHTS)
    if "test" in channels and not job.stopping.is_set():
        training.report("test", training.measure(channels["test"]), None)


class _Training:
    def __init__(self, job: Job, values: Mapping[str, Any], network: Network) -> None:
        self.job, self.values, self.network = job, values, network
        self.classes = values["output_layer"] == "softmax"
        self.optimizers = _optimizers(network, values)

    def fit(self, training: Pairs, validation: Pairs | None, random: np.random.Generator) -> None:
        epochs, best, since = self.values["epochs"], float("inf"), 0
        state = networks.resumed(self.job)
        first, kept = self._restore(state, random) if state else (0, None)
        if state:
            best, since = state["best"], state["since"]
        for epoch in range(first, epochs):
            start = time.time()
            found = self._epoch(training, random)
            self.job.log.throughput(len(training), time.time() - start)
            self.report("train", found, epoch)
            if validation is not None and not self.job.stopping.is_set():
                found = self.measure(validation)
                self.report("validation", found, epoch)
            self.job.log.progress(epoch + 1, epochs)
            loss = found["cross_entropy" if self.classes else "mean_squared_error"]
            if not np.isfinite(loss):
                raise CustomerError(f"The loss is {loss} after epoch {epoch}: lower learning_rate.")
            since = 0 if loss < best - self.values["early_stopping_tolerance"] else since + 1
            if loss < best:
                best, kept = loss, _copy(self.network)
            if self.job.stopping.is_set():
                self.job.log.say("The job was asked to stop: the model is made of what was learned so far.")
                break
            networks.checkpoint(self.job, self._state(epoch + 1, best, since, kept, random))
            if since >= self.values["early_stopping_patience"]:
                self.job.log.say(f"Early stopping condition met after {epoch + 1} epochs.")
                break
        if kept is not None:
            self.network.load_state_dict(kept)

    def measure(self, pairs: Pairs) -> dict[str, float]:
        """The metrics of a channel."""
        self.network.eval()
        outputs = []
        with torch.no_grad():
            for start in range(0, len(pairs), _EVALUATION_ROWS):
                rows = np.arange(start, min(start + _EVALUATION_ROWS, len(pairs)))
                outputs.append(self.network(_tensors(pairs, 0, rows), _tensors(pairs, 1, rows)))
        self.network.train()
        output = torch.cat(outputs)
        return self._metrics(output, torch.from_numpy(pairs.labels))

    def report(self, channel: str, metrics: Mapping[str, float], epoch: int | None) -> None:
        for name, value in metrics.items():
            kind = "score" if name == "accuracy" else "loss"
            self.job.log.quality(channel, name, value, kind=kind, epoch=epoch)

    def _epoch(self, pairs: Pairs, random: np.random.Generator) -> dict[str, float]:
        rate = self.values["negative_sampling_rate"]
        totals: dict[str, float] = {}
        seen = 0
        width = 0 if self.values[STORAGE] == ROW_SPARSE else self.values["bucket_width"]
        for rows in orders(pairs.lengths, self.values["mini_batch_size"], width, random):
            others = random.integers(0, len(pairs), rate * len(rows))
            left, right = np.tile(rows, 1 + rate), np.concatenate([rows, others])
            labels = torch.from_numpy(np.concatenate([pairs.labels[rows], np.zeros(len(others))]))
            for optimizer in self.optimizers:
                optimizer.zero_grad()
            output = self.network(_tensors(pairs, 0, left), _tensors(pairs, 1, right))
            loss = self._loss(output, labels)
            loss.backward()
            for optimizer in self.optimizers:
                optimizer.step()
            for name, value in self._metrics(output.detach(), labels).items():
                totals[name] = totals.get(name, 0.0) + value * len(left)
            seen += len(left)
            if self.job.stopping.is_set():
                break
        return {name: value / seen for name, value in totals.items()}

    def _loss(self, output: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(output, labels.long()) if self.classes else mse_loss(output[:, 0], labels.float())

    def _metrics(self, output: Tensor, labels: Tensor) -> dict[str, float]:
        loss = float(self._loss(output, labels))
        if not self.classes:
            return {"mean_squared_error": loss}
        return {"accuracy": float((output.argmax(1) == labels).double().mean()), "cross_entropy": loss}

    def _state(self, epoch: int, best: float, since: int, kept: Any, random: np.random.Generator) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "best": best,
            "since": since,
            "kept": kept,
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "torch": torch.get_rng_state(),
            "numpy": json.dumps(random.bit_generator.state),
        }

    def _restore(self, state: Mapping[str, Any], random: np.random.Generator) -> tuple[int, Any]:
        with networks.restoring():
            self.network.load_state_dict(state["network"])
            for optimizer, each in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(each)
            torch.set_rng_state(state["torch"])
            random.bit_generator.state = json.loads(state["numpy"])
            epoch, kept = int(state["epoch"]), state["kept"]
        self.job.log.say(f"Resuming from the checkpoint after {epoch} epochs.")
        over = state["since"] >= self.values["early_stopping_patience"]
        return (self.values["epochs"] if over else epoch), kept


def _optimizers(network: Network, values: Mapping[str, Any]) -> list[torch.optim.Optimizer]:
    """One, and one more for token vectors whose gradients are sparse: Adam has a form of its own for these."""
    make, rate = _OPTIMIZERS[values["optimizer"]], values["learning_rate"]
    tables = {id(encoder.tokens.weight) for encoder in network.encoders}
    learned = [each for each in network.parameters() if each.requires_grad]
    if values[STORAGE] == DENSE:
        return [make(learned, lr=rate, weight_decay=values["weight_decay"])]
    sparse = [each for each in learned if id(each) in tables]
    found = [make([each for each in learned if id(each) not in tables], lr=rate, weight_decay=values["weight_decay"])]
    if sparse:
        found.append((torch.optim.SparseAdam if values["optimizer"] == "adam" else make)(sparse, lr=rate))
    return found


def _tensors(pairs: Pairs, number: int, rows: Any) -> tuple[Tensor, Tensor]:
    tokens, lengths = pairs.inputs[number].padded(rows)
    return torch.from_numpy(tokens), torch.from_numpy(lengths)


def _copy(network: Network) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
