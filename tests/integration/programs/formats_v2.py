"""What the SDK's own serializers write, and what they make of ours: `formats_v2.py write|read FOLDER [SCIPY]`."""

import io
import json
import sys
from pathlib import Path

import numpy as np
from sagemaker.amazon.common import (
    RecordDeserializer,
    RecordSerializer,
    read_records,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)

TABLE = (np.arange(200).reshape(40, 5) - 77) / 4
LABELS = np.arange(40)


def write(folder: Path) -> None:
    """Every kind of tensor with every kind of label."""
    for name in ("int64", "float32", "float64"):
        for labelled in (None, "int64", "float32", "float64"):
            with (folder / f"dense-{name}-{labelled}").open("wb") as file:
                labels = None if labelled is None else LABELS.astype(labelled)
                write_numpy_to_dense_tensor(file, TABLE.astype(name), labels)
    from scipy.sparse import csr_matrix

    table = csr_matrix(np.where(TABLE > 3, TABLE, 0))
    for name in ("float32", "float64"):
        with (folder / f"sparse-{name}").open("wb") as file:
            write_spmatrix_to_sparse_tensor(file, table.astype(name), LABELS.astype(name))
    (folder / "request").write_bytes(RecordSerializer().serialize(TABLE.astype("float32")).read())


def read(folder: Path) -> None:
    """What is in the records that we wrote."""
    seen = {}
    for path in folder.iterdir():
        records = read_records(io.BytesIO(path.read_bytes()))
        seen[path.name] = [
            {
                part: {key: _tensor(value) for key, value in getattr(record, part).items()}
                for part in ("features", "label")
            }
            for record in records
        ]
        answered = RecordDeserializer().deserialize(io.BytesIO(path.read_bytes()), "application/x-recordio-protobuf")
        assert answered == records
    print(json.dumps(seen))


def _tensor(value) -> dict:
    tensor = getattr(value, value.WhichOneof("value"))
    return {
        "kind": value.WhichOneof("value"),
        **{part: list(getattr(tensor, part)) for part in ("values", "keys", "shape")},
    }


if __name__ == "__main__":
    # scipy is no part of the SDK, and is found where the tests have it.
    sys.path += sys.argv[3:]
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
