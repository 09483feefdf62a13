"""What NTM knows between batches: a network, and where its optimizer is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sagesmith.algorithms import networks
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.ntm.network import Network

_SEED = 0
WARM = 200
"""So many steps it takes until the divergence counts in full: topics that it has pushed together do not part again."""

_SUMS = ("documents", "recons", "kld", "words")


class Learner:
    """Learns from batches of documents: see `run.state.State`.

    Args:
        values: the hyperparameters.
        rank: of the instance, which draws numbers of its own.
        instances: how many there are. Of several, all begin with the same topics, so that their mean is of like ones.

    Attributes:
        documents, words: seen in this pass.
        corpus, length: how many documents the pass before had, and how many words they had on average; 0 in the first.
    """

    def __init__(self, values: Mapping[str, Any], rank: int = 0, instances: int = 1) -> None:
        self._values, self._rank, self._alone = values, rank, instances == 1
        self.steps = self.documents = self.corpus = 0
        self.recons = self.kld = self.words = self.length = 0.0
        networks.begin(_SEED)
        self._make()

    def _make(self) -> None:
        values, topics = self._values, self._values["num_topics"]
        layers = values["encoder_layers"]
        layers = (3 * topics, 2 * topics) if layers == "auto" else layers
        self.network = Network(
            values["feature_dim"], topics, layers, values["encoder_layers_activation"], values["batch_norm"]
        )
        self._optimizer = optimizer(self.network, values)

    def update(self, batch: Batch) -> None:
        values = self._values
        rng = np.random.default_rng((_SEED, self._rank, self.steps))
        rows = batch.features
        if values["sub_sample"] < 1:
            rows = rows[np.flatnonzero(rng.random(len(batch)) < values["sub_sample"])]
        counts = torch.from_numpy(Batch(rows).dense())
        if not self.steps and len(counts):
            self.network.begin(counts, grouped=self._alone)
        self.steps += 1
        if not len(counts):
            return
        # The variance of a single document is none.
        self.network.train(len(counts) > 1)
        noise = torch.from_numpy(rng.standard_normal((len(counts), values["num_topics"]), np.float32))
        recons, kld = self.network.losses(counts, noise)
        self._optimizer.zero_grad()
        # A sum, as MXNet has it, not a mean: Adadelta is slow to begin with where gradients are small.
        loss = (recons + min(1.0, self.steps / WARM) * kld).sum()
        if self.corpus:
            # Each batch has its share of the prior, which is divided by words as the documents' losses are.
            loss = loss + self.network.penalty() * len(counts) / (self.corpus * max(self.length, 1.0))
        loss.backward()
        for parameter in self.network.parameters():
            gradient = parameter.grad
            gradient *= values["rescale_gradient"]
            if values["clip_gradient"] is not None:
                gradient.clamp_(-values["clip_gradient"], values["clip_gradient"])
        self._optimizer.step()
        self.documents += len(counts)
        self.words += float(counts.sum())
        self.recons += float(recons.detach().sum())
        self.kld += float(kld.detach().sum())

    def losses(self) -> dict[str, float]:
        """Mean losses of the pass that ends here."""
        count = max(self.documents, 1)
        found = {"recons": self.recons / count, "kld": self.kld / count}
        self.corpus, self.length = self.documents, self.words / count
        self.documents, self.recons, self.kld, self.words = 0, 0.0, 0.0, 0.0
        return found

    def merge(self, others: list["Learner"]) -> None:
        """The mean of all, by the documents that each has seen in this pass."""
        everybody = [self, *others]
        total = sum(each.documents for each in everybody)
        shares = [each.documents / total if total else 1 / len(everybody) for each in everybody]
        theirs = [each.arrays() for each in everybody]
        merged = {}
        for name in {name: None for arrays in theirs for name in arrays}:
            # Who has had no documents yet has nothing of the optimizer's.
            known = [(arrays[name], share) for arrays, share in zip(theirs, shares, strict=True) if name in arrays]
            whole = sum(share for _, share in known)
            merged[name] = sum(value * (share / whole if whole else 1 / len(known)) for value, share in known)
        counts = {name: sum(arrays[name] for arrays in theirs) for name in _SUMS}
        self.restore(merged | counts | {"steps": max(each.steps for each in everybody)})

    def arrays(self) -> Mapping[str, Any]:
        arrays = {f"network.{name}": each.detach().numpy() for name, each in self.network.state_dict().items()}
        for number, state in self._optimizer.state_dict()["state"].items():
            arrays |= {
                f"optimizer.{number}.{name}": np.asarray(each) for name, each in state.items() if each is not None
            }
        counts = {name: getattr(self, name) for name in ("steps", "corpus", "length", *_SUMS)}
        return {name: each.copy() for name, each in arrays.items()} | counts

    def restore(self, arrays: Mapping[str, Any]) -> None:
        self._make()
        tensors = {name: torch.as_tensor(np.asarray(each)) for name, each in arrays.items()}
        like = self.network.state_dict()
        self.network.load_state_dict({name: tensors[f"network.{name}"].to(each.dtype) for name, each in like.items()})
        states: dict[int, dict[str, Any]] = {}
        for name, each in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                number, _, which = rest.partition(".")
                states.setdefault(int(number), {})[which] = each.float()
        if states:
            self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": states})
        self.steps, self.documents, self.corpus = (int(arrays[name]) for name in ("steps", "documents", "corpus"))
        self.recons, self.kld, self.words = (float(arrays[name]) for name in ("recons", "kld", "words"))
        self.length = float(arrays["length"])


def optimizer(network: Network, values: Mapping[str, Any]) -> Any:
    """The optimizer that the hyperparameters have, as MXNet has it."""
    rate, decay, parameters = values["learning_rate"], values["weight_decay"], network.parameters()
    match values["optimizer"]:
        case "sgd":
            return torch.optim.SGD(parameters, rate, weight_decay=decay)
        case "adam":
            return torch.optim.Adam(parameters, rate, weight_decay=decay)
        case "adagrad":
            return torch.optim.Adagrad(parameters, rate, weight_decay=decay, eps=1e-7)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, rate, alpha=0.9, weight_decay=decay)
    return torch.optim.Adadelta(parameters, 1.0, rho=0.9, eps=1e-5, weight_decay=decay)
