"""The default codecs: JSON, CSV and NPY to NumPy arrays and back, with the semantics of AWS's scikit-learn container.

Two of its habits are kept because programs depend on them: text becomes float32, and a CSV body of one row becomes an
array of one dimension. One is not: an NPY body is never unpickled, since that would run what a caller sends.

NumPy is imported at first use: a model that needs none starts without it.
"""

from __future__ import annotations

import csv
import io
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sagesmith.modelserver.errors import BadInput, HandlerFailed, NotAcceptable, UnsupportedInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
ANY = "*/*"
_FLOAT64_BYTES = 8
TEXT_TYPES = frozenset({JSON, CSV})


def media_type(header: str) -> str:
    """A content type without its parameters, in lower case."""
    return header.partition(";")[0].strip().lower()


def decode(body: str | bytes, content_type: str) -> Any:
    """A request's body as a NumPy array; text as float32.

    Raises:
        UnsupportedInput: there is no codec for `content_type`.
        BadInput: the body is not of that type.
    """
    kind = media_type(content_type)
    if kind not in _DECODERS:
        raise UnsupportedInput(content_type)
    if not body:
        raise BadInput(f"The body is empty; {kind} was expected.")
    try:
        array = to_array(body, kind)
        return array.astype(_numpy().float32) if kind in TEXT_TYPES else array
    except (ValueError, TypeError, EOFError, MemoryError, OverflowError, RecursionError, csv.Error) as error:
        raise BadInput(f"The body is not valid {kind}: {error}") from error


def to_array(body: str | bytes, content_type: str) -> Any:
    """The array that text or bytes stand for, of whatever type it comes to: CSV of numbers to float64, else to text.

    Raises:
        UnsupportedInput: there is no codec for `content_type`.
        ValueError, TypeError: or what else the parser says of a body that is not of that type.
    """
    decoder = _DECODERS.get(media_type(content_type))
    if decoder is None:
        raise UnsupportedInput(content_type)
    return decoder(body)


def encode(prediction: Any, accept: str) -> tuple[bytes, str]:
    """A prediction in the first type of `accept` that has a codec, and that type.

    Raises:
        NotAcceptable: there is none.
        HandlerFailed: the prediction cannot be written that way.
    """
    for kind in acceptable(accept):
        encoder = _ENCODERS.get(kind)
        if encoder is not None:
            try:
                return encoder(prediction), kind
            except (ValueError, TypeError, csv.Error) as error:
                raise HandlerFailed(
                    f"A prediction of type {type(prediction).__name__} cannot be written as {kind}: {error}",
                    kind=type(error).__name__,
                ) from error
    raise NotAcceptable(accept)


@lru_cache(maxsize=256)
def acceptable(accept: str) -> tuple[str, ...]:
    """The media types of an Accept header, best first (RFC 9110, section 12.5.1); `*/*` stands for JSON."""
    weighted = []
    for item in accept.split(","):
        kind, _, parameters = item.partition(";")
        weight = 1.0
        for parameter in parameters.split(";"):
            name, _, value = parameter.strip().partition("=")
            if name.lower() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        if weight > 0 and kind.strip():
            weighted.append((weight, kind.strip().lower()))
    weighted.sort(key=lambda pair: -pair[0])
    return tuple(JSON if kind in (ANY, "application/*") else kind for _, kind in weighted)


def _numpy() -> Any:
    import numpy

    return numpy


def _text(body: str | bytes) -> str:
    return body if isinstance(body, str) else bytes(body).decode("utf-8")


def _from_json(body: str | bytes) -> Any:
    np = _numpy()
    return np.array(json.loads(body))


def rows_of_numbers(lines: list[str], delimiter: str, dtype: Any) -> Any:
    """Lines of numbers as an array of two dimensions by NumPy's own parser, which takes a tenth of the time.

    None if there is anything in them that it does not take, or that it might take for something else than `float` does:
    whoever asks has to look at them himself then.
    """
    np = _numpy()
    # Before 1.23 it was written in Python, and took hexadecimal numbers.
    if tuple(map(int, np.__version__.split(".")[:2])) < (1, 23):
        return None
    try:
        return np.loadtxt(lines, delimiter=delimiter, dtype=dtype, comments=None, ndmin=2)
    except (ValueError, TypeError):
        return None


def _from_csv(body: str | bytes) -> Any:
    np = _numpy()
    text = _text(body)
    plain = text.replace("\r\n", "\n") if "\r" in text else text
    if '"' not in plain and "\r" not in plain and plain.strip():
        numbers = rows_of_numbers(plain.split("\n"), ",", np.float64)
        if numbers is not None:
            return numbers.squeeze()
    rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    array = np.array(rows).squeeze()
    try:
        return array.astype(np.float64)
    except ValueError:
        return array


def _from_npy(body: str | bytes) -> Any:
    np = _numpy()
    if isinstance(body, str):
        raise TypeError("text instead of bytes")
    # Not numpy.load, which takes a body that begins like a zip file for an archive.
    return np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def to_json(value: Any) -> bytes:
    """`value` as JSON; NumPy's arrays and scalars as lists and numbers."""
    return _JSON_ENCODER.encode(_plain(value) if hasattr(value, "tolist") else value).encode("utf-8")


_JSON_ENCODER = json.JSONEncoder(default=_plain)
"""What `json.dumps` would make anew for each value."""


def _to_csv(prediction: Any) -> bytes:
    np = _numpy()
    array = np.array(prediction)
    rows = array.reshape(-1, 1) if array.ndim < 2 else array
    if array.dtype.kind in "fiu" and rows.ndim == 2 and rows.size:
        return _numbers_to_csv(rows)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", strict=True).writerows(rows)
    return text.getvalue().encode("utf-8")


def _numbers_to_csv(rows: Any) -> bytes:
    """Numbers need no quotes, and `str` makes of them what the csv module makes."""
    # Python writes a float64 as NumPy does, and a float32 with the digits of a float64.
    python_knows = rows.dtype.kind != "f" or rows.dtype.itemsize == _FLOAT64_BYTES
    if rows.shape[1] == 1:
        column = rows.ravel()
        lines: Iterable[str] = map(str, column.tolist() if python_knows else column)
    else:
        lines = (",".join(map(str, row)) for row in (rows.tolist() if python_knows else rows))
    return ("\n".join(lines) + "\n").encode("ascii")


def _to_npy(prediction: Any) -> bytes:
    np = _numpy()
    array = np.asanyarray(prediction)
    if array.dtype.hasobject:
        raise TypeError("an array of Python objects has no NPY form without pickle")
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()


_DECODERS: dict[str, Callable[[Any], Any]] = {JSON: _from_json, CSV: _from_csv, NPY: _from_npy}
_ENCODERS: dict[str, Callable[[Any], bytes]] = {JSON: to_json, CSV: _to_csv, NPY: _to_npy}
