"""A SavedModel behind TensorFlow Serving's predict API: rows (`instances`) or columns (`inputs`) in JSON.

Source: https://www.tensorflow.org/tfx/serving/api_rest#predict_api; CSV, JSON lines and bare JSON become `instances` as
the container's own front (tensorflowServing.js) makes them.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import TYPE_CHECKING, Any

import tensorflow

from sagesmith.modelserver import codecs
from sagesmith.modelserver.errors import BadInput, UnsupportedInput

if TYPE_CHECKING:
    from pathlib import Path

JSON_LINES = frozenset({"application/jsonlines", "application/jsons", "application/x-jsonlines"})
DEFAULT_SIGNATURE = "serving_default"


class Refused(Exception):
    """The request does not fit the model; the message is the answer's `error`."""


def find(root: Path) -> dict[str, Path]:
    """The models of an artifact by name, each with the folder of its highest version."""
    found: dict[str, Path] = {}
    for file in sorted(root.glob("**/saved_model.pb")):
        version = file.parent
        if not version.name.isdigit():
            continue
        name = "model" if version.parent == root else version.parent.name
        if name not in found or int(found[name].name) < int(version.name):
            found[name] = version
    return found


def parse(body: Any) -> Any:
    """JSON as it is, or as text.

    Raises:
        Refused: it is not valid.
    """
    if not isinstance(body, (str, bytes, bytearray)):
        return body
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refused(f"JSON Parse error: {error}") from error


def request_of(body: str | bytes, kind: str) -> Any:
    """A predict request for a body of one of the container's types.

    Raises:
        UnsupportedInput, BadInput: the body is of another type, or not what it says.
    """
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    try:
        if kind in JSON_LINES:
            return {"instances": [json.loads(line) for line in text.splitlines() if line.strip()]}
        if kind == codecs.CSV:
            rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
            return {"instances": [[_number(cell) for cell in row] for row in rows]}
        if kind != codecs.JSON:
            raise UnsupportedInput(kind)
        if not text.strip():
            raise ValueError("it is empty")
        content = json.loads(text)
    except (ValueError, csv.Error) as error:
        raise BadInput(f"The body is not valid {kind}: {error}") from error
    if isinstance(content, dict) and {"instances", "inputs"} & content.keys():
        return content
    return {"instances": content if isinstance(content, list) else [content]}


class SavedModel:
    """A loaded model. TensorFlow's own functions are thread safe, and so is this.

    Raises:
        OSError: TensorFlow cannot read it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._model = tensorflow.saved_model.load(str(path))

    def predict(self, request: Any) -> dict[str, Any]:
        """`{"predictions": [one a row]}` for `instances`, `{"outputs": …}` for `inputs`.

        Raises:
            Refused: the request does not fit the model.
        """
        if not isinstance(request, dict) or not ({"instances", "inputs"} & request.keys()):
            raise Refused("Missing 'inputs' or 'instances' key")
        function, wanted = self._signature(request.get("signature_name", DEFAULT_SIGNATURE))
        by_row = "instances" in request
        given = _columns(request["instances"], wanted) if by_row else _named(request["inputs"], wanted)
        if set(given) != set(wanted):
            raise Refused(f"The request has the inputs {sorted(given)}; the model takes {sorted(wanted)}.")
        tensors = {name: _tensor(name, value, wanted[name]) for name, value in given.items()}
        outputs = _run(function, tensors)
        if not by_row:
            return {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values()))}
        rows = zip(*outputs.values(), strict=True)
        return {"predictions": [dict(zip(outputs, row, strict=True)) for row in rows]}

    def of_examples(self, signature: str, serialized: list[bytes]) -> dict[str, Any]:
        """The outputs of a signature that takes examples, by their names.

        Args:
            serialized: protocol buffers of `tensorflow.train.Example`.

        Raises:
            Refused: there is no such signature, or it does not take these.
        """
        function, wanted = self._signature(signature)
        return _run(function, {next(iter(wanted)): tensorflow.constant(serialized)})

    def _signature(self, name: str) -> tuple[Any, dict[str, Any]]:
        if name not in self._model.signatures:
            raise Refused(f'Serving signature name: "{name}" not found in signature def')
        function = self._model.signatures[name]
        return function, function.structured_input_signature[1]


def _run(function: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    try:
        return {name: _plain(tensor) for name, tensor in function(**tensors).items()}
    except tensorflow.errors.InvalidArgumentError as error:
        raise Refused(str(error)) from error


def _columns(instances: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(instances, list) or not instances:
        raise Refused("Expecting 'instances' to be a list that is not empty.")
    if isinstance(instances[0], dict) and "b64" not in instances[0]:
        try:
            return {name: [row[name] for row in instances] for name in instances[0]}
        except (KeyError, TypeError) as error:
            raise Refused(f"The instances do not all have the same inputs: {error}") from error
    return _named(instances, wanted)


def _named(value: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value, dict) and "b64" not in value:
        return value
    if len(wanted) != 1:
        raise Refused(f"The model takes several inputs, which must be named: {sorted(wanted)}")
    return {next(iter(wanted)): value}


def _tensor(name: str, value: Any, wanted: Any) -> Any:
    try:
        tensor = tensorflow.convert_to_tensor(_decoded(value), dtype=wanted.dtype)
    except (ValueError, TypeError) as error:
        raise Refused(f"The input {name} cannot be made a tensor of type {wanted.dtype.name}: {error}") from error
    # A function of TensorFlow 2 does not look.
    if not wanted.shape.is_compatible_with(tensor.shape):
        raise Refused(f"The input {name} has the shape {tensor.shape}; the model takes {wanted.shape}.")
    return tensor


def _decoded(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"])
    return [_decoded(each) for each in value] if isinstance(value, list) else value


def _plain(tensor: Any) -> Any:
    return _text(tensor.numpy().tolist())


def _text(value: Any) -> Any:
    """Strings of a model as JSON has them: what is no UTF-8 in base 64."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode("ascii")}
    return [_text(each) for each in value] if isinstance(value, list) else value


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell
