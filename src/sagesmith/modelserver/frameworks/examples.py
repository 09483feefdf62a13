"""TensorFlow Serving's classify and regress APIs: examples in JSON, a signature of the same method, results in JSON.

Source: https://www.tensorflow.org/tfx/serving/api_rest#classify_and_regress_api and, for the answer's member `results`,
which that page calls `result`, `util/json_tensor.cc` of github.com/tensorflow/serving.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import tensorflow
from tensorflow.core.protobuf import saved_model_pb2

from sagesmith.modelserver.frameworks.saved_model import Refused

if TYPE_CHECKING:
    from pathlib import Path

METHODS = ("classify", "regress")


def methods_of(path: Path) -> dict[str, str]:
    """The method of each signature of a SavedModel, such as `tensorflow/serving/predict`.

    Args:
        path: its folder.
    """
    description = saved_model_pb2.SavedModel()
    description.ParseFromString((path / "saved_model.pb").read_bytes())
    graphs = [graph for graph in description.meta_graphs if "serve" in graph.meta_info_def.tags]
    return {name: signature.method_name for graph in graphs for name, signature in graph.signature_def.items()}


def serialized(request: Any) -> list[bytes]:
    """The examples of a request, each with the features of the context that it has not itself.

    Raises:
        Refused: they are not examples.
    """
    examples = request.get("examples") if isinstance(request, dict) else None
    if not isinstance(examples, list) or not examples:
        raise Refused("When method is classify or regress, key 'examples' is expected and was not found")
    context = request.get("context", {})
    if not all(isinstance(each, dict) for each in (context, *examples)):
        raise Refused("Example must be JSON object but got something else")
    return [_example({**context, **each}).SerializeToString() for each in examples]


def classified(outputs: dict[str, Any]) -> list[Any]:
    """`[[label, score] …]` of each example.

    Raises:
        Refused: the signature's outputs are not a classification's.
    """
    classes, scores = outputs.get("classes"), outputs.get("scores")
    given = scores if classes is None else classes
    if given is None:
        raise Refused("Expected classification signature outputs to contain at least one of classes and scores")
    labels = [[""] * len(row) for row in given] if classes is None else classes
    values = [[0.0] * len(row) for row in given] if scores is None else scores
    return [[list(pair) for pair in zip(*rows)] for rows in zip(labels, values)]  # noqa: B905 (Python 3.8)


def regressed(outputs: dict[str, Any]) -> list[Any]:
    """One number of each example.

    Raises:
        Refused: the signature's outputs are not a regression's.
    """
    if list(outputs) != ["outputs"]:
        raise Refused("Expected regression signature outputs to contain only outputs")
    return [row[0] if isinstance(row, list) else row for row in outputs["outputs"]]


def _example(features: dict[str, Any]) -> Any:
    feature = {name: _feature(name, value) for name, value in features.items()}
    return tensorflow.train.Example(features=tensorflow.train.Features(feature=feature))


def _feature(name: str, value: Any) -> Any:
    train = tensorflow.train
    values = value if isinstance(value, list) else [value]
    if all(isinstance(each, str) or (isinstance(each, dict) and set(each) == {"b64"}) for each in values):
        texts = [each.encode("utf-8") if isinstance(each, str) else base64.b64decode(each["b64"]) for each in values]
        return train.Feature(bytes_list=train.BytesList(value=texts))
    if all(isinstance(each, (bool, int)) for each in values):
        return train.Feature(int64_list=train.Int64List(value=[int(each) for each in values]))
    if all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values):
        return train.Feature(float_list=train.FloatList(value=values))
    raise Refused(f"The feature {name} is neither text nor numbers of one kind.")
