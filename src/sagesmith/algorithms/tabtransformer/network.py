"""The network: embeddings of categories, a transformer over a row's columns, a perceptron over all of it.

Source: Huang et al., TabTransformer, arXiv:2012.06678
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

_HEADS = 8
_NARROWEST = 128


class Network(nn.Module):  # type: ignore[misc]
    """From a row's categories and numbers to what it is about: one number, or one a class.

    Args:
        sizes: for each column of categories how many there are; another one stands for those that were never seen.
        numbers: how many columns of numbers there are.
        shared: the share of an embedding that a column's categories have in common.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        numbers: int,
        outputs: int,
        *,
        dimension: int,
        blocks: int,
        attention_dropout: float,
        dropout: float,
        shared: float,
    ) -> None:
        super().__init__()
        common = int(dimension * shared) if shared < 1 else dimension
        self.own = nn.ModuleList(nn.Embedding(size + 1, dimension - common) for size in sizes)
        self.common = nn.Parameter(torch.randn(len(sizes), common) / dimension**0.5)
        self.blocks = nn.ModuleList(
            _Block(dimension, attention_dropout, dropout) for _ in range(blocks if sizes else 0)
        )
        wide = len(sizes) * dimension + numbers
        # Of a few numbers alone the paper's widths would be too narrow for anything but a line.
        first, second = max(4 * wide, _NARROWEST), max(2 * wide, _NARROWEST // 2)
        self.head = nn.Sequential(
            nn.Linear(wide, first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(second, outputs),
        )

    def forward(self, categories: Any, numbers: Any) -> Any:
        parts = []
        if len(self.own):
            embedded = torch.stack([own(categories[:, at]) for at, own in enumerate(self.own)], dim=1)
            row = torch.cat([embedded, self.common.expand(len(categories), -1, -1)], dim=2)
            for block in self.blocks:
                row = block(row)
            parts.append(row.flatten(1))
        if numbers.shape[1]:
            parts.append(numbers)
        return self.head(torch.cat(parts, dim=1))


class _Block(nn.Module):  # type: ignore[misc]
    """Attention, and a perceptron, each added to what it gets."""

    def __init__(self, dimension: int, attention_dropout: float, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dimension, _HEADS, dropout=attention_dropout, batch_first=True)
        self.forward_layers = nn.Sequential(
            nn.Linear(dimension, 4 * dimension),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * dimension, dimension),
            nn.Dropout(dropout),
        )
        self.first, self.second = nn.LayerNorm(dimension), nn.LayerNorm(dimension)

    def forward(self, row: Any) -> Any:
        attended, _ = self.attention(row, row, row, need_weights=False)
        row = self.first(row + attended)
        return self.second(row + self.forward_layers(row))
