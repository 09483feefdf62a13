"""The variational autoencoder that learns topics.

Source: Ding, Nallapati and Xiang, "Coherence-Aware Neural Topic Modeling", EMNLP 2018, with a decoder that mixes the
topics' distributions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
# By which an activation function's output varies as much as its input, for inputs that vary by about 1.
_GAINS = {"sigmoid": 4.0, "tanh": 1.6, "relu": 1.4}
_LEAST = 1e-10


class Network(nn.Module):  # type: ignore[misc]
    """Documents to topics and back to words.

    Args:
        words: the size of the vocabulary.
        layers: the sizes of the encoder's.
    """

    def __init__(self, words: int, topics: int, layers: Sequence[int], activation: str, batch_norm: bool) -> None:
        super().__init__()
        sizes = [words, *layers]
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in zip(sizes, layers, strict=False))
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) if batch_norm else nn.Identity() for size in layers)
        self.activation = _ACTIVATIONS[activation]()
        self.mean, self.log_variance = nn.Linear(sizes[-1], topics), nn.Linear(sizes[-1], topics)
        self.topics = nn.Parameter(0.01 * torch.randn(topics, words))
        self.background = nn.Parameter(torch.zeros(words))
        self._prepare(_GAINS[activation], centre=0.5 if activation == "sigmoid" else 0.0)

    def _prepare(self, gain: float, centre: float) -> None:
        """Weights by which documents of length 1 come to topics that vary by about 1."""
        with torch.no_grad():
            linears: list[nn.Linear] = [*self.hidden, self.mean, self.log_variance]
            for number, linear in enumerate(linears):
                scale = gain / linear.in_features**0.5 if number else 1.0
                linear.weight.normal_(0, 0.1 * scale if linear is self.log_variance else scale)
                linear.bias.copy_(-centre * linear.weight.sum(dim=1)) if number else linear.bias.zero_()

    def begin(self, counts: Any) -> None:
        """Have all topics begin with the words as often as some documents have them."""
        with torch.no_grad():
            frequencies = counts.sum(dim=0) + 1
            self.background.copy_(torch.log(frequencies / frequencies.sum()))

    def losses(self, counts: Any, noise: Any = None) -> tuple[Any, Any]:
        """The log loss and the divergence of each document, both divided by its number of words.

        Args:
            counts: shape (documents, words).
            noise: of the topics, shape (documents, topics); None for none.
        """
        lengths = counts.sum(dim=1).clamp(min=1)
        values = functional.normalize(counts, dim=1)
        for linear, norm in zip(self.hidden, self.norms, strict=True):
            values = self.activation(norm(linear(values)))
        mean, log_variance = self.mean(values), self.log_variance(values).clamp(-20, 20)
        drawn = mean if noise is None else mean + torch.exp(0.5 * log_variance) * noise
        words = functional.softmax(drawn, dim=1) @ functional.softmax(self.topics + self.background, dim=1)
        log_loss = -(counts * torch.log(words + _LEAST)).sum(dim=1)
        divergence = 0.5 * (mean**2 + torch.exp(log_variance) - 1 - log_variance).sum(dim=1)
        return log_loss / lengths, divergence / lengths
