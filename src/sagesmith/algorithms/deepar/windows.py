"""From time series to what the network sees: for each step earlier values, what the date says, the user's features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sagesmith.algorithms.deepar.calendar import Frequency
from sagesmith.algorithms.deepar.series import Series
from sagesmith.algorithms.errors import CustomerError

_LEAST_SCALE = 1e-6


@dataclass(frozen=True, slots=True)
class Laid:
    """A series laid out for windows: `before` steps like its first value stand in front of it.

    Attributes:
        filled: float32, missing values being the ones before them.
        observed: float32, 1 where there is a value.
        covariates: float32, shape (steps, covariates), of the series' steps and those to be forecast.
        length: how many steps the series has.
    """

    filled: Any
    observed: Any
    covariates: Any
    categories: Any
    before: int
    length: int


@dataclass(frozen=True, slots=True)
class Windows:
    """How windows are cut out.

    Attributes:
        scaled: values are divided by the mean of their absolute values in the context.
    """

    frequency: Frequency
    context: int
    prediction: int
    features: int
    scaled: bool

    @property
    def lags(self) -> Any:
        return np.array(self.frequency.lags)

    @property
    def inputs(self) -> int:
        """Numbers of a step: lagged values, whether the last one was there, the date, the age, the user's features."""
        dated = int(self.frequency.features(self.frequency.times("2000-01-01", 1)).shape[1])
        return len(self.lags) + 1 + dated + 1 + self.features

    def laid(self, series: Series) -> Laid:
        """A series with its covariates, for the forecast's steps too."""
        before = int(self.lags.max()) + self.context + self.prediction
        length = len(series)
        total = before + length + self.prediction
        observed = np.zeros(total, np.float32)
        filled = np.zeros(total, np.float32)
        known = ~np.isnan(series.target)
        observed[before : before + length] = known
        last = np.maximum.accumulate(np.where(known, np.arange(length), -1)) if length else np.zeros(0, int)
        first = series.target[known.argmax()] if known.any() else 0.0
        filled[: before + length] = first
        filled[before : before + length] = np.where(last >= 0, series.target[np.maximum(last, 0)], first)
        dated = self.frequency.features(self.frequency.times(series.start, length + self.prediction))
        age = np.log10(2.0 + np.arange(length + self.prediction, dtype=np.float32))[:, None]
        given = np.zeros((length + self.prediction, self.features), np.float32)
        if self.features:
            steps = min(series.features.shape[1], length + self.prediction)
            given[:steps] = series.features[:, :steps].T
        covariates = np.zeros((total, dated.shape[1] + 1 + self.features), np.float32)
        covariates[before:] = np.concatenate([dated, age, given], axis=1)
        return Laid(filled, observed, covariates, series.categories, before, length)

    def scale(self, laid: Laid, end: int) -> float:
        """The scale of the context that ends before a step."""
        if not self.scaled:
            return 1.0
        part = slice(laid.before + end - self.context, laid.before + end)
        count = laid.observed[part].sum()
        mean = float((np.abs(laid.filled[part]) * laid.observed[part]).sum() / count) if count else 0.0
        if mean < _LEAST_SCALE:
            whole = laid.observed.sum()
            mean = float((np.abs(laid.filled) * laid.observed).sum() / whole) if whole else 0.0
        return mean if mean >= _LEAST_SCALE else 1.0

    def steps(self, laid: Laid, first: int, count: int, scale: float) -> Any:
        """The network's inputs for some steps, of shape (count, inputs)."""
        at = laid.before + first + np.arange(count)
        lagged = laid.filled[at[:, None] - self.lags] / np.float32(scale)
        return np.concatenate([lagged, laid.observed[at - 1, None], laid.covariates[at]], axis=1)

    def examples(self, chosen: Sequence[tuple[Laid, int]]) -> Mapping[str, Tensor]:
        """Windows whose forecasts begin at given steps, as tensors to learn from."""
        length = self.context + self.prediction
        steps, values, observed, scales = [], [], [], []
        for laid, begin in chosen:
            scale = self.scale(laid, begin)
            steps.append(self.steps(laid, begin - self.context, length, scale))
            part = slice(laid.before + begin - self.context, laid.before + begin + self.prediction)
            values.append(laid.filled[part])
            observed.append(laid.observed[part])
            scales.append(scale)
        return {
            "steps": torch.from_numpy(np.stack(steps)),
            "values": torch.from_numpy(np.stack(values)),
            "observed": torch.from_numpy(np.stack(observed)),
            "scales": torch.tensor(scales, dtype=torch.float32),
            "categories": torch.from_numpy(np.stack([laid.categories for laid, _ in chosen])),
        }


def checked(
    series: Sequence[Series],
    cardinality: Sequence[int],
    features: int,
    ahead: int,
    range_: tuple[float | None, float | None],
) -> None:
    """See that series have the categories, features and values that a model takes.

    Args:
        ahead: how many steps features must go on beyond the target.

    Raises:
        CustomerError: one has not.
    """
    low, high = range_
    for each in series:
        if len(each.categories) != len(cardinality):
            raise CustomerError(
                f"'cat' has {len(each.categories)} values, but the model has {len(cardinality)} categories "
                f"({each.place})."
            )
        for number, (value, classes) in enumerate(zip(each.categories, cardinality, strict=True)):
            if value >= classes:
                raise CustomerError(
                    f"Value {number + 1} of 'cat' is {value}; the category has {classes} classes, from 0 on "
                    f"({each.place})."
                )
        if len(each.features) != features:
            raise CustomerError(
                f"'dynamic_feat' has {len(each.features)} lists, but the model has {features} ({each.place})."
            )
        if features and each.features.shape[1] != len(each) + ahead:
            wanted = f"{len(each)} values, as the target has" if ahead == 0 else f"{len(each) + ahead} values"
            raise CustomerError(
                f"Each list of 'dynamic_feat' must have {wanted}, not {each.features.shape[1]} ({each.place})."
            )
        known = each.target[~np.isnan(each.target)]
        if len(known) and ((low is not None and known.min() < low) or (high is not None and known.max() > high)):
            between = f"from {low:g}" + ("" if high is None else f" to {high:g}")
            raise CustomerError(f"The likelihood takes values {between}; the target has others ({each.place}).")
