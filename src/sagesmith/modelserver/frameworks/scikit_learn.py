"""scikit-learn's defaults, and which of its models predict the rows of several requests at once.

No bit of any answer changes by it. Trees look at one row at a time. Linear models multiply a matrix, whose rounding
depends on its shape: their product is made for each request, after the checks and scalings that they share. Scalers
that work element by element may stand before either. All else is predicted request by request.

Source: scikit-learn's `linear_model/_base.py` and `tree/_tree.pyx`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagesmith.modelserver import codecs, handlers
from sagesmith.modelserver.rows import NotTogether, Rows, agrees, split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import ModuleType

_ELEMENTWISE = frozenset({"StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "SimpleImputer"})
_TREES = frozenset(
    {
        *("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"),
        *("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"),
        *("GradientBoostingClassifier", "GradientBoostingRegressor"),
        *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    }
)


def load(module: ModuleType | None, model_dir: Path) -> handlers.Handlers:
    defaults = handlers.Defaults(None, codecs.decode, handlers.predict, codecs.encode, rows)
    return handlers.load(module, model_dir, defaults)


def rows(model: Any) -> Rows | None:
    """How a fitted estimator predicts the rows of several requests, None if each is to be predicted by itself."""
    found = _predict(model)
    columns = getattr(model, "n_features_in_", None)
    if found is None or columns is None:
        return None
    together = Rows(None, lambda data: data, found)
    return together if agrees(together, model.predict, columns) else None


def _predict(model: Any) -> Callable[[Any, Sequence[int]], list[Any]] | None:
    steps = [model]
    if _name(model) == "Pipeline":
        steps = [step for _, step in model.steps if step not in (None, "passthrough")]
    *scalers, final = steps or [None]
    if not all(_name(each) in _ELEMENTWISE for each in scalers):
        return None
    if _name(final) in _TREES and getattr(final, "n_jobs", None) in (None, 1):
        # With several jobs a forest adds its trees up in the order in which they are done.
        return lambda data, counts: split(model.predict(data), counts)
    linear = _linear(final)
    if linear is None:
        return None

    def predict(data: Any, counts: Sequence[int]) -> list[Any]:
        for scaler in scalers:
            data = scaler.transform(data)
        _check(data, final)
        return [linear(part) for part in split(data, counts)]

    return predict


def _linear(final: Any) -> Callable[[Any], Any] | None:
    """What a linear estimator's `predict` does once its input is checked."""
    if not isinstance(getattr(final, "coef_", None), _numpy().ndarray) or _name(final) is None:
        return None
    name = getattr(type(final).predict, "__qualname__", "")
    decision = getattr(getattr(type(final), "decision_function", None), "__qualname__", "")
    if name == "LinearModel.predict":
        return lambda part: part @ final.coef_.T + final.intercept_
    if name == decision.replace("decision_function", "predict") == "LinearClassifierMixin.predict":
        return lambda part: _classes(final, part @ final.coef_.T + final.intercept_)
    return None


def _classes(final: Any, scores: Any) -> Any:
    np = _numpy()
    if scores.shape[1] == 1:
        return np.take(final.classes_, (scores.ravel() > 0).astype(int))
    return np.take(final.classes_, scores.argmax(axis=1))


def _check(data: Any, final: Any) -> None:
    """What scikit-learn would check; where it would complain, let it do so, of the request at fault alone.

    Raises:
        NotTogether: it would.
    """
    np = _numpy()
    right = isinstance(data, np.ndarray) and data.ndim == 2 and data.dtype.kind == "f" and data.flags.c_contiguous
    if not right or data.shape[1] != final.coef_.shape[-1] or not np.isfinite(data).all():
        raise NotTogether


def _name(estimator: Any) -> str | None:
    """The class of an estimator of scikit-learn's own: a subclass may do anything."""
    kind = type(estimator)
    return kind.__name__ if kind.__module__.partition(".")[0] == "sklearn" else None


def _numpy() -> Any:
    import numpy

    return numpy
