"""The linear forecast that DeepAR's network begins from: one for all series, by regression on the lagged values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sagesmith.algorithms.deepar.network import Network
from sagesmith.algorithms.deepar.windows import Laid, Windows

_MOST_SERIES, _MOST_VALUES = 2000, 200_000
# Of a weight's deviation from that of the forecast that nothing changes, in units of the noise: 1 / 0.3².
_PRIOR = 10.0
_ROUNDS = 3
_LEAST = 1e-5


def begin(network: Network, windows: Windows, laid: Sequence[Laid], random: np.random.Generator) -> None:
    """Give a network the weights that forecast best, each value from those before it.

    A series counts the less, the further off its forecasts are: noisy ones have no more to say than others.
    """
    if len(laid) > _MOST_SERIES:
        laid = [laid[number] for number in random.choice(len(laid), _MOST_SERIES, replace=False)]
    tables = [each for each in (_table(one, windows.lags, _MOST_VALUES // len(laid)) for one in laid) if len(each[0])]
    if not tables:
        return
    inputs, values = (np.concatenate([table[part] for table in tables]) for part in (0, 1))
    series = np.repeat(np.arange(len(tables)), [len(table[0]) for table in tables])
    prior = np.zeros(len(windows.lags))
    # Without data to say otherwise, values are as they were one step ago, or one season.
    prior[np.abs(values[:, None] - inputs).mean(axis=0).argmin()] = 1.0
    weights, spreads = prior, np.ones(len(tables))
    for _ in range(_ROUNDS):
        off = np.abs(values - inputs @ weights)
        spreads = (np.bincount(series, off) + off.mean()) / (np.bincount(series) + 1)
        per_row = np.maximum(spreads, _LEAST)[series]
        rows, wanted = inputs / per_row[:, None], values / per_row
        weights = np.linalg.solve(rows.T @ rows + _PRIOR * np.eye(len(prior)), rows.T @ wanted + _PRIOR * prior)
    with torch.no_grad():
        network.linear.copy_(torch.from_numpy(weights))
        network.usual.fill_(max(float(spreads.mean()), _LEAST))


def _table(laid: Laid, lags: Any, most: int) -> tuple[Any, Any]:
    """The last values of a series and, a column a lag, those before them, all divided by the level that they are at."""
    first = int(lags.max()) if laid.length > int(lags.max()) else 1
    steps = np.arange(max(first, laid.length - most), laid.length)
    at = laid.before + steps[laid.observed[laid.before + steps] > 0]
    inputs, values = laid.filled[at[:, None] - lags].astype(np.float64), laid.filled[at].astype(np.float64)
    level = np.abs(inputs).mean(axis=1)
    level = np.maximum(level, 0.1 * level.mean() if len(level) else 0.0)
    found = level > 0
    return inputs[found] / level[found, None], values[found] / level[found]
