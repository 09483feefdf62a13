"""XGBoost's defaults in framework mode: requests become DMatrix objects, `model_fn` is the user's. Without a script a
model is the built-in algorithm's.

Source: https://sagemaker.readthedocs.io/en/stable/frameworks/xgboost/using_xgboost.html ("Deploy Open Source XGBoost
Models") and github.com/aws/sagemaker-xgboost-container.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
import xgboost

from sagesmith.modelserver import codecs, handlers
from sagesmith.modelserver.errors import BadInput, UnsupportedInput
from sagesmith.modelserver.frameworks import algorithm
from sagesmith.modelserver.rows import Rows, agrees, split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

LIBSVM = frozenset({"text/libsvm", "text/x-libsvm"})


def load(module: ModuleType | None, model_dir: Path) -> handlers.Handlers:
    if module is None:
        return algorithm.load(None, model_dir)
    return handlers.load(module, model_dir, handlers.Defaults(None, to_dmatrix, _predict, codecs.encode, rows))


def rows(model: Any) -> Rows | None:
    """How a booster predicts the rows of several requests: it adds up its trees' answers row by row."""
    if type(model) is not xgboost.Booster:
        return None

    def read(body: str | bytes, content_type: str) -> Any:
        return _array(body, content_type) if codecs.media_type(content_type) == codecs.CSV else None

    def predict(data: Any, counts: Sequence[int]) -> list[Any]:
        return split(_predict(xgboost.DMatrix(data), model), counts)

    together = Rows(read, xgboost.DMatrix, predict)
    return together if agrees(together, lambda data: _predict(data, model), model.num_features()) else None


def to_dmatrix(body: str | bytes, content_type: str) -> Any:
    """A DMatrix.

    Raises:
        UnsupportedInput, BadInput: see `_array`.
    """
    return xgboost.DMatrix(_array(body, content_type))


def _array(body: str | bytes, content_type: str) -> Any:
    """The rows of a request, dense or sparse.

    Raises:
        UnsupportedInput, BadInput: the body is of another type than CSV and LIBSVM, or not what it says.
    """
    kind = codecs.media_type(content_type)
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    try:
        if kind == codecs.CSV:
            return _from_csv(text)
        if kind in LIBSVM:
            return _from_libsvm(text)
    except (ValueError, csv.Error) as error:
        raise BadInput(f"The body is not valid {kind}: {error}") from error
    raise UnsupportedInput(content_type)


def _from_csv(text: str) -> Any:
    rows = [line for line in text.strip("\n").splitlines() if line.strip()]
    if not rows:
        raise ValueError("it is empty")
    guessed = csv.Sniffer().sniff(rows[0][:512]).delimiter if len(rows[0]) > 1 else ","
    delimiter = "," if guessed.isalnum() or guessed in ".+-" else guessed
    numbers = codecs.rows_of_numbers(rows, delimiter, np.float32)
    if numbers is not None:
        return numbers
    return np.array([[cell or "nan" for cell in row.split(delimiter)] for row in rows]).astype(np.float32)


def _from_libsvm(text: str) -> Any:
    """Rows of `[label] index:value …`; a label is of no use here."""
    data: list[float] = []
    columns: list[int] = []
    starts = [0]
    for line in text.splitlines():
        if not line.strip():
            continue
        for pair in line.split():
            index, colon, value = pair.partition(":")
            if colon:
                columns.append(int(index))
                data.append(float(value))
        starts.append(len(data))
    if len(starts) == 1:
        raise ValueError("it is empty")
    return scipy.sparse.csr_matrix((np.array(data, np.float32), columns, starts))


def _predict(data: Any, model: Any) -> Any:
    return model.predict(data, validate_features=False)
