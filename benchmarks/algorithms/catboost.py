"""CatBoost's JumpStart models against the bare library with the same parameters."""

from collections.abc import Iterator

from benchmarks.algorithms import Row
from benchmarks.algorithms._tabular import SETS, compared

_GIVEN = {"iterations": 300, "learning_rate": 0.1}
_BARE = """\
import catboost, pandas
told = {"iterations": 300, "learning_rate": 0.1, "depth": 6, "l2_leaf_reg": 3, "random_strength": 1.0,
        "sampling_frequency": "PerTreeLevel", "random_seed": 1, "verbose": False, "allow_writing_files": False,
        "early_stopping_rounds": 5}
loss = {0: ("RMSE", "RMSE"), 2: ("Logloss", "AUC")}.get(classes, ("MultiClass", "MultiClass"))
told |= {"loss_function": loss[0], "eval_metric": loss[1]}
def frame(rows):
    frame = pandas.DataFrame(rows)
    for each in categories:
        frame[each] = frame[each].astype(int).astype(str)
    return frame
model = catboost.CatBoost(told)
model.fit(frame(train[:, 1:]), train[:, 0], cat_features=categories, eval_set=(frame(held[:, 1:]), held[:, 0]))
found = model.predict(frame(test), prediction_type="Probability" if classes else "RawFormulaVal")
"""


def quality() -> Iterator[Row]:
    """Error on rows held out, at AWS's defaults but the number of trees and the learning rate, which are for more."""
    for each in SETS:
        yield from compared("catboost", each, _GIVEN, _BARE, "catboost")
