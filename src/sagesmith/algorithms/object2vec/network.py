"""Two encoders, a comparator and what comes after it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from sagesmith.algorithms.object2vec.declaration import ROW_SPARSE, STORAGE, comparators

_ACTIVATIONS: dict[str, Any] = {"tanh": nn.Tanh, "relu": nn.ReLU, "linear": nn.Identity}
_ENCODER = ("max_seq_len", "vocab_size", "token_embedding_dim", "layers", "cnn_filter_width")


def complete(values: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters, with those of the second encoder that are as the first one's."""
    whole = dict(values)
    if isinstance(whole["comparator_list"], str):
        whole["comparator_list"] = comparators(whole["comparator_list"])
    if whole["enc1_network"] == "enc0":
        whole["enc1_network"] = whole["enc0_network"]
    for name in _ENCODER:
        if whole[f"enc1_{name}"] is None:
            whole[f"enc1_{name}"] = whole[f"enc0_{name}"]
    return whole


class Encoder(nn.Module):  # type: ignore[misc]
    """Sequences of tokens to vectors of length `enc_dim`, none of them negative.

    What stands behind a sequence's end has no influence: sequences of a batch do not see each other.
    """

    def __init__(self, name: str, values: Mapping[str, Any], tokens: nn.Embedding | None = None) -> None:
        super().__init__()
        size = values[f"{name}_token_embedding_dim"]
        sparse = values[STORAGE] == ROW_SPARSE
        self.tokens = tokens or nn.Embedding(values[f"{name}_vocab_size"], size, sparse=sparse)
        self.kind = values[f"{name}_network"]
        layers = values[f"{name}_layers"]
        self.dropout = nn.Dropout(values["dropout"])
        if self.kind == "hcnn":
            count = 4 if layers == "auto" else layers
            width = values[f"{name}_cnn_filter_width"]
            self.layers = nn.ModuleList(nn.Conv1d(size, size, width, padding="same") for _ in range(count))
            size *= count
        elif self.kind == "bilstm":
            count = 1 if layers == "auto" else layers
            self.lstm = nn.LSTM(size, size, count, batch_first=True, bidirectional=True)
            size *= 2
        self.out = nn.Linear(size, values["enc_dim"])

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        inside = torch.arange(tokens.shape[1]) < lengths[:, None]
        embedded = self.dropout(self.tokens(tokens))
        pooled: Tensor = getattr(self, f"_{self.kind}")(embedded, lengths, inside[:, :, None])
        return relu(self.out(self.dropout(pooled)))

    def _pooled_embedding(self, embedded: Tensor, lengths: Tensor, inside: Tensor) -> Tensor:
        return (embedded * inside).sum(1) / lengths[:, None]

    def _hcnn(self, embedded: Tensor, _lengths: Tensor, inside: Tensor) -> Tensor:
        """The maximum over time after each layer, side by side."""
        found, current = [], (embedded * inside).transpose(1, 2)
        inside = inside.transpose(1, 2)
        for layer in self.layers:
            current = relu(layer(current)) * inside
            # What is no less than zero has its maximum within the sequence.
            found.append(current.amax(2))
        return torch.cat(found, 1)

    def _bilstm(self, embedded: Tensor, lengths: Tensor, inside: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return states.masked_fill(~inside[:, : states.shape[1]], -torch.inf).amax(1)


class Network(nn.Module):  # type: ignore[misc]
    """Pairs to scores.

    Args:
        values: the hyperparameters, complete.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        first = Encoder("enc0", values)
        shared = first.tokens if values["tied_token_embedding_weight"] else None
        self.encoders = nn.ModuleList([first, Encoder("enc1", values, shared)])
        self.comparators = values["comparator_list"]
        size = values["enc_dim"] * sum(2 if each == "concat" else 1 for each in self.comparators)
        layers: list[nn.Module] = []
        for _ in range(values["mlp_layers"]):
            layers += [nn.Linear(size, values["mlp_dim"]), _ACTIVATIONS[values["mlp_activation"]]()]
            layers.append(nn.Dropout(values["dropout"]))
            size = values["mlp_dim"]
        layers.append(nn.Linear(size, values["num_classes"] if values["output_layer"] == "softmax" else 1))
        self.last = nn.Sequential(*layers)

    def forward(self, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
        """Logits of shape (pairs, classes), or scores of shape (pairs, 1)."""
        left, right = self.encoders[0](*first), self.encoders[1](*second)
        compared = torch.cat([_compared(each, left, right) for each in self.comparators], 1)
        return self.last(compared)


def _compared(comparator: str, left: Tensor, right: Tensor) -> Tensor:
    if comparator == "hadamard":
        return left * right
    if comparator == "abs_diff":
        return (left - right).abs()
    return torch.cat([left, right], 1)
