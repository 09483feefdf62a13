"""Predictions and bad requests: a scikit-learn pipeline behind the default handlers, and handlers of all kinds."""

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.modelserver.conftest import ModelServerProcess

Start = Callable[..., ModelServerProcess]

TRAIN = """
import sys, joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
features = np.array([[0.0, 1.0], [1.0, 1.0], [4.0, 1.0], [5.0, 2.0]])
joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(features, [0, 0, 1, 1]), sys.argv[1])
"""
LOAD = """
import os, joblib
def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
NPY_ROWS = """
import io, sys
import numpy as np
sys.stdout.buffer.write(b"")
buffer = io.BytesIO()
np.save(buffer, np.array({rows}, dtype={dtype!r}), allow_pickle=True)
sys.stdout.buffer.write(buffer.getvalue())
"""
ECHO = "def model_fn(model_dir):\n    return 'model'\ndef transform_fn(model, body, content_type, accept):\n    "


@pytest.fixture(scope="module")
def sklearn(launch: Start, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServerProcess]:
    base = tmp_path_factory.mktemp("sklearn")
    (base / "model").mkdir()
    subprocess.run([str(environment), "-c", TRAIN, str(base / "model" / "model.joblib")], check=True)
    server = launch(base, {"inference.py": LOAD}).wait_until_ready()
    yield server
    server.end()


@pytest.fixture(scope="module")
def npy(environment: Path) -> Callable[..., bytes]:
    def make(rows: str, dtype: str = "float64") -> bytes:
        script = NPY_ROWS.format(rows=rows, dtype=dtype)
        return subprocess.run([str(environment), "-c", script], check=True, capture_output=True).stdout

    return make


def test_json_rows_are_predicted(sklearn: ModelServerProcess) -> None:
    reply = sklearn.invoke(b"[[0, 1], [5, 2]]")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert json.loads(reply.body) == [0, 1]


def test_csv_rows_are_predicted_and_answered_in_csv(sklearn: ModelServerProcess) -> None:
    reply = sklearn.invoke(b"0,1\n5,2\n", "text/csv", accept="text/csv")
    assert (reply.status, reply.headers["content-type"], reply.text) == (200, "text/csv; charset=utf-8", "0\n1\n")


def test_npy_rows_are_predicted_and_answered_in_npy(sklearn: ModelServerProcess, npy: Callable[..., bytes]) -> None:
    reply = sklearn.invoke(npy("[[0, 1], [5, 2]]"), "application/x-npy", accept="application/x-npy")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/x-npy")
    assert reply.body == npy("[0, 1]", "int64")


def test_the_first_supported_type_of_accept_is_answered(sklearn: ModelServerProcess) -> None:
    reply = sklearn.invoke(b"[[0, 1]]", accept="image/png, text/csv;q=0.4, application/json;q=0.9")
    assert reply.headers["content-type"] == "application/json"


def test_custom_attributes_come_back(sklearn: ModelServerProcess) -> None:
    reply = sklearn.invoke(b"[[0, 1]]", x_amzn_sagemaker_custom_attributes="trace=7")
    assert reply.headers["x-amzn-sagemaker-custom-attributes"] == "trace=7"


def test_a_content_type_without_a_codec_is_415(sklearn: ModelServerProcess) -> None:
    reply = sklearn.invoke(b"x", "image/png")
    assert reply.status == 415
    assert "Content type image/png is not supported by this framework." in json.loads(reply.body)["error-message"]


def test_an_accept_without_a_codec_is_406(sklearn: ModelServerProcess) -> None:
    assert sklearn.invoke(b"[[0, 1]]", accept="image/png").status == 406


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"", "application/x-npy"),
        (b"{", "application/json"),
        (b'{"a": 1}', "application/json"),
        (b"[[1, 2], [3]]", "application/json"),
        (b"\xff\xfe", "text/csv"),
        (b"a,b\n", "text/csv"),
        (b'"', "text/csv"),
        (b"\x93NUMPY garbage", "application/x-npy"),
        (
            b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,), }\n",
            "application/x-npy",
        ),
        (b"PK\x03\x04", "application/x-npy"),
    ],
)
def test_a_body_that_is_not_of_its_type_is_400(sklearn: ModelServerProcess, body: bytes, content_type: str) -> None:
    assert sklearn.invoke(body, content_type).status == 400
    assert sklearn.invoke(b"[[0, 1]]").status == 200


def test_a_pickle_in_npy_is_never_loaded(sklearn: ModelServerProcess, npy: Callable[..., bytes]) -> None:
    reply = sklearn.invoke(npy("[{'an': 'object'}]", "object"), "application/x-npy")
    assert reply.status == 400
    assert "allow_pickle=False" in reply.text


def test_what_predict_raises_is_500_with_its_message_and_logged_from_the_users_frame_on(
    sklearn: ModelServerProcess,
) -> None:
    reply = sklearn.invoke(b"[[1, 2, 3]]")
    assert reply.status == 500
    assert json.loads(reply.body)["error"] == "ValueError"
    assert "Traceback" not in reply.text
    assert "Traceback (most recent call last)" in sklearn.output()
    assert "modelserver/" not in sklearn.output().split("Traceback", 1)[1].split("\n", 2)[1]


def test_unknown_paths_and_methods_are_refused(sklearn: ModelServerProcess) -> None:
    assert sklearn.request("GET", "/").status == 404
    assert sklearn.request("GET", "/invocations").status == 405
    assert sklearn.request("GET", "/execution-parameters").status == 404


def test_a_body_over_the_limit_is_413(server: Start) -> None:
    running = server(ECHO + "return body", SAGEMAKER_MAX_PAYLOAD_IN_MB="1").wait_until_ready()
    assert running.invoke(bytes(1 << 20), "application/octet-stream").status == 200
    assert running.invoke(bytes((1 << 20) + 1), "application/octet-stream").status == 413


def test_the_four_handlers_are_called_in_turn(server: Start) -> None:
    running = server(
        "def model_fn(model_dir):\n    return ['model']\n"
        "def input_fn(body, content_type):\n    return [body, content_type]\n"
        "def predict_fn(data, model):\n    return data + model\n"
        "def output_fn(prediction, accept):\n    return '|'.join(prediction), 'text/plain'\n"
    ).wait_until_ready()
    reply = running.invoke(b"a,b", "text/csv")
    assert (reply.text, reply.headers["content-type"]) == ("a,b|text/csv|model", "text/plain; charset=utf-8")


def test_handlers_that_take_a_context_get_it(server: Start) -> None:
    running = server(
        "def model_fn(model_dir, context):\n    return context.system_properties['model_dir']\n"
        "def transform_fn(model, body, content_type, accept, context):\n"
        "    context.set_response_content_type(0, 'text/x-own')\n"
        "    return model + ' ' + context.get_request_header(0, 'X-Mine')\n"
    ).wait_until_ready()
    reply = running.invoke(b"", x_mine="yes")
    assert reply.text == f"{running.base}/model yes"
    assert reply.headers["content-type"].startswith("text/x-own")


@pytest.mark.parametrize(
    ("returned", "body", "content_type"),
    [
        ("'text'", b"text", "application/json"),
        ("b'bytes'", b"bytes", "application/json"),
        ("bytearray(b'array')", b"array", "application/json"),
        ("{'score': 1}", b'{"score": 1}', "application/json"),
        ("[1, 2]", b"[1, 2]", "application/json"),
        ("('1,2', 'text/csv')", b"1,2", "text/csv; charset=utf-8"),
    ],
)
def test_a_handler_may_return(server: Start, returned: str, body: bytes, content_type: str) -> None:
    reply = server(ECHO + f"return {returned}").wait_until_ready().invoke(b"")
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, body, content_type)


@pytest.mark.parametrize("returned", ["None", "3", "object()", "(1, 2, 3)", "{'score': object()}"])
def test_a_handler_that_returns_something_else_is_told_so(server: Start, returned: str) -> None:
    reply = server(ECHO + f"return {returned}").wait_until_ready().invoke(b"")
    assert reply.status == 500
    assert "return" in json.loads(reply.body)["error-message"]


def test_a_handler_that_calls_sys_exit_ends_its_invocation_only(server: Start) -> None:
    running = server("import sys\n" + ECHO + "sys.exit(3) if body == 'x' else None\n    return body").wait_until_ready()
    reply = running.invoke(b"x")
    assert (reply.status, "sys.exit(3)" in reply.text) == (500, True)
    assert running.invoke(b"y").text == "y"


def test_an_exception_may_choose_its_status(server: Start) -> None:
    handlers = (
        "class Refused(Exception):\n    status_code = 422\n    message = 'no such row'\n" + ECHO + "raise Refused()"
    )
    reply = server(handlers).wait_until_ready().invoke(b"x")
    assert (reply.status, json.loads(reply.body)) == (422, {"error": "Refused", "error-message": "no such row"})


def test_what_a_handler_prints_is_in_the_log_whole(server: Start) -> None:
    running = server(ECHO + "[print('line', i) for i in range(20000)]\n    return 'done'").wait_until_ready()
    assert running.invoke(b"").text == "done"
    assert io.StringIO(running.output()).read().count("line ") == 20000


def test_execution_parameters_are_the_users(server: Start) -> None:
    running = server(ECHO + "return body\ndef execution_parameters_fn():\n    return {'BatchStrategy': 'MULTI_RECORD'}")
    assert (
        running.wait_until_ready().request("GET", "/execution-parameters").body == b'{"BatchStrategy": "MULTI_RECORD"}'
    )


def test_a_script_for_amazons_scikit_learn_container_finds_its_imports(server: Start) -> None:
    running = server(
        "from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker\n"
        "def model_fn(model_dir): pass\n"
        "def input_fn(body, content_type): return encoders.decode(body, content_type)\n"
        "def predict_fn(data, model): return data * 2\n"
        "def output_fn(prediction, accept):\n"
        "    assert accept == content_types.CSV\n"
        "    return worker.Response(encoders.encode(prediction, accept), mimetype=accept)\n"
    ).wait_until_ready()
    assert running.invoke(b"1,2\n3,4\n", "text/csv", accept="text/csv").text == "2.0,4.0\n6.0,8.0\n"


def test_a_script_for_amazons_inference_toolkit_finds_its_imports(server: Start) -> None:
    running = server(
        "from sagemaker_inference import content_types, decoder, encoder, errors\n"
        "def model_fn(model_dir): pass\n"
        "def transform_fn(model, body, content_type, accept):\n"
        "    if content_type != content_types.JSON:\n"
        "        raise errors.BaseInferenceToolkitError(418, 'tea only', 'teapot')\n"
        "    return encoder.encode(decoder.decode(body, content_type), content_types.CSV), content_types.CSV\n"
    ).wait_until_ready()
    assert running.invoke(b"[[1, 2]]").text == "1,2\n"
    reply = running.invoke(b"1", "text/csv")
    assert (reply.status, json.loads(reply.body)["error-message"]) == (418, "tea only")
