"""Triton's model repositories, in the environment that endpoints of AWS's Triton image get."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from tests.integration.modelserver import onnx

SOURCE = Path(__file__).parents[3] / "src"
BACKEND = """
import json
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.kind = pb_utils.triton_string_to_numpy(pb_utils.get_output_config_by_name(config, "doubled")["data_type"])
        self.weight = float(config["parameters"]["weight"]["string_value"])

    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            if x.sum() < 0:
                responses.append(pb_utils.InferenceResponse(error=pb_utils.TritonError("too little")))
                continue
            words = np.array([[b"many"]], object)
            tensors = [pb_utils.Tensor("doubled", (x * self.weight).astype(self.kind)), pb_utils.Tensor("words", words)]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return responses
"""
CONFIGURATION = """
backend: "python"
max_batch_size: 4
input [{ name: "x" data_type: TYPE_FP64 dims: [ 2 ] }]
output [{ name: "doubled" data_type: TYPE_FP32 dims: [ 2 ] }, { name: "words" data_type: TYPE_STRING dims: [ 1 ] }]
parameters: { key: "weight" value: { string_value: "2" } }
"""
PROGRAM = """
import json, os, sys
from pathlib import Path
from sagesmith.modelserver import answers, handlers
from sagesmith.modelserver.frameworks import load

root = Path(sys.argv[1])

def loaded(name, folder=root):
    os.environ["SAGEMAKER_TRITON_DEFAULT_MODEL_NAME"] = name
    try:
        return load("triton", None, folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def asked(model, message, kind="application/json"):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    answer = answers.answer(model.invoke(body, kind, "*/*", handlers.Context(root)), "")
    if not answer.content_type.startswith("application/vnd"):
        return [answer.status, json.loads(answer.body)]
    size = int(answer.content_type.rpartition("=")[2])
    return [answer.status, json.loads(answer.body[:size]), answer.body[size:].hex()]

def x(values, **changes):
    return {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": values, **changes}]}

sums, scaled = loaded("sums"), loaded("scaled")
header = json.dumps({
    "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}],
    "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
}).encode()
binary = f"application/vnd.sagemaker-triton.binary+json;json-header-size={len(header)}"
print(json.dumps({
    "rows": asked(sums, x([1, 2, 3, 4], shape=[2, 2])),
    "octets": asked(sums, x([[1, 2]]), "application/octet-stream"),
    "binary": asked(sums, header + bytes.fromhex("0000803f00000040"), binary),
    "columns": asked(sums, x([1, 2, 3], shape=[1, 3])),
    "datatype": asked(sums, x([1, 2], datatype="FP64")),
    "other_input": asked(sums, x([1, 2], name="z")),
    "no_input": asked(sums, {"inputs": []}),
    "python": asked(scaled, x([1.5, 2], datatype="FP64")),
    "python_error": asked(scaled, x([-1, 0], datatype="FP64")),
    "python_input": asked(scaled, x([1, 2], name="z")),
    "nobody": loaded("nobody"),
    "several": loaded(""),
    "broken": loaded("broken"),
    "backend": loaded("torch"),
    "empty": loaded("", root / "sums"),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("triton")
    root = folder / "repository"
    files = {
        # Two versions, of which the highest by its number is served.
        "sums/9/model.onnx": b"not this one",
        "sums/10/model.onnx": onnx.sums([2.0, 3.0]),
        "scaled/config.pbtxt": CONFIGURATION.encode(),
        "scaled/1/model.py": BACKEND.encode(),
        "broken/1/model.onnx": b"no model",
        "torch/config.pbtxt": b'platform: "pytorch_libtorch"',
        "torch/1/model.pt": b"",
        "not_a_model/readme.txt": b"",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    runtime = resolve("sagemaker-tritonserver:25.09-py3")
    built = ensure(runtime, default_cache_dir(), print)
    ran = subprocess.run(
        [built.path / "bin" / "python", "-c", PROGRAM, str(root)],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(SOURCE), **runtime.variables},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_rows_are_predicted_by_the_highest_version_of_an_onnx_model(seen: dict[str, Any]) -> None:
    y = {"name": "y", "datatype": "FP32", "shape": [2, 1], "data": [9.0, 19.0]}
    assert seen["rows"] == [200, {"model_name": "sums", "model_version": "10", "outputs": [y]}]
    assert seen["octets"][1]["outputs"][0]["data"] == [9.0]


def test_tensors_behind_the_header_are_answered_behind_one(seen: dict[str, Any]) -> None:
    status, head, raw = seen["binary"]
    assert status == 200
    assert head["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [1, 1], "parameters": {"binary_data_size": 4}}
    ]
    assert raw == "00001041"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("columns", "Got invalid dimensions for input: x"),
        ("datatype", "Unexpected input data type"),
        ("other_input", "unexpected inference input 'z' for model 'sums'"),
        ("no_input", "missing required input(s) ['x']"),
        ("python_input", "unexpected inference input 'z' for model 'scaled'"),
    ],
)
def test_what_does_not_fit_a_model_is_a_400_that_says_why(seen: dict[str, Any], asked: str, words: str) -> None:
    status, body = seen[asked]
    assert status == 400
    assert words in body["error"]


def test_a_model_of_the_python_backend_gets_its_configuration_and_answers_tensors(seen: dict[str, Any]) -> None:
    status, body = seen["python"]
    assert status == 200
    assert body["outputs"] == [
        {"name": "doubled", "datatype": "FP32", "shape": [1, 2], "data": [3.0, 4.0]},
        {"name": "words", "datatype": "BYTES", "shape": [1, 1], "data": ["many"]},
    ]
    assert seen["python_error"] == [500, {"error": "too little"}]


def test_what_cannot_be_loaded_says_what_to_do(seen: dict[str, Any]) -> None:
    assert "NAME=nobody: the artifact has broken, scaled, sums, torch" in seen["nobody"]
    assert "NAME is not set, and the artifact has broken, scaled, sums, torch" in seen["several"]
    assert "ONNX Runtime cannot load broken/1/model.onnx" in seen["broken"]
    assert (
        "The model torch is of the backend or platform pytorch_libtorch: there are onnxruntime and" in seen["backend"]
    )
    assert "the artifact has no model: pack <name>/config.pbtxt and <name>/1/model.onnx" in seen["empty"]
