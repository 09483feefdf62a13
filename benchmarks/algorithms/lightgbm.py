"""LightGBM's JumpStart models against the bare library with the same parameters."""

from collections.abc import Iterator

from benchmarks.algorithms import Row
from benchmarks.algorithms._tabular import SETS, compared

_BARE = """\
import lightgbm
told = {"learning_rate": 0.1, "num_leaves": 64, "feature_fraction": 0.9, "bagging_fraction": 0.9, "bagging_freq": 1,
        "max_depth": 6, "min_data_in_leaf": 3, "verbosity": -1, "seed": 0, "deterministic": True,
        "force_col_wise": True}
told |= {0: {"objective": "regression", "metric": "rmse"}, 2: {"objective": "binary", "metric": "binary_logloss"}}.get(
    classes, {"objective": "multiclass", "num_class": classes, "metric": "multi_logloss"})
data = lightgbm.Dataset(train[:, 1:], train[:, 0], categorical_feature=categories)
model = lightgbm.train(told, data, 100, [data.create_valid(held[:, 1:], held[:, 0])],
                       callbacks=[lightgbm.early_stopping(10, verbose=False)])
found = model.predict(test)
"""


def quality() -> Iterator[Row]:
    """Error on rows held out, at AWS's defaults."""
    for each in SETS:
        yield from compared("lightgbm", each, {}, _BARE, "lightgbm")
