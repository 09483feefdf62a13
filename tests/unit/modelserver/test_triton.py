"""Triton's configuration files and the tensors of its protocol."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from sagesmith.modelserver.errors import BadInput
from sagesmith.modelserver.triton import config, models, tensors

CONFIGURATION = """
name: "sums"  # what it is called
backend: 'onnxruntime'
max_batch_size : 8
input [
  { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] },
  { name: "mask", data_type: TYPE_BOOL, dims: 4 }
]
output { name: "y", data_type: TYPE_FP32, dims: [ 1 ] }
parameters: { key: "A", value: { string_value: "a\\"b" } }
parameters { key: "B" value: { string_value: "2" } }
dynamic_batching { }
version_policy: { latest { num_versions: 1 } }
optimization { priority: 0.5 enabled: true }
"""


def test_a_configuration_is_read_as_models_of_the_python_backend_get_it() -> None:
    assert config.parse(CONFIGURATION) == {
        "name": "sums",
        "backend": "onnxruntime",
        "max_batch_size": 8,
        "input": [
            {"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 4]},
            {"name": "mask", "data_type": "TYPE_BOOL", "dims": [4]},
        ],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}],
        "parameters": {"A": {"string_value": 'a"b'}, "B": {"string_value": "2"}},
        "dynamic_batching": {},
        "version_policy": {"latest": {"num_versions": 1}},
        "optimization": {"priority": 0.5, "enabled": True},
    }


@pytest.mark.parametrize("text", ["name", "name:", "input [", "input { name: 'x'", "}", "= 3", 'name: "open', "[1]"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|missing|closed"):
        config.parse(text)


def request(**message: object) -> bytes:
    return json.dumps(message).encode()


def tensor(**changes: object) -> dict[str, object]:
    return {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]], **changes}


@pytest.mark.parametrize("datatype", [name for name in tensors.TYPES if name != "BYTES"])
def test_every_datatype_comes_back_from_json_and_from_bytes(datatype: str) -> None:
    given = tensor(datatype=datatype, data=[0, 1, 1, 0])
    asked = tensors.read(request(inputs=[given], parameters={"binary_data_output": True}), "application/json")
    body, kind = tensors.write("m", "1", asked, asked.inputs)
    size = int(kind.rpartition("=")[2])
    described = json.loads(body[:size])["outputs"][0]
    assert (described["datatype"], described["shape"]) == (datatype, [2, 2])
    again = {"name": "x", "shape": [2, 2], "datatype": datatype, "parameters": {"binary_data_size": len(body) - size}}
    head = request(inputs=[again])
    found = tensors.read(head + body[size:], f"{tensors.BINARY};json-header-size={len(head)}")
    assert found.inputs["x"].dtype == tensors.TYPES[datatype]
    assert found.inputs["x"].tolist() == [[False, True], [True, False]]


def test_text_is_written_with_its_lengths_and_read_by_them() -> None:
    raw = b"".join(struct.pack("<I", len(each)) + each for each in ("wörd".encode(), b""))
    head = request(
        inputs=[{"name": "x", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}],
        outputs=[{"name": "x", "parameters": {"binary_data": True}}, {"name": "y"}],
        id="i",
    )
    asked = tensors.read(head + raw, f"{tensors.BINARY};json-header-size={len(head)}")
    assert asked.inputs["x"].tolist() == ["wörd".encode(), b""]
    body, kind = tensors.write("m", "1", asked, {"x": asked.inputs["x"], "y": np.array([["a"]]), "z": np.zeros(1)})
    size = int(kind.rpartition("=")[2])
    assert body[size:] == raw
    assert json.loads(body[:size]) == {
        "model_name": "m",
        "model_version": "1",
        "id": "i",
        "outputs": [
            {"name": "x", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(raw)}},
            {"name": "y", "datatype": "BYTES", "shape": [1, 1], "data": ["a"]},
        ],
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"{", "failed to parse the request", id="no JSON"),
        pytest.param(request(), "it has no 'inputs'", id="no inputs"),
        pytest.param(request(inputs=[tensor(datatype="FP8")]), "datatype FP8", id="unknown datatype"),
        pytest.param(request(inputs=[tensor(shape=[3])]), "has 4 elements; its shape", id="wrong shape"),
        pytest.param(request(inputs=[tensor(data=["a", 1, 1, 1])]), "failed to parse", id="wrong data"),
        pytest.param(request(inputs=["x"]), "failed to parse", id="no tensor"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        tensors.read(body, "application/json")


def test_bytes_that_do_not_fit_their_header_are_refused() -> None:
    head = request(inputs=[])
    with pytest.raises(BadInput, match="3 bytes behind the tensors"):
        tensors.read(head + b"abc", f"{tensors.BINARY};json-header-size={len(head)}")
    with pytest.raises(BadInput, match="fewer than the header of 999"):
        tensors.read(head, f"{tensors.BINARY};json-header-size=999")
    short = [{"name": "x", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}}]
    head = request(inputs=short)
    with pytest.raises(BadInput, match="longer than what there is"):
        tensors.read(head + b"\x09\x00\x00\x00a", f"{tensors.BINARY};json-header-size={len(head)}")


def test_an_output_that_the_model_has_not_is_refused_in_tritons_words() -> None:
    asked = tensors.read(request(inputs=[], outputs=[{"name": "y"}]), "application/json")
    with pytest.raises(BadInput, match="unexpected inference output 'y' for model 'm'"):
        tensors.write("m", "1", asked, {})


def test_a_number_that_its_datatype_does_not_hold_is_a_bad_request() -> None:
    with pytest.raises(BadInput):
        tensors.read(request(inputs=[tensor(datatype="UINT8", data=[300, 0, 0, 0])]), "application/json")


def test_a_python_model_has_modules_beside_it_and_dataclasses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    version = tmp_path / "sums" / "1"
    version.mkdir(parents=True)
    (version / "beside_the_model.py").write_text("FACTOR = 2\n")
    (version / "model.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "import numpy as np\n"
        "import triton_python_backend_utils as pb_utils\n"
        "from beside_the_model import FACTOR\n"
        "@dataclass\n"
        "class Kept:\n"
        "    factor: int\n"
        "class TritonPythonModel:\n"
        "    def execute(self, requests):\n"
        "        made = pb_utils.Tensor('y', np.array([Kept(FACTOR).factor]))\n"
        "        return [pb_utils.InferenceResponse([made]) for _ in requests]\n"
    )
    asked = tensors.read(request(inputs=[tensor()]), "application/json")
    assert models.load(tmp_path / "sums").run(asked)["y"].tolist() == [2]
