"""scikit-learn's defaults, and which of its models predict the rows of several requests at once.

No bit of any answer changes by it. Trees look at one row at a time. Linear models multiply a matrix, whose rounding
depends on its shape: their product is made for each request, after the checks and scalings that they share. Scalers
that work element by element may stand before either. All else is predicted request by request.

Of the 190 µs in which a scaler and a linear model predict one row, scikit-learn computes for 10 and looks for 180
whether it was given rows of numbers. We look once, and compute: for one request as well.

Source: scikit-learn's `linear_model/_base.py`, `preprocessing/_data.py` and `tree/_tree.pyx`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Iterator, cast  # noqa: UP035

from sagesmith.modelserver import codecs, handlers
from sagesmith.modelserver.rows import NotTogether, Rows, agrees, split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import ModuleType

    _Arithmetic = dict[str, list[tuple[Callable[..., Any], Any]]]
    """For each of `_KINDS`: functions of NumPy, and the numbers of the columns that they are given with the rows."""

_ELEMENTWISE = frozenset({"StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "SimpleImputer"})
_LEAST_SQUARES = frozenset({"LinearModel.predict", "MultiOutputLinearModel.predict", "Ridge.predict"})
"""Where `predict` is defined of linear regressions: the latter two call the first."""
_KINDS = "fd"
"""The types of rows, by NumPy's letters, that scalers leave as they are."""
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
    together = Rows(None, lambda data: data, found, for_one=True)
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
    scalings = [_scaling(scaler) for scaler in scalers]

    def predict(data: Any, counts: Sequence[int]) -> list[Any]:
        for scaling in scalings:
            data = scaling(data)
        _check(data, final)
        return [linear(part) for part in split(data, counts)]

    return predict


def _scaling(scaler: Any) -> Callable[[Any], Any]:
    """A scaler's `transform`, without its checks if the arithmetic of its version is known."""
    for steps in _arithmetic(scaler):
        scaling = partial(_scaled, scaler.n_features_in_, steps)
        if _same(scaling, scaler):
            return scaling
    return cast("Callable[[Any], Any]", scaler.transform)


def _arithmetic(scaler: Any) -> Iterator[_Arithmetic]:
    """What a scaler may do, one kind of version after the other."""
    np, name = _numpy(), _name(scaler)
    if name == "StandardScaler":
        steps = [(np.subtract, scaler.mean_, scaler.with_mean), (np.divide, scaler.scale_, scaler.with_std)]
    elif name == "RobustScaler":
        steps = [(np.subtract, scaler.center_, scaler.with_centering), (np.divide, scaler.scale_, scaler.with_scaling)]
    elif name == "MinMaxScaler":
        steps = [(np.multiply, scaler.scale_, True), (np.add, scaler.min_, True)]
    elif name == "MaxAbsScaler":
        steps = [(np.divide, scaler.scale_, True)]
    else:
        return
    wanted = [(function, numbers) for function, numbers, there in steps if there]
    if not wanted or getattr(scaler, "clip", False):
        return
    yield dict.fromkeys(_KINDS, wanted)
    # Since 1.7 some round their numbers to the type of the rows before they compute.
    yield {kind: [(function, numbers.astype(kind)) for function, numbers in wanted] for kind in _KINDS}


def _scaled(columns: int, arithmetic: _Arithmetic, data: Any) -> Any:
    """Rows as a scaler makes them, in an array of their own.

    Raises:
        NotTogether: they are not rows for which that is all that the scaler does.
    """
    if not _are_rows(data) or data.shape[1] != columns or data.dtype.char not in arithmetic:
        raise NotTogether
    scaled = _numpy().empty_like(data)
    for function, numbers in arithmetic[data.dtype.char]:
        data = function(data, numbers, out=scaled, casting="same_kind")
    return scaled


def _same(scaling: Callable[[Any], Any], scaler: Any) -> bool:
    """Whether `scaling` gives what `scaler.transform` gives, bit for bit, tried on random rows."""
    np = _numpy()
    generator = np.random.default_rng(0)
    for kind in (np.float32, np.float64):
        rows = generator.normal(scale=[[1e-3], [1.0], [1e3]] * 5, size=(15, scaler.n_features_in_)).astype(kind)
        try:
            one, other = scaling(rows), scaler.transform(rows)
        except Exception:
            return False
        if type(one) is not type(other) or one.dtype != other.dtype or one.tobytes() != other.tobytes():
            return False
    return True


def _linear(final: Any) -> Callable[[Any], Any] | None:
    """What a linear estimator's `predict` does once its input is checked."""
    if not isinstance(getattr(final, "coef_", None), _numpy().ndarray) or _name(final) is None:
        return None
    name = getattr(type(final).predict, "__qualname__", "")
    decision = getattr(getattr(type(final), "decision_function", None), "__qualname__", "")
    if name in _LEAST_SQUARES:
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
    if not _are_rows(data) or data.shape[1] != final.coef_.shape[-1] or not _numpy().isfinite(data).all():
        raise NotTogether


def _are_rows(data: Any) -> bool:
    """Whether this is an array of rows of floating-point numbers, as they lie in memory."""
    right = type(data) is _numpy().ndarray and data.ndim == 2
    return right and data.dtype.kind == "f" and data.dtype.isnative and data.flags.c_contiguous


def _name(estimator: Any) -> str | None:
    """The class of an estimator of scikit-learn's own: a subclass may do anything."""
    kind = type(estimator)
    return kind.__name__ if kind.__module__.partition(".")[0] == "sklearn" else None


def _numpy() -> Any:
    import numpy

    return numpy
