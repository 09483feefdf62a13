"""TensorFlow's handlers over SavedModels, in the environment that endpoints of TensorFlow's image get."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve

SOURCE = Path(__file__).parents[3] / "src"
PROGRAM = """
import json, sys, types
from pathlib import Path
import requests, tensorflow as tf
from sagesmith.modelserver import answers, handlers
from sagesmith.modelserver.frameworks import load

class Sum(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def one(self, x):
        return {"y": tf.reduce_sum(x, 1)}

    @tf.function(input_signature=[
        tf.TensorSpec([None], tf.float32, name="a"), tf.TensorSpec([None], tf.string, name="words")
    ])
    def two(self, a, words):
        return {"double": 2 * a, "words": words}

root, module = Path(sys.argv[1]), Sum()
for version in ("2", "10"):
    tf.saved_model.save(module, str(root / "sums" / version), signatures={"serving_default": module.one})
tf.saved_model.save(module, str(root / "words" / "1"), signatures={"serving_default": module.two})

def asked(script, body, kind="application/json", attributes=None):
    loaded = load("tensorflow", script, root)
    headers = [(b"x-amzn-sagemaker-custom-attributes", attributes.encode())] if attributes else []
    try:
        result = loaded.invoke(body.encode(), kind, "application/json", handlers.Context(root, headers))
        answer = answers.answer(result, "application/json")
    except Exception as error:
        answer = answers.failure(answers.from_exception(error))
    return [answer.status, json.loads(answer.body)]

through = types.ModuleType("inference")
exec('''
import requests
def handler(data, context):
    answer = requests.post(context.rest_uri, data=data.read())
    return answer.content, answer.headers["content-type"]
''', through.__dict__)
around = types.ModuleType("inference")
exec('''
import json
def input_handler(data, context):
    return json.dumps({"instances": [json.loads(data.read())[context.request_content_type]]})
def output_handler(response, context):
    return json.dumps({"status": response.status_code, **response.json()}), context.accept_header
''', around.__dict__)
named = "tfs-model-name=words"
columns = {"inputs": {"a": [1, 2], "words": ["x", {"b64": "eQ=="}]}}
print(json.dumps({
    "rows": asked(None, '{"instances": [[1, 2], [3, 4]]}'),
    "columns": asked(None, '{"inputs": [[1, 2]]}'),
    "bare": asked(None, "[[1, 2]]"),
    "lines": asked(None, "[1, 2]\\n[3, 4]\\n", "application/jsonlines"),
    "csv": asked(None, "1,2\\n3,4\\n", "text/csv"),
    "several": asked(None, '{"instances": [{"a": 1, "words": "x"}]}', attributes=named),
    "several_columns": asked(None, json.dumps(columns), attributes=named),
    "missing_input": asked(None, '{"instances": [{"a": 1}]}', attributes=named),
    "wrong_shape": asked(None, '{"instances": [[1, 2, 3]]}'),
    "no_signature": asked(None, '{"signature_name": "no", "instances": [[1, 2]]}'),
    "not_json": asked(None, "{"),
    "unknown_type": asked(None, "x", "text/plain"),
    "unknown_model": asked(None, "[[1, 2]]", attributes="tfs-model-name=no"),
    "handler": asked(through, '{"instances": [[1, 2]]}'),
    "around": asked(around, '{"application/json": [3, 4]}'),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tensorflow")
    runtime = resolve("tensorflow-inference:2.12.1-cpu")
    built = ensure(runtime, default_cache_dir(), print)
    ran = subprocess.run(
        [built.path / "bin" / "python", "-c", PROGRAM, str(folder)],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(SOURCE), **runtime.variables},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_rows_columns_and_the_containers_other_types_are_predicted(seen: dict[str, Any]) -> None:
    assert seen["rows"] == [200, {"predictions": [3.0, 7.0]}]
    assert seen["columns"] == [200, {"outputs": [3.0]}]
    assert seen["bare"] == [200, {"predictions": [3.0]}]
    assert seen["lines"] == seen["csv"] == seen["rows"]


def test_a_model_of_several_inputs_takes_them_by_name_and_strings_may_be_base_64(seen: dict[str, Any]) -> None:
    assert seen["several"] == [200, {"predictions": [{"double": 2.0, "words": "x"}]}]
    assert seen["several_columns"] == [200, {"outputs": {"double": [2.0, 4.0], "words": ["x", "y"]}}]


def test_what_does_not_fit_the_model_is_refused_in_tensorflow_servings_form(seen: dict[str, Any]) -> None:
    for name in ("missing_input", "wrong_shape", "no_signature"):
        status, body = seen[name]
        assert (status, list(body)) == (400, ["error"]), name
    assert seen["no_signature"][1]["error"] == 'Serving signature name: "no" not found in signature def'


def test_what_is_no_request_is_told_by_its_status(seen: dict[str, Any]) -> None:
    assert [seen[name][0] for name in ("not_json", "unknown_type", "unknown_model")] == [400, 415, 404]


def test_a_handler_may_ask_the_rest_port_and_two_may_stand_around_it(seen: dict[str, Any]) -> None:
    assert seen["handler"] == [200, {"predictions": [3.0]}]
    assert seen["around"] == [200, {"status": 200, "predictions": [7.0]}]
