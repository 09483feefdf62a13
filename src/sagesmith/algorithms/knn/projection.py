"""Random projections to fewer dimensions that keep distances roughly: matrices to multiply rows with."""

from typing import Any

import numpy as np


def matrix(kind: str, columns: int, target: int, seed: int = 0) -> Any:
    """A float32 array of shape (columns, target).

    Args:
        kind: `sign`: independent signs (Achlioptas, 2003); `fjlt`: the product of random signs, a Walsh-Hadamard
            matrix and a choice of coordinates (Ailon and Chazelle, 2009, with the choice of Tropp, 2011).
    """
    rng = np.random.default_rng((seed, columns, target))
    if kind == "sign":
        signs = rng.integers(0, 2, (columns, target), dtype=np.int8)
    else:
        width = 1 << (columns - 1).bit_length() if columns > 1 else 1
        flips = rng.integers(0, 2, columns, dtype=np.int64)
        chosen = rng.choice(width, target, replace=width < target)
        # A Walsh-Hadamard matrix is negative where its row's and column's numbers share an odd number of bits.
        signs = (_odd(np.arange(columns)[:, None] & chosen[None, :]) + flips[:, None]) & 1
    return ((1.0 - 2.0 * signs) / np.sqrt(target)).astype(np.float32)


def _odd(numbers: Any) -> Any:
    """1 where a number has an odd number of bits, else 0."""
    for shift in (32, 16, 8, 4, 2, 1):
        numbers = numbers ^ (numbers >> shift)
    return numbers & 1
