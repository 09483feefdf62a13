"""Pieces of any size as batches of one, and in another order."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch

_SHUFFLED_BYTES = 64 << 20


def in_batches(pieces: Iterable[Batch], rows: int) -> Iterator[Batch]:
    """The same rows, so many in each batch, the last perhaps with fewer."""
    held: list[Batch] = []
    count = 0
    for piece in pieces:
        at = 0
        if held:
            at = min(rows - count, len(piece))
            held.append(_part(piece, 0, at))
            count += at
            if count == rows:
                yield joined(held)
                held, count = [], 0
        while len(piece) - at >= rows:
            yield _part(piece, at, at + rows)
            at += rows
        if at < len(piece):
            held, count = [_part(piece, at, len(piece))], len(piece) - at
    if held:
        yield joined(held)


def shuffled(pieces: Iterable[Batch], random: Any, rows: int) -> Iterator[Batch]:
    """The same rows in another order: those of some megabytes, or of one batch, change places."""
    held: list[Batch] = []
    count = size = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        size += _bytes(piece)
        if count >= rows and size >= _SHUFFLED_BYTES:
            yield _permuted(joined(held), random)
            held, count, size = [], 0, 0
    if held:
        yield _permuted(joined(held), random)


def whole_of(pieces: Iterable[Batch]) -> Batch:
    """All rows as one batch."""
    return joined(list(pieces))


def joined(pieces: Sequence[Batch]) -> Batch:
    """Batches one after the other as one; sparse if one of them is."""
    if len(pieces) == 1:
        return pieces[0]
    features: Any
    if any(piece.sparse for piece in pieces):
        from scipy.sparse import csr_matrix, vstack

        features = vstack([csr_matrix(piece.features) for piece in pieces], "csr")
    else:
        features = np.concatenate([piece.features for piece in pieces])
    return Batch(features, _all(pieces, "labels"), _weights(pieces))


def _all(pieces: Sequence[Batch], name: str) -> Any:
    parts = [getattr(piece, name) for piece in pieces]
    return None if any(part is None for part in parts) else np.concatenate(parts)


def _weights(pieces: Sequence[Batch]) -> Any:
    if all(piece.weights is None for piece in pieces):
        return None
    ones = (np.ones(len(piece), np.float32) if piece.weights is None else piece.weights for piece in pieces)
    return np.concatenate(list(ones))


def _part(batch: Batch, start: int, stop: int) -> Batch:
    if start == 0 and stop == len(batch):
        return batch
    return Batch(*(None if each is None else each[start:stop] for each in _columns(batch)))


def _permuted(batch: Batch, random: Any) -> Batch:
    order = random.permutation(len(batch))
    return Batch(*(None if each is None else each[order] for each in _columns(batch)))


def _columns(batch: Batch) -> tuple[Any, Any, Any]:
    return batch.features, batch.labels, batch.weights


def _bytes(batch: Batch) -> int:
    return int(batch.features.data.nbytes) if batch.sparse else int(batch.features.nbytes)
