"""Channels as `xgboost.DMatrix`."""

import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.sparse
import xgboost

_FORMATS = {
    "csv": ("text/csv", "csv"),
    "libsvm": ("text/libsvm", "text/x-libsvm", "libsvm"),
    "parquet": ("application/x-parquet", "parquet"),
    "recordio-protobuf": ("application/x-recordio-protobuf", "recordio-protobuf"),
}
_RECORD_MAGIC = 0xCED7230A
_RECORD_LENGTH = (1 << 29) - 1
_TENSORS = ("float32_tensor", "float64_tensor", "int32_tensor")


def get_content_type(content_type: "str | None") -> str:
    """The name of a format: csv, libsvm, parquet or recordio-protobuf; libsvm if none is given.

    Raises:
        ValueError: the container reads no such format.
    """
    kind = (content_type or "libsvm").partition(";")[0].strip().lower()
    for name, names in _FORMATS.items():
        if kind in names:
            return name
    raise ValueError(f"{content_type} is not an accepted ContentType: {', '.join(map(str, _FORMATS))}.")


def get_size(data_path: "str | None", is_pipe: bool = False) -> int:
    """Bytes in a channel; of a pipe, 1 if it is there."""
    if not data_path:
        return 0
    if is_pipe:
        return int(Path(f"{data_path}_0").exists())
    return sum(path.stat().st_size for path in _files(data_path))


def get_dmatrix(data_path: "str | None", content_type: str, csv_weights: int = 0, is_pipe: bool = False) -> Any:
    """All of a channel, labels included; None if there is nothing in it.

    Args:
        data_path: a folder or a file; with `is_pipe` what the channel's FIFOs begin with.
        content_type: such as `text/csv`, or `libsvm`.
        csv_weights: 1 if the second column of CSV has the weights of the rows.

    Raises:
        ValueError: the format is not known, or the content is not of it.
    """
    kind = get_content_type(content_type)
    if not data_path:
        return None
    files = [Path(f"{data_path}_0")] if is_pipe else _files(data_path)
    if not files:
        return None
    if kind == "csv":
        return _of_csv(files, csv_weights)
    if kind == "libsvm":
        return _of_libsvm(files)
    if kind == "parquet":
        return _of_parquet(files)
    return _of_recordio(files)


def _files(data_path: str) -> "list[Path]":
    root = Path(data_path)
    if root.is_file():
        return [root]
    found = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return [path for path in found if path.stat().st_size]


def _of_csv(files: "list[Path]", csv_weights: int) -> Any:
    rows: list[list[str]] = []
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            line = file.readline()
            guessed = csv.Sniffer().sniff(line[:512]).delimiter if line.strip() else ","
            delimiter = "," if guessed.isalnum() or guessed in ".+-" else guessed
            for row in csv.reader([line, *file], delimiter=delimiter):
                if row:
                    rows.append([cell or "nan" for cell in row])
    table = np.array(rows).astype(np.float32)
    if csv_weights:
        return xgboost.DMatrix(table[:, 2:], label=table[:, 0], weight=table[:, 1])
    return xgboost.DMatrix(table[:, 1:], label=table[:, 0])


def _of_libsvm(files: "list[Path]") -> Any:
    from sklearn.datasets import load_svmlight_files

    # The indices are columns as they are, as XGBoost itself reads them.
    parts = load_svmlight_files([str(path) for path in files], zero_based=True, dtype=np.float32)
    return xgboost.DMatrix(scipy.sparse.vstack(parts[::2], format="csr"), label=np.concatenate(parts[1::2]))


def _of_parquet(files: "list[Path]") -> Any:
    import pandas

    table = pandas.concat([pandas.read_parquet(path) for path in files]).to_numpy()
    return xgboost.DMatrix(table[:, 1:], label=table[:, 0])


def _of_recordio(files: "list[Path]") -> Any:
    from sagemaker_training.record_pb2 import Record

    labels: list[float] = []
    values: list[float] = []
    columns: list[int] = []
    starts, width, sparse = [0], 0, False
    for path in files:
        with path.open("rb") as file:
            for data in records(file):
                record = Record()
                record.ParseFromString(data)
                tensor = _tensor(record.features["values"])
                keys = list(tensor.keys) or list(range(len(tensor.values)))
                sparse = sparse or bool(tensor.keys)
                values.extend(tensor.values)
                columns.extend(keys)
                starts.append(len(values))
                width = max(width, *tensor.shape, *(key + 1 for key in keys), 0)
                labels.extend(_tensor(record.label["values"]).values)
    matrix = scipy.sparse.csr_matrix((np.array(values, np.float32), columns, starts), (len(starts) - 1, width))
    return xgboost.DMatrix(matrix if sparse else matrix.toarray(), label=labels or None)


def records(file: "IO[bytes]") -> "Iterator[bytes]":
    """The records of a RecordIO file.

    Raises:
        ValueError: it is none.
    """
    while head := file.read(8):
        magic, size = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        if magic != _RECORD_MAGIC:
            raise ValueError("The data is not RecordIO: a record does not begin as one.")
        size &= _RECORD_LENGTH
        data = file.read(size)
        if len(data) < size:
            raise ValueError("The data is not RecordIO: its last record is not whole.")
        file.read(-size % 4)
        yield data


def _tensor(value: Any) -> Any:
    for name in _TENSORS:
        if value.HasField(name):
            return getattr(value, name)
    raise ValueError("A record has a tensor of another type than float32, float64 and int32.")
