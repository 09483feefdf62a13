"""Encoders, attention and decoders, recurrent and convolutional.

Sources: Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015;
Luong, Pham, Manning: Effective Approaches to Attention-based NMT, EMNLP 2015; Gehring et al.: Convolutional Sequence to
Sequence Learning, ICML 2017; Hieber et al.: Sockeye, 2017, which AWS's algorithm comes from.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import glu, pad, softplus

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "glu": lambda values: glu(values, 1),
    "relu": torch.relu,
    "softrelu": softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


@dataclass(frozen=True, slots=True)
class Memory:
    """What an encoder says of some sources.

    Attributes:
        states: of shape (rows, source tokens, hidden), zeros behind a source's end.
        inside: bool, of shape (rows, source tokens).
    """

    states: Tensor
    inside: Tensor

    def rows(self, chosen: Tensor) -> "Memory":
        return Memory(self.states[chosen], self.inside[chosen])


class Recurrent(nn.Module):  # type: ignore[misc]
    """A bidirectional layer, and others in the direction of the text above it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        make = nn.LSTM if values["rnn_cell_type"] == "lstm" else nn.GRU
        size = self.size = values["rnn_num_hidden"]
        self.first = make(values["num_embed_source"], size // 2, batch_first=True, bidirectional=True)
        upper = range(1, values["num_layers_encoder"])
        self.upper = nn.ModuleList(make(size, size, batch_first=True) for _ in upper)
        self.residual = [_residual(values, number + 1) for number in upper]

    def forward(self, embedded: Tensor, inside: Tensor) -> Tensor:
        lengths = inside.sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        current, _ = nn.utils.rnn.pad_packed_sequence(
            self.first(packed)[0], batch_first=True, total_length=inside.shape[1]
        )
        for layer, residual in zip(self.upper, self.residual, strict=True):
            found, _ = layer(current)
            current = found + current if residual else found
        return current * inside[:, :, None]


class Convolutional(nn.Module):  # type: ignore[misc]
    """Layers of convolutions over tokens and their positions."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.size = values["cnn_num_hidden"]
        width = values["cnn_kernel_width_encoder"]
        self.positions = nn.Embedding(values["max_seq_len_source"], values["num_embed_source"])
        self.into = nn.Linear(values["num_embed_source"], self.size)
        self.layers = _convolutions(values, values["num_layers_encoder"], width)
        self.left = (width - 1) // 2
        self.right = width - 1 - self.left
        self.activation = _ACTIVATIONS[values["cnn_activation_type"]]
        self.dropout = nn.Dropout(values["cnn_hidden_dropout"])

    def forward(self, embedded: Tensor, inside: Tensor) -> Tensor:
        positions = self.positions.weight[: embedded.shape[1]]
        mask = inside[:, None, :]
        current = self.into(embedded + positions).transpose(1, 2) * mask
        for layer in self.layers:
            found = self.activation(layer(pad(self.dropout(current), (self.left, self.right))))
            current = (current + found) * math.sqrt(0.5) * mask
        return current.transpose(1, 2)


class Attention(nn.Module):  # type: ignore[misc]
    """Which source tokens matter to a decoder's state: `dot`, `bilinear`, `mlp`, or `fixed` (always the last one)."""

    def __init__(self, kind: str, query: int, memory: int, hidden: int) -> None:
        super().__init__()
        self.kind = kind
        if (kind == "dot" and query != memory) or kind == "bilinear":
            self.query = nn.Linear(query, memory, bias=False)
        elif kind == "mlp":
            self.query = nn.Linear(query, hidden)
            self.memory = nn.Linear(memory, hidden, bias=False)
            self.score = nn.Linear(hidden, 1, bias=False)

    def keys(self, memory: Memory) -> Tensor:
        """What is the same for all queries."""
        return self.memory(memory.states) if self.kind == "mlp" else memory.states

    def forward(self, query: Tensor, keys: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The context, of shape (rows, memory), and the weights, of shape (rows, source tokens)."""
        if self.kind == "fixed":
            last = memory.inside.sum(1) - 1
            weights = torch.nn.functional.one_hot(last, memory.inside.shape[1]).to(query.dtype)
        else:
            if self.kind == "mlp":
                scores = self.score(torch.tanh(self.query(query)[:, None] + keys))[:, :, 0]
            else:
                found = self.query(query) if hasattr(self, "query") else query
                scores = torch.bmm(keys, found[:, :, None])[:, :, 0]
            weights = scores.masked_fill(~memory.inside, -torch.inf).softmax(1)
        return torch.bmm(weights[:, None], memory.states)[:, 0], weights


State = tuple[Tensor, ...]
"""What a decoder knows after some tokens, for each row: it can be indexed by rows."""


class RecurrentDecoder(nn.Module):  # type: ignore[misc]
    """Cells that see the token before, and what they attended to then (input feeding)."""

    def __init__(self, values: Mapping[str, Any], memory: int) -> None:
        super().__init__()
        self.lstm = values["rnn_cell_type"] == "lstm"
        make = nn.LSTMCell if self.lstm else nn.GRUCell
        size, count = values["rnn_num_hidden"], values["num_layers_decoder"]
        self.size, self.count, self.start_from = size, count, values["rnn_decoder_state_init"]
        self.upper = values["rnn_attention_in_upper_layers"] and count > 1
        beside = memory if self.upper else 0
        sizes = [values["num_embed_target"] + size, *[size + beside] * (count - 1)]
        self.cells = nn.ModuleList(make(each, size) for each in sizes)
        self.residual = [_residual(values, number + 1) for number in range(count)]
        hidden = values["rnn_attention_num_hidden"] or size
        self.attention = Attention(values["rnn_attention_type"], size, memory, hidden)
        self.combine = nn.Linear(size + memory, size)
        self.dropout = nn.Dropout(values["rnn_decoder_hidden_dropout"])
        if self.start_from != "zero":
            self.starts = nn.ModuleList(nn.Linear(memory, size) for _ in range(count * (2 if self.lstm else 1)))

    def start(self, memory: Memory) -> State:
        rows = len(memory.states)
        fed = memory.states.new_zeros(rows, self.size)
        count = self.count * (2 if self.lstm else 1)
        if self.start_from == "zero":
            return (fed, *[fed] * count)
        lengths = memory.inside.sum(1)
        if self.start_from == "avg":
            summary = memory.states.sum(1) / lengths[:, None]
        else:
            summary = memory.states[torch.arange(rows), lengths - 1]
        return (fed, *(torch.tanh(layer(summary)) for layer in self.starts))

    def all(self, embedded: Tensor, memory: Memory) -> Tensor:
        """The states before each next token, where all tokens are known: (rows, target tokens, hidden)."""
        state, keys, found = self.start(memory), self.attention.keys(memory), []
        for position in range(embedded.shape[1]):
            output, _, state = self._step(embedded[:, position], state, keys, memory)
            found.append(output)
        return torch.stack(found, 1)

    def step(self, embedded: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor, State]:
        """The same after one more token, with the attention's weights and the state for the next one."""
        return self._step(embedded, state, self.attention.keys(memory), memory)

    def _step(self, embedded: Tensor, state: State, keys: Tensor, memory: Memory) -> tuple[Tensor, Tensor, State]:
        fed, *states = state
        hidden, cells = states[: self.count], states[self.count :]
        current, following, later = torch.cat([embedded, fed], 1), [], []
        context, weights = None, None
        for number, cell in enumerate(self.cells):
            if self.lstm:
                found, kept = cell(current, (hidden[number], cells[number]))
                later.append(kept)
            else:
                found = cell(current, hidden[number])
            following.append(found)
            below = current[:, : self.size]
            output = found + below if number and self.residual[number] else found
            if self.upper and number == 0:
                context, weights = self.attention(output, keys, memory)
            current = torch.cat([output, context], 1) if self.upper and context is not None else output
        top = current[:, : self.size]
        if context is None or weights is None:
            context, weights = self.attention(top, keys, memory)
        out = self.dropout(torch.tanh(self.combine(torch.cat([top, context], 1))))
        return out, weights, (out, *following, *later)


class ConvolutionalDecoder(nn.Module):  # type: ignore[misc]
    """Convolutions over the tokens so far, each of which attends to the source."""

    def __init__(self, values: Mapping[str, Any], memory: int) -> None:
        super().__init__()
        self.size = values["cnn_num_hidden"]
        self.width = values["cnn_kernel_width_decoder"]
        # One more than there are tokens: the sign of the beginning.
        self.positions = nn.Embedding(values["max_seq_len_target"] + 1, values["num_embed_target"])
        self.into = nn.Linear(values["num_embed_target"], self.size)
        self.layers = _convolutions(values, values["num_layers_decoder"], self.width)
        self.queries = nn.ModuleList(nn.Linear(self.size, memory) for _ in self.layers)
        self.contexts = nn.ModuleList(nn.Linear(memory, self.size) for _ in self.layers)
        self.activation = _ACTIVATIONS[values["cnn_activation_type"]]
        self.dropout = nn.Dropout(values["cnn_hidden_dropout"])

    def start(self, memory: Memory) -> State:
        return (memory.states.new_zeros(len(memory.states), 0, self.positions.embedding_dim),)

    def all(self, embedded: Tensor, memory: Memory) -> Tensor:
        return self._run(embedded, memory)[0]

    def step(self, embedded: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor, State]:
        sofar = torch.cat([state[0], embedded[:, None]], 1)
        found, weights = self._run(sofar, memory)
        return found[:, -1], weights[:, -1], (sofar,)

    def _run(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        current = self.into(embedded + self.positions.weight[: embedded.shape[1]]).transpose(1, 2)
        total = embedded.new_zeros(len(embedded), embedded.shape[1], memory.states.shape[1])
        for layer, query, context in zip(self.layers, self.queries, self.contexts, strict=True):
            found = self.activation(layer(pad(self.dropout(current), (self.width - 1, 0)))).transpose(1, 2)
            scores = torch.bmm(query(found), memory.states.transpose(1, 2)) / math.sqrt(memory.states.shape[2])
            weights = scores.masked_fill(~memory.inside[:, None], -torch.inf).softmax(2)
            found = found + context(torch.bmm(weights, memory.states))
            current = (current + found.transpose(1, 2)) * math.sqrt(0.5)
            total = total + weights / len(self.layers)
        return current.transpose(1, 2), total


class Network(nn.Module):  # type: ignore[misc]
    """Sources to targets.

    Args:
        values: the hyperparameters, with `source_words` and `target_words`, the vocabularies' sizes.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.source = nn.Embedding(values["source_words"], values["num_embed_source"])
        self.target = nn.Embedding(values["target_words"], values["num_embed_target"])
        self.source_dropout = nn.Dropout(values["embed_dropout_source"])
        self.target_dropout = nn.Dropout(values["embed_dropout_target"])
        self.encoder = Recurrent(values) if values["encoder_type"] == "rnn" else Convolutional(values)
        make = RecurrentDecoder if values["decoder_type"] == "rnn" else ConvolutionalDecoder
        self.decoder = make(values, self.encoder.size)
        self.out = nn.Linear(self.decoder.size, values["target_words"])
        _initialize(self, values)

    def encode(self, tokens: Tensor, lengths: Tensor) -> Memory:
        inside = torch.arange(tokens.shape[1]) < lengths[:, None]
        return Memory(self.encoder(self.source_dropout(self.source(tokens)), inside), inside)

    def forward(self, source: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """Logits of each token that comes after one of the target: (rows, target tokens, words)."""
        found = self.decoder.all(self.target_dropout(self.target(target)), self.encode(*source))
        logits: Tensor = self.out(found)
        return logits

    def step(self, tokens: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor, State]:
        """Log probabilities of the token after these, the attention's weights, and the state."""
        found, weights, following = self.decoder.step(self.target(tokens), state, memory)
        return self.out(found).log_softmax(1), weights, following


def _convolutions(values: Mapping[str, Any], layers: int, width: int) -> nn.ModuleList:
    size = values["cnn_num_hidden"]
    outputs = 2 * size if values["cnn_activation_type"] == "glu" else size
    return nn.ModuleList(nn.Conv1d(size, outputs, width) for _ in range(layers))


def _residual(values: Mapping[str, Any], layer: int) -> bool:
    """Whether a layer, counted from 1, adds what it gets to what it gives."""
    return bool(values["rnn_residual_connections"]) and layer >= values["rnn_first_residual_layer"]


def _initialize(network: nn.Module, values: Mapping[str, Any]) -> None:
    """As MXNet's initializers of these names do."""
    scale = values["weight_init_scale"]
    for name, weight in network.named_parameters():
        if weight.dim() == 1:
            nn.init.zeros_(weight)
            if "bias_ih" in name and values["rnn_cell_type"] == "lstm":
                # The forget gate begins open.
                nn.init.ones_(weight.data[len(weight) // 4 : len(weight) // 2])
            continue
        limit = abs(scale)
        if values["weight_init_type"] == "xavier":
            over = math.prod(weight.shape[2:])
            incoming, outgoing = weight.shape[1] * over, weight.shape[0] * over
            factor = {"in": incoming, "out": outgoing, "avg": (incoming + outgoing) / 2}[values["xavier_factor_type"]]
            limit = math.sqrt(abs(scale) / factor)
        nn.init.uniform_(weight, -limit, limit)
