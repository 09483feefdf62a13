"""The variational autoencoder that learns topics.

Sources: Ding, Nallapati and Xiang, "Coherence-Aware Neural Topic Modeling", EMNLP 2018; of the decoder, Srivastava
and Sutton, "Autoencoding Variational Inference for Topic Models", ICLR 2017; of topics that add to a background,
Eisenstein, Ahmed and Xing, "Sparse Additive Generative Models of Text", ICML 2011.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
# By which an activation function's output varies as much as its input, for inputs that vary by about 1.
_GAINS = {"sigmoid": 4.0, "tanh": 1.6, "relu": 1.4}
# Topics are learned in this unit: optimizers whose steps are small at first come forward by it.
_UNIT = 5.0
_VARIANCE = 2.5
"""Of what a topic adds to a word's logarithm, before there are data: else rare words would be topics' first ones."""
_SEED, _ROUNDS = 0, 5


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
        self.topics = nn.Parameter(0.01 / _UNIT * torch.randn(topics, words))
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

    def begin(self, counts: Any, *, grouped: bool) -> None:
        """Have topics begin with the words as often as some documents have them, or each as a group of like ones.

        Topics that begin alike may stay so where documents are short: the divergence keeps these from having any.
        """
        with torch.no_grad():
            frequencies = counts.sum(dim=0) + 1
            shares = frequencies / frequencies.sum()
            self.background.copy_(torch.log(shares))
            counts = counts[counts.sum(dim=1) > 0]
            for topic, members in enumerate(_groups(counts, len(self.topics)) if grouped else ()):
                words = counts[members].sum(dim=0)
                mixed = 0.5 * words / words.sum().clamp(min=1) + 0.5 * shares
                self.topics[topic] += (torch.log(mixed / mixed.sum()) - self.background) / _UNIT

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
        added = functional.softmax(drawn, dim=1) @ (_UNIT * self.topics)
        log_loss = -(counts * functional.log_softmax(added + self.background, dim=1)).sum(dim=1)
        divergence = 0.5 * (mean**2 + torch.exp(log_variance) - 1 - log_variance).sum(dim=1)
        return log_loss / lengths, divergence / lengths

    def penalty(self) -> Any:
        """The negative logarithm of the topics' prior density, but for a constant."""
        return 0.5 * (_UNIT * self.topics).square().sum() / _VARIANCE

    def words(self) -> Any:
        """Each topic's distribution of words, of shape (topics, words)."""
        return functional.softmax(_UNIT * self.topics + self.background, dim=1)


def _groups(counts: Any, number: int) -> list[Any]:
    """Documents of about the same words, by spherical k-means from k-means++: masks of their rows."""
    if len(counts) < 2:
        return []
    rarity = torch.log(len(counts) / (counts > 0).sum(dim=0).clamp(min=1))
    units = functional.normalize(counts * rarity, dim=1)
    chance = torch.Generator().manual_seed(_SEED)
    chosen = [torch.randint(len(units), (1,), generator=chance)]
    near = torch.full((len(units),), -1.0)
    for _ in range(min(number, len(units)) - 1):
        near = torch.maximum(near, units @ units[chosen[-1]][0])
        chosen.append(torch.multinomial((1 - near).clamp(min=1e-6), 1, generator=chance))
    centres = units[torch.cat(chosen)]
    nearest = (units @ centres.T).argmax(dim=1)
    for _ in range(_ROUNDS):
        sums = torch.zeros_like(centres).index_add_(0, nearest, units)
        centres = functional.normalize(sums, dim=1)
        nearest = (units @ centres.T).argmax(dim=1)
    return [nearest == each for each in range(len(centres))]
