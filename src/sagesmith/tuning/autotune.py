"""Ranges guessed from an example of each hyperparameter.

AWS says that it selects "an optimal hyperparameter range" and not how
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AutoParameter.html). Here it is an order of magnitude to
either side of the example. A fraction stays one: a share or a probability above 1 would only make jobs fail.
"""

import math

from sagesmith.tuning.ranges import Categorical, Numeric, Range

_FACTOR = 10


def guessed(name: str, hint: str) -> Range:
    """The range to search for a hyperparameter that `hint` is a sensible value of; what is no number stays as it is."""
    try:
        value = float(hint)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        return Categorical(name, (hint,))
    if hint.strip().lstrip("+-").isdigit():
        return _whole(name, int(hint))
    if value == 0:
        return Numeric(name, 0.0, 1.0)
    low, high = sorted((value / _FACTOR, value * _FACTOR))
    if 0 < value < 1:
        high = min(high, 1.0)
    return Numeric(name, low, high, scale="Logarithmic" if value > 0 else "Linear")


def _whole(name: str, value: int) -> Numeric:
    if value == 0:
        return Numeric(name, 0, _FACTOR, whole=True)
    if value < 0:
        return Numeric(name, value * _FACTOR, value // _FACTOR, whole=True)
    return Numeric(name, max(1, value // _FACTOR), value * _FACTOR, whole=True, scale="Logarithmic")
