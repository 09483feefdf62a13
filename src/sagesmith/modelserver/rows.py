"""What may be predicted in one call for several requests, so that no answer changes by it.

A prediction's cost is mostly per call, not per row, so rows that wait together are predicted together. That is done by
itself only where a row's prediction cannot depend on the rows beside it, to the last bit. Floating-point sums do: a
matrix product of 32 rows may be rounded otherwise than 32 products of one (BLAS chooses its kernel by the shape), so
such a step is done request by request, and only the checks and conversions around it, which take nearly all of the
time, are shared. What is not known to be safe is left alone, unless the model's owner asks for it by
`Settings.batching`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, List, Sequence  # noqa: UP035

if TYPE_CHECKING:
    from sagesmith.modelserver.handlers import Handlers

logger = logging.getLogger("sagesmith.modelserver")

MAX_BODY_BYTES = 64 << 10
"""A larger request is predicted by itself: those that came before it need not wait for its rows."""

_CHECKED_PARTS = (1, 2, 3, 1, 7, 1)


class NotTogether(Exception):
    """These rows cannot be predicted in one call; each request is to be predicted by itself."""


@dataclass(frozen=True)
class Rows:
    """How a model predicts the rows of several requests.

    Attributes:
        read: the rows of a request as a two-dimensional array, from its body and its content type; None: they are what
            `input_fn` makes of it.
        wrap: from such an array to what `predict_fn` takes.
        predict: the predictions for parts of an array, given the number of rows of each: what `predict_fn` would return
            for each part alone. Whatever it raises means that each is to be predicted by itself.
        for_one: whether `predict` is the quicker way for a single request too.
    """

    read: Callable[[Any, str], Any] | None
    wrap: Callable[[Any], Any]
    predict: Callable[[Any, Sequence[int]], List[Any]]  # noqa: UP006
    for_one: bool = False


def rows_of(loaded: Handlers, setting: str) -> Rows | None:
    """How the requests of a model can be predicted together, None if they cannot.

    Args:
        setting: `auto`, `on` or `off`.
    """
    steps = loaded.steps
    if setting == "off" or steps is None:
        return None
    own_predict = "predict_fn" in steps.own
    if not own_predict and steps.rows is not None and (setting == "on" or not steps.own - {"model_fn"}):
        try:
            rows = steps.rows(loaded.model)
        except Exception:  # of a library's version that is not as the rule knows it: the model serves without
            logger.exception("The model could not be asked whether its requests may be predicted together.")
            rows = None
        if rows is not None:
            return rows if "input_fn" not in steps.own else _with_own_input(rows)
    return _asked_for(loaded) if setting == "on" else None


def stackable(data: Any) -> tuple[Any, ...] | None:
    """What arrays must have in common to be stacked, None for what is no array of rows."""
    shape, dtype = getattr(data, "shape", None), getattr(data, "dtype", None)
    if shape is None or dtype is None or len(shape) < 2 or not shape[0]:
        return None
    flags = getattr(data, "flags", None)
    if flags is not None and (dtype.hasobject or not flags.c_contiguous):
        return None  # Stacking would change the order of columns in memory, and that the order of additions.
    return (type(data), dtype, tuple(shape[1:]))


def stack(parts: Sequence[Any]) -> Any:
    """Arrays of one kind (`stackable`), one below the other."""
    if len(parts) == 1:
        return parts[0]
    if type(parts[0]).__module__.partition(".")[0] == "torch":
        import torch

        return torch.cat(list(parts))
    import numpy as np

    return np.concatenate(parts)


def split(predictions: Any, counts: Sequence[int]) -> list[Any]:
    """The parts of an array or list that belong to so many rows each.

    Raises:
        NotTogether: it has not one prediction a row.
    """
    if not isinstance(predictions, list) and not getattr(predictions, "shape", ()):
        raise NotTogether
    if len(predictions) != sum(counts):
        raise NotTogether
    parts, start = [], 0
    for count in counts:
        parts.append(predictions[start : start + count])
        start += count
    return parts


def agrees(rows: Rows, predict: Callable[[Any], Any], columns: int) -> bool:
    """Whether predictions made together are those made apart, bit for bit, tried on random rows.

    What a rule says of a library is true of the version that it was read in; this looks at the one that is here.
    """
    import numpy as np

    generator = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        data = generator.normal(size=(sum(_CHECKED_PARTS), columns)).astype(dtype)
        try:
            together = rows.predict(data, _CHECKED_PARTS)
            apart = [predict(rows.wrap(part)) for part in split(data, _CHECKED_PARTS)]
        except Exception:
            return False
        for one, other in zip(together, apart):  # noqa: B905 (Python 3.8 knows no strict)
            if type(one) is not type(other) or one.dtype != other.dtype or one.tobytes() != other.tobytes():
                return False
    return True


def _with_own_input(rows: Rows) -> Rows:
    """For arrays that the user's `input_fn` made: the model's own read function does not see them."""
    return replace(rows, read=None, wrap=rows.wrap if rows.read is None else lambda data: data)


def _asked_for(loaded: Handlers) -> Rows:
    """As the model's owner asks: `predict_fn` takes the rows of several requests, and answers a prediction a row."""
    steps, model = loaded.steps, loaded.model
    assert steps is not None

    def predict(data: Any, counts: Sequence[int]) -> list[Any]:
        return split(steps.predict_fn(data, model, loaded.context()), counts)

    return Rows(None, lambda data: data, predict)
