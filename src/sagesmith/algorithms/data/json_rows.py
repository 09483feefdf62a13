"""application/json and application/jsonlines: rows as SageMaker's common formats have them.

An instance is `{"features": [1.5, 2]}` or `{"data": {"features": {"values": [1.5, 2]}}}`, a sparse one `{"data":
{"features": {"keys": [3, 17], "values": [1.5, 2], "shape": [100]}}}`.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html#cdf-common-inference-formats
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.checks import Wanted, finite, float32, width
from sagesmith.algorithms.data.lines import blocks
from sagesmith.algorithms.data.recordio import Stream
from sagesmith.algorithms.errors import Unreadable

_FIELD = "features"
_ROWS = 4096
_DIMENSIONS = 32


def batches(stream: Stream, name: str, wanted: Wanted) -> Iterator[Batch]:
    """The rows of JSON lines, with the member `label` where labels are wanted.

    Raises:
        Unreadable: a line is not JSON, or not such an instance.
    """
    for block in blocks(stream):
        lines = [(number, line) for number, line in enumerate(block.text(name).split("\n"), block.line) if line.strip()]
        for start in range(0, len(lines), _ROWS):
            some = lines[start : start + _ROWS]
            batch = rows(
                [loaded(line, f"{name}, line {number}") for number, line in some],
                [f"{name}, line {number}" for number, _ in some],
                wanted,
            )
            wanted = wanted.like(batch)
            yield batch


def loaded(text: str | bytes, place: str) -> Any:
    """The JSON value that a text is.

    Raises:
        Unreadable: it is none.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"character {error.colno}"
        raise Unreadable(f"{place}, {where}", f"The text is not JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Unreadable(place, f"The text is not JSON: {error}") from None


def rows(instances: Sequence[Any], places: Sequence[str], wanted: Wanted) -> Batch:
    """Instances as a batch.

    Args:
        places: where each stands, for errors.

    Raises:
        Unreadable: one is not as it should be.
    """
    read = [_features(instance, place) for instance, place in zip(instances, places, strict=True)]
    for each, place in zip(read, places, strict=True):
        if each.size >= 0:
            width(each.size, wanted, place)
            wanted = wanted.of(each.size)
    if any(each.keys is not None for each in read):
        table = _sparse(read, places, wanted)
    else:
        table = float32([each.values for each in read]).reshape(len(read), wanted.columns or 0)
    finite(table, wanted.missing, lambda row: places[row])
    labels = None
    if wanted.labels:
        labels = float32([_label(*each) for each in zip(instances, places, strict=True)])
        finite(labels[:, None], False, lambda row: places[row], "label")
    return Batch(table.toarray() if wanted.dense and hasattr(table, "indptr") else table, labels)


def features(instance: Any) -> list[Any] | dict[str, Any] | None:
    """An instance's features as they stand there: a list, or an object with a list of `values`; None of neither."""
    if not isinstance(instance, dict):
        return None
    data = instance.get("data")
    found = instance.get(_FIELD) if not isinstance(data, dict) else data.get(_FIELD)
    if isinstance(found, list) or (isinstance(found, dict) and isinstance(found.get("values"), list)):
        return found
    return None


class _Row:
    """values, keys where the row is sparse, and how many features it has, -1 if it does not say."""

    __slots__ = ("keys", "size", "values")

    def __init__(self, values: Any, keys: Any, size: int) -> None:
        self.values, self.keys, self.size = values, keys, size


def _features(instance: Any, place: str) -> _Row:
    found = features(instance)
    if isinstance(found, list):
        return _Row(_numbers(found, place, _FIELD), None, len(found))
    if isinstance(found, dict):
        return _tensor(found, place)
    example = f'{{"{_FIELD}": [1.5, 16.0]}} or {{"data": {{"{_FIELD}": {{"values": [1.5, 16.0]}}}}}}'
    raise Unreadable(place, f"An instance is {example}")


def _tensor(found: dict[str, Any], place: str) -> _Row:
    values = _numbers(found["values"], place, "values")
    shape = found.get("shape")
    size = -1
    if shape:
        if not isinstance(shape, list) or not all(type(each) is int and 0 <= each < 2**31 for each in shape):
            raise Unreadable(place, "'shape' is not a list of whole numbers")
        size = math.prod(shape) if len(shape) <= _DIMENSIONS else -1
        if not 0 <= size < 2**31:
            raise Unreadable(place, "'shape' is too large")
    keys = found.get("keys")
    # An empty row of a sparse table has neither keys nor values, but a shape.
    if not keys and (len(values) or size < 0):
        return _Row(values, None, len(values))
    keys = keys or []
    if not isinstance(keys, list) or len(keys) != len(values):
        raise Unreadable(place, f"There are {len(values)} values, but 'keys' is not a list of as many")
    if not all(type(key) is int and 0 <= key < 2**31 for key in keys):
        raise Unreadable(place, "'keys' is not a list of whole numbers from 0 on")
    return _Row(values, keys, size)


def _numbers(found: list[Any], place: str, what: str) -> Any:
    if set(map(type, found)) <= {int, float}:
        try:
            return np.array(found, np.float64)
        except OverflowError:
            raise Unreadable(place, f"A number in '{what}' is too large") from None
    at = next(at for at, each in enumerate(found) if type(each) not in (int, float))
    raise Unreadable(f"{place}, column {at + 1}", f"{json.dumps(found[at])[:40]} in '{what}' is not a number")


def _sparse(read: Sequence[_Row], places: Sequence[str], wanted: Wanted) -> Any:
    from scipy.sparse import csr_matrix

    if wanted.columns is None:
        raise Unreadable(places[0], "The instance is sparse without a shape, and feature_dim is not given")
    counts = [len(each.values) for each in read]
    keys = np.concatenate([np.arange(len(each.values)) if each.keys is None else each.keys for each in read])
    begins = np.concatenate(([0], np.cumsum(counts)))
    outside = keys >= wanted.columns
    if outside.any():
        at = int(outside.argmax())
        place = places[int(np.searchsorted(begins, at, "right")) - 1]
        raise Unreadable(place, f"Key {int(keys[at])} is outside of the shape of {wanted.columns} features")
    values = float32(np.concatenate([each.values for each in read]))
    return csr_matrix((values, keys.astype(np.int64), begins), (len(read), wanted.columns))


def _label(instance: Any, place: str) -> float:
    label = instance.get("label")
    if isinstance(label, bool) or not isinstance(label, int | float) or not np.isfinite(label):
        raise Unreadable(place, "The instance has no 'label' that is a number")
    return float(label)
