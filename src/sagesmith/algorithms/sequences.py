"""Sequences of tokens as arrays, and batches of sequences of about the same length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Sequences:
    """Sequences of tokens.

    Attributes:
        tokens: all of them, one sequence after the other, int32.
        starts, lengths: int64, of each sequence.
    """

    tokens: Any
    starts: Any
    lengths: Any

    @classmethod
    def of(cls, tokens: Any, lengths: Any) -> "Sequences":
        counts = np.asarray(lengths, np.int64)
        return cls(np.asarray(tokens, np.int32), np.cumsum(counts) - counts, counts)

    @classmethod
    def listed(cls, sequences: Sequence[Sequence[int]], limit: int) -> "Sequences":
        """Of lists, cut off at a limit."""
        cut = [sequence[:limit] for sequence in sequences]
        return cls.of([token for sequence in cut for token in sequence], [len(sequence) for sequence in cut])

    def __len__(self) -> int:
        return len(self.lengths)

    def padded(self, rows: Any) -> tuple[Any, Any]:
        """Some sequences as an int64 array of shape (rows, longest), zeros at the end, and their lengths."""
        lengths = self.lengths[rows]
        places = np.arange(int(lengths.max()))
        inside = places < lengths[:, None]
        found = self.tokens[np.where(inside, self.starts[rows][:, None] + places, 0)]
        return np.where(inside, found, 0).astype(np.int64), lengths


def together(lengths: Sequence[int], rows: int, tokens: int) -> Iterator[list[int]]:
    """Places of sequences in groups of about the same length: one long sequence makes no long ones of all others.

    Args:
        lengths: of the sequences.
        rows: the most of a group.
        tokens: the most that a group has when it is padded, but for a sequence that has more by itself.
    """
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (len(group) == rows or (len(group) + 1) * lengths[place] > tokens):
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def orders(lengths: Any, rows: int, bucket_width: int, random: np.random.Generator) -> Iterator[Any]:
    """Rows' numbers in batches, in another order each time.

    Args:
        lengths: how long each row's sequences are.
        rows: of a batch.
        bucket_width: by how much rows of a batch may differ in length, but for some; 0: by anything.
    """
    order = random.permutation(len(lengths))
    if bucket_width:
        order = order[np.argsort(lengths[order] // bucket_width, kind="stable")]
    batches = [order[start : start + rows] for start in range(0, len(order), rows)]
    if bucket_width:
        batches = [batches[number] for number in random.permutation(len(batches))]
    return iter(batches)
