"""TensorFlow Serving's REST API over a SavedModel, in this process, with the handlers of AWS's TensorFlow container.

A script may have `handler(data, context)`, or `input_handler(data, context)` and `output_handler(response, context)`;
what stands between the two is TensorFlow Serving's predict API.

Source: https://www.tensorflow.org/tfx/serving/api_rest, https://sagemaker.readthedocs.io/en/stable/frameworks/tensorflow/
deploying_tensorflow_serving.html and github.com/aws/sagemaker-tensorflow-serving-container.
"""

from __future__ import annotations

import io
import os
import re
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagesmith.modelserver import codecs, handlers
from sagesmith.modelserver.answers import Answer
from sagesmith.modelserver.errors import BadInput, LoadError
from sagesmith.modelserver.frameworks import saved_model
from sagesmith.modelserver.frameworks.saved_model import SavedModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_ATTRIBUTES = re.compile(r"(tfs-[a-z-]+)=([^,]+)")
_ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"

Context = namedtuple(
    "Context",
    "model_name model_version method rest_uri grpc_port channel custom_attributes request_content_type accept_header "
    "content_length",
)


class RestAnswer:
    """TensorFlow Serving's answer, with what `output_handler` reads of a `requests.Response`."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.content = answer.body
        self.headers = {"content-type": answer.content_type}
        self.ok = answer.status < 400

    @property
    def text(self) -> str:
        return self.content.decode("utf-8")

    def json(self) -> Any:
        return saved_model.parse(self.text)


def load(module: ModuleType | None, model_dir: Path) -> handlers.Handlers:
    """All SavedModels of the artifact, each in the highest of its versions.

    Raises:
        LoadError: there is none, or the script has no handlers.
    """
    models = saved_model.find(model_dir)
    if not models:
        raise LoadError(
            f"There is no SavedModel in {model_dir}: TensorFlow's container serves <name>/<version>/saved_model.pb, "
            f"with a number for a version, such as model.save('/opt/ml/model/1') writes."
        )
    default = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME") or next(iter(models))
    if default not in models:
        raise LoadError(f"SAGEMAKER_TFS_DEFAULT_MODEL_NAME={default}: the artifact has {', '.join(models)}")
    loaded = {name: SavedModel(path) for name, path in models.items()}
    return handlers.Handlers(loaded, model_dir, _transform(module, default))


def _transform(module: ModuleType | None, default: str) -> Callable[[Any, Any, str, str, handlers.Context], Any]:
    handler = getattr(module, "handler", None)
    before, after = getattr(module, "input_handler", None), getattr(module, "output_handler", None)
    if module is not None and not handler and not (before and after):
        raise LoadError("Handlers are not implemented correctly in user script.")
    uri = _Rest()

    def transform(models: Any, content: Any, content_type: str, accept: str, request: handlers.Context) -> Any:
        attributes = dict(_ATTRIBUTES.findall(request.get_request_header(_ATTRIBUTES_HEADER) or ""))
        name = attributes.get("tfs-model-name", default)
        if name not in models:
            raise BadInput(f"Servable not found for request: Latest({name})", status=404)
        model: SavedModel = models[name]
        method = attributes.get("tfs-method", "predict")
        if module is None:
            kind = codecs.media_type(content_type)
            asked = saved_model.request_of(content, kind) if method == "predict" else content
            return _answer(model, asked, method)
        body = content.encode("utf-8") if isinstance(content, str) else content
        context = Context(
            name,
            attributes.get("tfs-model-version"),
            method,
            uri.of(models, name, method),
            None,
            None,
            request.get_request_header(_ATTRIBUTES_HEADER),
            content_type,
            accept,
            len(body),
        )
        if handler is not None:
            return handler(io.BytesIO(body), context)
        asked = before(io.BytesIO(body), context) if before else body
        answer = RestAnswer(_answer(model, asked, method))
        return after(answer, context) if after else answer.content

    return transform


def _answer(model: SavedModel, body: Any, method: str) -> Answer:
    """TensorFlow Serving's answer to a request, its refusals included."""
    try:
        request = saved_model.parse(body)
        made = model.predict(request) if method == "predict" else _of_examples(model, request, method)
        return Answer(200, codecs.JSON, codecs.to_json(made))
    except (saved_model.Refused, ValueError, TypeError) as error:
        return Answer(400, codecs.JSON, codecs.to_json({"error": str(error)}))


def _of_examples(model: SavedModel, request: Any, method: str) -> dict[str, Any]:
    from sagesmith.modelserver.frameworks import examples

    if method not in examples.METHODS:
        raise saved_model.Refused(f"Malformed request: there is no method {method}")
    given = examples.serialized(request)
    signature = request.get("signature_name", saved_model.DEFAULT_SIGNATURE)
    found = examples.methods_of(model.path).get(signature)
    expected = f"tensorflow/serving/{method}"
    if found not in (None, expected):
        kind = "classification" if method == "classify" else "regression"
        raise saved_model.Refused(f"Expected {kind} signature method_name to be {expected}. Was: {found}")
    outputs = model.of_examples(signature, given)
    return {"results": examples.classified(outputs) if method == "classify" else examples.regressed(outputs)}


class _Rest:
    """TensorFlow Serving's REST port, for scripts that ask it themselves; nothing listens until one does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._port: int | None = None

    def of(self, models: dict[str, SavedModel], name: str, method: str) -> str:
        with self._lock:
            if self._port is None:
                server = ThreadingHTTPServer(("127.0.0.1", 0), _endpoint(models))
                threading.Thread(target=server.serve_forever, name="tensorflow-rest", daemon=True).start()
                self._port = server.server_address[1]
        return f"http://localhost:{self._port}/v1/models/{name}:{method}"


def _endpoint(models: dict[str, SavedModel]) -> type[BaseHTTPRequestHandler]:
    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name, _, method = self.path.rpartition("/")[2].partition(":")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = (
                _answer(models[name], body, method) if name in models else Answer(404, codecs.JSON, b'{"error": ""}')
            )
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """The requests are the script's own: its log says what it wants to say."""

    return Endpoint
