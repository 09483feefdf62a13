"""TabTransformer against a perceptron and gradient boosting of scikit-learn, which get the same columns."""

from collections.abc import Iterator

from benchmarks.algorithms import Row
from benchmarks.algorithms._tabular import CATEGORIES, SETS, compared

_GIVEN = {"n_epochs": 60, "batch_size": 64, "n_blocks": 2}
# Divisions by which the penalty of its perceptron was not chosen.
_SEEDS = range(200, 212)
_COLUMNS = """\
import numpy
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
numbers = [each for each in range(test.shape[1]) if each not in categories]
columns = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), categories))
"""
_PERCEPTRON = (
    _COLUMNS
    + """\
from sklearn.neural_network import MLPClassifier, MLPRegressor
kind = MLPClassifier if classes else MLPRegressor
scale, centre = (1, 0) if classes else (train[:, 0].std(), train[:, 0].mean())
def fitted(penalty):
    layers = kind(hidden_layer_sizes=(128, 64), alpha=penalty, max_iter=100, random_state=0)
    return make_pipeline(columns, layers).fit(train[:, 1:], train[:, 0] if classes else (train[:, 0] - centre) / scale)
def quality(model):
    return model.score(held[:, 1:], held[:, 0] if classes else (held[:, 0] - centre) / scale)
model = max(map(fitted, (0.0001, 0.01, 1, 10)), key=quality)
found = model.predict_proba(test) if classes else model.predict(test) * scale + centre
"""
)
_BOOSTED = """\
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
model = kind(categorical_features=categories or None, early_stopping=True, random_state=0)
model.fit(train[:, 1:], train[:, 0])
found = model.predict_proba(test) if classes else model.predict(test)
"""


def quality() -> Iterator[Row]:
    """Error on rows held out."""
    for each in SETS:
        yield from compared("tabtransformer", each, _GIVEN, _PERCEPTRON, "scikit-learn MLP of the best penalty", _SEEDS)
    yield from compared("tabtransformer", CATEGORIES, _GIVEN, _BOOSTED, "scikit-learn HistGradientBoosting", _SEEDS)
