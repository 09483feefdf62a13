"""Models in MXNet's format."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.algorithms import ndarrays
from sagesmith.algorithms.errors import CustomerError


def test_arrays_are_read_as_they_were_written(tmp_path: Path) -> None:
    one, two = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1.5], np.float32)
    ndarrays.write(tmp_path, "algo-1", [one, two], ["v", "s"])
    found = ndarrays.read(tmp_path, "PCA")
    assert found.names == ("v", "s")
    np.testing.assert_array_equal(found["v"], one)
    np.testing.assert_array_equal(found["s"], two)


def test_a_file_is_laid_out_as_mxnet_lays_it_out(tmp_path: Path) -> None:
    ndarrays.write(tmp_path, "algo-1", [np.array([[1.0, 2.0]])])
    assert (tmp_path / "model_algo-1").read_bytes() == b"".join(
        (
            struct.pack("<QQQ", 0x112, 0, 1),
            struct.pack("<IiIqq", 0xF993FAC9, 0, 2, 1, 2),
            struct.pack("<iii", 1, 0, 0),
            struct.pack("<ff", 1, 2),
            struct.pack("<Q", 0),
        )
    )


def test_files_of_older_versions_are_read(tmp_path: Path) -> None:
    data = struct.pack("<QQQ", 0x112, 0, 1) + struct.pack("<III", 2, 1, 2) + struct.pack("<iii", 1, 0, 1)
    (tmp_path / "model_algo-1").write_bytes(data + struct.pack("<dd", 3, 4) + struct.pack("<Q", 0))
    np.testing.assert_array_equal(ndarrays.read(tmp_path, "K-Means").values[0], [[3.0, 4.0]])


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CustomerError, match="not one of K-Means"):
        ndarrays.read(tmp_path, "K-Means")


@given(st.data())
def test_a_file_that_was_cut_or_changed_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("model")
    ndarrays.write(folder, "algo-1", [np.ones((2, 2))], ["v"])
    path = folder / "model_algo-1"
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        ndarrays.read(folder, "PCA")
    except CustomerError as error:
        assert "not one of PCA" in str(error)
