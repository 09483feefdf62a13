"""Predictions as the body of an answer.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html#ir-deserialization
"""

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sagesmith.algorithms.data import recordio
from sagesmith.algorithms.data.protobuf import varint
from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO
from sagesmith.algorithms.errors import UnsupportedAccept

Predictions = Sequence[Mapping[str, Any]]


def encode(predictions: Predictions, accept: str, name: str = "predictions") -> tuple[bytes, str]:
    """The body that says what was predicted, and its content type.

    Args:
        predictions: for each row names and numbers, texts, or lists of them.
        name: under which a JSON answer has them all.
        accept: one content type; parameters do not matter.

    Raises:
        UnsupportedAccept: there is no such form of an answer.
    """
    kind = accept.partition(";")[0].strip().lower()
    form = _FORMS.get(kind)
    if form is None:
        raise UnsupportedAccept(f"Accept type {accept} is not supported. Supported types: {', '.join(_FORMS)}")
    return _json(predictions, name) if kind == JSON else form(predictions), kind


def _json(predictions: Predictions, name: str = "predictions") -> bytes:
    return json.dumps({name: list(predictions)}, default=_plain).encode()


def _json_lines(predictions: Predictions) -> bytes:
    return "".join(f"{json.dumps(each, default=_plain)}\n" for each in predictions).encode()


def _csv(predictions: Predictions) -> bytes:
    return "".join(f"{','.join(_cells(each.values()))}\n" for each in predictions).encode()


def _cells(values: Iterable[Any]) -> Iterable[str]:
    """A row's cells; lists stand with all that they have."""
    for value in values:
        if isinstance(value, str):
            quoted = value.replace('"', '""')
            yield f'"{quoted}"' if any(each in value for each in ',"\n\r') else value
        elif isinstance(value, Mapping):
            yield from _cells(value.values())
        elif isinstance(value, Iterable):
            yield from _cells(value.tolist() if isinstance(value, np.ndarray) else value)
        else:
            yield str(value.item() if isinstance(value, np.generic) else value)


def _recordio(predictions: Predictions) -> bytes:
    """Each name is a label of the row's record, a tensor of float32."""
    return recordio.write(b"".join(_label(name, value) for name, value in each.items()) for each in predictions)


def _label(name: str, value: Any) -> bytes:
    if isinstance(value, float | int):
        # An entry of the map `label` with a float32_tensor of one value.
        key = name.encode()
        return b"\x12" + varint(len(key) + 12) + b"\x0a" + varint(len(key)) + key + _ONE + struct.pack("<f", value)
    numbers = np.atleast_1d(np.asarray(value, "<f4"))
    values = _field(b"\x0a", numbers.tobytes()) if numbers.size else b""
    tensor = _field(b"\x12", values)
    return _field(b"\x12", _field(b"\x0a", name.encode()) + _field(b"\x12", tensor))


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + varint(len(data)) + data


def _plain(value: Any) -> Any:
    """What JSON can say of an array or a number of NumPy's."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in an answer")


_ONE = b"\x12\x08\x12\x06\x0a\x04"
_FORMS: dict[str, Callable[[Predictions], bytes]] = {
    JSON: _json,
    JSON_LINES: _json_lines,
    CSV: _csv,
    RECORDIO: _recordio,
}
