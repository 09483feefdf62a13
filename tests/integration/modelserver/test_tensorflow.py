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

from tensorflow.compat.v1.saved_model import (
    Builder, classification_signature_def, regression_signature_def, tag_constants
)
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    given = tf.compat.v1.placeholder(tf.string, [None])
    features = tf.io.parse_example(given, {
        "x": tf.io.FixedLenFeature([2], tf.float32), "bias": tf.io.FixedLenFeature([1], tf.float32, [0.0]),
    })
    total = tf.reduce_sum(features["x"], 1, keepdims=True) + features["bias"]
    names = tf.tile([["low", "high"]], [tf.shape(total)[0], 1])
    builder = Builder(str(root / "totals" / "1"))
    builder.add_meta_graph_and_variables(session, [tag_constants.SERVING], {
        "serving_default": classification_signature_def(given, names, tf.concat([-total, total], 1)),
        "sum": regression_signature_def(given, total),
    })
    builder.save()

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
examples = {"examples": [{"x": [1.0, 2.0]}, {"x": [3.5, 4.0], "bias": 1.0}]}
summed = {**examples, "signature_name": "sum", "context": {"bias": [0.5]}}
classify, regress = (f"tfs-method={method},tfs-model-name=totals" for method in ("classify", "regress"))
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
    "classified": asked(None, json.dumps(examples), attributes=classify),
    "regressed": asked(None, json.dumps(summed), attributes=regress),
    "other_method": asked(None, json.dumps(examples), attributes=regress),
    "no_examples": asked(None, '{"instances": [[1, 2]]}', attributes=classify),
    "bad_feature": asked(None, '{"examples": [{"x": [1.0, "a"]}]}', attributes=classify),
    "missing_feature": asked(None, '{"examples": [{"y": 1.0}]}', attributes=classify),
    "no_method": asked(None, '{"examples": [{"y": 1.0}]}', attributes="tfs-method=guess,tfs-model-name=totals"),
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


def test_examples_are_classified_and_regressed_with_the_features_of_their_context(seen: dict[str, Any]) -> None:
    assert seen["classified"] == [
        200,
        {"results": [[["low", -3.0], ["high", 3.0]], [["low", -8.5], ["high", 8.5]]]},
    ]
    assert seen["regressed"] == [200, {"results": [3.5, 8.5]}]


@pytest.mark.parametrize("asked", ["no_examples", "bad_feature", "missing_feature", "no_method"])
def test_what_are_no_examples_of_the_model_is_refused(seen: dict[str, Any], asked: str) -> None:
    status, body = seen[asked]
    assert (status, list(body)) == (400, ["error"])


def test_a_signature_of_another_method_is_refused_in_tensorflow_servings_words(seen: dict[str, Any]) -> None:
    words = (
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/classify"
    )
    assert seen["other_method"] == [400, {"error": words}]


def test_a_handler_may_ask_the_rest_port_and_two_may_stand_around_it(seen: dict[str, Any]) -> None:
    assert seen["handler"] == [200, {"predictions": [3.0]}]
    assert seen["around"] == [200, {"status": 200, "predictions": [7.0]}]
