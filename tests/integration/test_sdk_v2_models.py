"""The model classes of the SageMaker SDK v2, and that each of its serializers reaches a handler and comes back."""

import os
import subprocess

import pytest

from sagesmith.config import default_cache_dir
from sagesmith.images import sdk
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk

SUMS = [3, 7, 12]
SAVE = """
import sys
import tensorflow as tf
from tensorflow.compat.v1 import saved_model
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    rows, given = tf.compat.v1.placeholder(tf.float32, [None, 2]), tf.compat.v1.placeholder(tf.string, [None])
    total = tf.reduce_sum(tf.io.parse_example(given, {"x": tf.io.FixedLenFeature([2], tf.float32)})["x"], 1, True)
    names = tf.tile([["sum"]], [tf.shape(total)[0], 1])
    builder = saved_model.Builder(sys.argv[1])
    builder.add_meta_graph_and_variables(session, ["serve"], {
        "plain": saved_model.predict_signature_def({"x": rows}, {"y": tf.reduce_sum(rows, 1)}),
        "serving_default": saved_model.predict_signature_def({"x": rows}, {"y": tf.reduce_sum(rows, 1)}),
        "classify": saved_model.classification_signature_def(given, names, total),
        "regress": saved_model.regression_signature_def(given, total),
    })
    builder.save()
"""


@pytest.fixture(scope="module")
def seen(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder, cache = tmp_path_factory.mktemp("models"), default_cache_dir()
    tensorflow = ensure(resolve("tensorflow-inference:2.12.1-cpu"), cache, print).path
    saved = [tensorflow / "bin" / "python", "-c", SAVE, str(folder / "saved" / "1")]
    subprocess.run(saved, check=True, capture_output=True, env={"PATH": os.environ["PATH"], "HOME": str(folder)})
    image = resolve("huggingface-pytorch-inference:2.6.0-transformers4.49.0-cpu-py311-ubuntu22.04")
    kit = sdk.for_python("2", image)
    assert kit is not None
    beside = [str(path) for path in (ensure(kit, cache, print).path / "lib").glob("python3.*/site-packages")]
    variables = {"BESIDE": ":".join(beside), "SAVED_MODEL": str(folder / "saved")}
    python = ensure(image, cache, print).path / "bin" / "python"
    return programs.run_with(platform, str(python), "sdk_v2_models.py", folder, variables)


@pytest.mark.parametrize(
    ("serializer", "came_back"),
    [
        ("csv", [["1", "2.5"], ["3", "4"]]),
        ("csv_of_an_array", "1.0,2.5\n3.0,4.0"),
        ("csv_of_a_frame", "1,x\n2,y\n"),
        # Of CSV it reads no answer with a charset, which Flask gives to all of the scikit-learn container's text.
        ("frame", [[1, "x"], [2, "y"]]),
        ("json", {"rows": [[1.0, 2.5], [3.0, 4.0]]}),
        ("json_lines", [[1, 2.5], [3, 4]]),
        ("numpy", [[1.0, 2.5], [3.0, 4.0]]),
        ("libsvm", "1 0:2 3:4\n"),
        ("sparse", [[1.0, 2.5], [3.0, 4.0]]),
        ("identity", b"\x00raw".hex()),
        ("data_of_bytes", b"\x00raw".hex()),
        ("data_of_a_file", b"\x00\x01words".hex()),
        ("string", "w\u00f6rds"),
        ("tensor", [[1.0, 2.5], [3.0, 4.0]]),
        ("stream", ["streamed", "application/octet-stream"]),
        ("record", [1.0, 2.5]),
    ],
)
def test_what_a_serializer_sends_reaches_the_handler_and_comes_back(
    seen: Seen, serializer: str, came_back: object
) -> None:
    assert seen["every_serializer"][serializer] == came_back


def test_a_scikit_learn_model_predicts_in_the_formats_of_its_image_and_by_batch_transform(seen: Seen) -> None:
    answers = seen["scikit_learn"]
    assert answers["numpy"] == answers["json"] == pytest.approx(SUMS)
    assert [float(cell) for row in answers["csv"] for cell in row] == pytest.approx(SUMS)
    assert [float(line) for line in answers["transformed"].split()] == pytest.approx(SUMS)


def test_a_pytorch_model_has_the_scripts_predict_fn_and_the_images_other_functions(seen: Seen) -> None:
    doubled = [[2.0, 4.0], [6.0, 8.0], [10.0, 14.0]]
    assert seen["pytorch"] == {"numpy": doubled, "json": doubled}


def test_an_xgboost_model_takes_libsvm_and_csv(seen: Seen) -> None:
    answers = seen["xgboost"]
    assert answers["libsvm"] == pytest.approx(answers["csv"])
    assert answers["csv"] == pytest.approx([0.75], abs=0.15)


def test_a_hugging_face_model_runs_its_tasks_pipeline(seen: Seen) -> None:
    assert sorted(seen["hugging_face"]) == ["LABEL_0", "LABEL_1"]


def test_a_tensorflow_model_predicts_classifies_and_regresses(seen: Seen) -> None:
    assert seen["tensorflow"] == {
        "predicted": {"predictions": [3.0, 7.0]},
        "columns": {"outputs": [3.0]},
        "classified": {"results": [[["sum", 3.0]]]},
        "regressed": {"results": [3.0]},
        "json_lines": {"predictions": [3.0]},
    }


def test_a_generic_model_is_served_by_its_images_rules(seen: Seen) -> None:
    assert seen["any_model_by_its_image"] == pytest.approx(SUMS)
