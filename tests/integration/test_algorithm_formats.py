"""RecordIO-protobuf between the SDK's serializers and ours, both ways."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy

from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.data.decode import decode
from sagesmith.algorithms.data.encode import encode
from sagesmith.algorithms.data.read import Source, whole
from tests.integration.conftest import environment_python
from tests.integration.programs import HERE

pytestmark = pytest.mark.sdk

TABLE = (np.arange(200).reshape(40, 5) - 77) / 4
LABELS = np.arange(40)
RECORDIO = "application/x-recordio-protobuf"


def client(*arguments):
    command = [environment_python("sdk-v2"), HERE / "formats_v2.py", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    client("write", folder, Path(scipy.__file__).parents[1])
    return folder


def as_channel(path, folder):
    (folder / "train").mkdir()
    (folder / "train" / "part").write_bytes(path.read_bytes())
    return Source("train", folder / "train", RECORDIO)


@pytest.mark.parametrize("labelled", [None, "int64", "float32", "float64"])
@pytest.mark.parametrize("kind", ["int64", "float32", "float64"])
def test_dense_files_of_the_sdk_are_read_exactly(written, tmp_path, kind, labelled):
    batch = whole(as_channel(written / f"dense-{kind}-{labelled}", tmp_path))
    assert np.array_equal(batch.features, TABLE.astype(kind).astype("float32"))
    assert batch.labels is None if labelled is None else np.array_equal(batch.labels, LABELS)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_sparse_files_of_the_sdk_are_read_exactly(written, tmp_path, kind):
    batch = whole(as_channel(written / f"sparse-{kind}", tmp_path))
    assert batch.sparse
    assert np.array_equal(batch.features.toarray(), np.where(TABLE > 3, TABLE, 0))
    assert np.array_equal(batch.labels, LABELS)


def test_a_request_of_the_sdks_serializer_is_decoded(written):
    assert np.array_equal(decode((written / "request").read_bytes(), RECORDIO, 5).features, TABLE)


def test_the_sdk_reads_what_we_write(tmp_path):
    answers = [{"closest_cluster": 3.0, "distance_to_cluster": 0.5}, {"closest_cluster": 1.0, "projection": [1.0, 2.0]}]
    (tmp_path / "answer").write_bytes(encode(answers, RECORDIO)[0])
    rows = (
        protobuf.write({"values": TABLE[0]}, {"values": np.float32([1])}),
        protobuf.write({"values": np.array([-1, 300])}),
        protobuf.write({"values": protobuf.Sparse(np.float32([2, 3]), [1, 1000], 5000)}),
    )
    (tmp_path / "rows").write_bytes(recordio.write(rows))
    seen = json.loads(client("read", tmp_path).splitlines()[-1])

    def tensor(kind, values, keys=(), shape=()):
        return {"kind": kind, "values": list(values), "keys": list(keys), "shape": list(shape)}

    assert [each["label"] for each in seen["answer"]] == [
        {"closest_cluster": tensor("float32_tensor", [3]), "distance_to_cluster": tensor("float32_tensor", [0.5])},
        {"closest_cluster": tensor("float32_tensor", [1]), "projection": tensor("float32_tensor", [1, 2])},
    ]
    assert seen["rows"] == [
        {
            "features": {"values": tensor("float64_tensor", TABLE[0])},
            "label": {"values": tensor("float32_tensor", [1])},
        },
        {"features": {"values": tensor("int32_tensor", [-1, 300])}, "label": {}},
        {"features": {"values": tensor("float32_tensor", [2, 3], [1, 1000], [5000])}, "label": {}},
    ]
