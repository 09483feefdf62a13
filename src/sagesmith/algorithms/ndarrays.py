"""MXNet's NDArray files: what several of AWS's algorithms leave as a model, and programs read by `mxnet.ndarray.load`.

So they are what our algorithms of the same names leave, and a model that AWS's has trained can be served. Numbers and
names only: nothing in them is ever executed.

Source: NDArray::Save and NDArray::Load in https://github.com/apache/mxnet/blob/1.9.1/src/ndarray/ndarray.cc
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.errors import CustomerError

_LIST_MAGIC = 0x112
_V1, _V2 = 0xF993FAC8, 0xF993FAC9
_TYPES = (np.float32, np.float64, np.float16, np.uint8, np.int32, np.int8, np.int64)
_LARGEST = 1 << 34
_CPU = 1


@dataclass(frozen=True, slots=True)
class NDArrays:
    """The arrays of a file.

    Attributes:
        names: one for each of them, or none at all.
    """

    values: tuple[Any, ...]
    names: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.values[self.names.index(name)]


def write(model_dir: Path, host: str, arrays: Sequence[Any], names: Sequence[str] = ()) -> None:
    """Leave a model as AWS's algorithms do, in `model_<host>`: arrays of float32."""
    (model_dir / f"model_{host}").write_bytes(packed(arrays, names))


def packed(arrays: Sequence[Any], names: Sequence[str] = ()) -> bytes:
    """A file of arrays of float32."""
    parts = [struct.pack("<QQQ", _LIST_MAGIC, 0, len(arrays))]
    for array in arrays:
        values = np.ascontiguousarray(array, np.dtype("<f4"))
        parts.append(struct.pack(f"<IiI{values.ndim}q", _V2, 0, values.ndim, *values.shape))
        parts.append(struct.pack("<iii", _CPU, 0, _TYPES.index(np.float32)))
        parts.append(values.tobytes())
    parts.append(struct.pack("<Q", len(names)))
    for name in names:
        parts.append(struct.pack("<Q", len(name)) + name.encode())
    return b"".join(parts)


def read(model_dir: Path, title: str) -> NDArrays:
    """The model of an algorithm.

    Args:
        title: the algorithm that it is to be of, for the error.

    Raises:
        CustomerError: there is none, or it is of another kind.
    """
    found = sorted(path for path in model_dir.glob("model_*") if path.is_file())
    if not found:
        raise CustomerError(f"The model artifact is not one of {title}: it has no file model_algo-1.")
    try:
        return _parsed(found[0].read_bytes())
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise CustomerError(f"The model artifact is not one of {title}: {found[0].name}: {error}") from error


def _parsed(data: bytes) -> NDArrays:
    magic, _, count = struct.unpack_from("<QQQ", data, 0)
    if magic != _LIST_MAGIC:
        raise ValueError("it is no file of arrays")
    at, values = 24, []
    for _ in range(count):
        array, at = _array(data, at)
        values.append(array)
    (count,) = struct.unpack_from("<Q", data, at)
    at, names = at + 8, []
    for _ in range(count):
        (length,) = struct.unpack_from("<Q", data, at)
        names.append(data[at + 8 : at + 8 + length].decode())
        at += 8 + length
    if names and len(names) != len(values):
        raise ValueError(f"it has {len(values)} arrays and {len(names)} names")
    return NDArrays(tuple(values), tuple(names))


def _array(data: bytes, at: int) -> tuple[Any, int]:
    (magic,) = struct.unpack_from("<I", data, at)
    at += 4
    if magic == _V2:
        (storage,) = struct.unpack_from("<i", data, at)
        at += 4
        if storage not in (0, -1):
            raise ValueError("it has a sparse array")
    wide = magic in (_V1, _V2)
    if wide:
        (dimensions,) = struct.unpack_from("<I", data, at)
        at += 4
    else:
        dimensions = magic
    if dimensions > 32:
        raise ValueError(f"it has an array of {dimensions} dimensions")
    shape = struct.unpack_from(f"<{dimensions}{'q' if wide else 'I'}", data, at)
    at += dimensions * (8 if wide else 4)
    if not dimensions:
        return np.empty(0, np.float32), at
    _, _, kind = struct.unpack_from("<iii", data, at)
    at += 12
    if not 0 <= kind < len(_TYPES):
        raise ValueError(f"it has an array of an unknown type, {kind}")
    size = 1
    for length in shape:
        size *= length
        if length < 0 or size > _LARGEST:
            raise ValueError(f"it has an array of shape {shape}")
    values = np.frombuffer(data, np.dtype(_TYPES[kind]), size, at)
    return values.reshape(shape), at + values.nbytes
