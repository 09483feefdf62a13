"""Rows as CatBoost takes them: numbers apart from categories."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from catboost import FeaturesData, Pool


def pool(rows: Any, categories: Sequence[int], labels: Any = None) -> Any:
    """Rows as a Pool.

    Args:
        categories: the features that are categories.
    """
    if not categories:
        return Pool(rows, labels)
    chosen = np.zeros(rows.shape[1], bool)
    chosen[list(categories)] = True
    names = np.array([[_name(value) for value in row] for row in rows[:, chosen]], dtype=object)
    numbers = np.ascontiguousarray(rows[:, ~chosen], np.float32) if not chosen.all() else None
    return Pool(FeaturesData(num_feature_data=numbers, cat_feature_data=names), labels)


def _name(value: float) -> bytes:
    return b"%d" % value if float(value).is_integer() else str(value).encode()
