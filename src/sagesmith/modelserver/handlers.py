"""The user's functions, with the defaults of AWS's scikit-learn container for those that are not there.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/adapt-inference-container.html and the documentation of
`SKLearnModel` in the SageMaker Python SDK ("SageMaker Scikit-learn Model Server").
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagesmith.modelserver import codecs, streams
from sagesmith.modelserver.errors import BadInput, LoadError
from sagesmith.modelserver.settings import DEFAULT_PROGRAM, Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from sagesmith.http.messages import Headers
    from sagesmith.modelserver.rows import Rows

NO_MODEL_FN = "Please provide a model_fn implementation.\nSee documentation for model_fn at https://github.com/aws/sagemaker-python-sdk"
TRANSFORM_FN_IS_ALONE = "Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn"

_FRAMING = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})
"""Headers that are the server's own business."""


class Context:
    """What a handler that takes a `context` gets: the request's properties, and a say in the answer.

    It has the methods that handlers written for Amazon's inference toolkit call.
    """

    def __init__(self, model_dir: Path, headers: Headers | None = None) -> None:
        self.status: int | None = None
        self.content_type: str | None = None
        self.headers: Headers = []
        self._model_dir = model_dir
        self._headers = headers or []

    @property
    def system_properties(self) -> dict[str, str | None]:
        return {"model_dir": str(self._model_dir), "gpu_id": None}

    @property
    def request_processor(self) -> list[Context]:
        return [self]

    def get_request_properties(self) -> dict[str, str]:
        """All headers of the request, names in lower case."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers}

    def get_all_request_header(self, _index: int = 0) -> dict[str, str]:
        return self.get_request_properties()

    def get_request_header(self, index: int | str, key: str | None = None) -> str | None:
        """One header of the request, None if it has none of that name."""
        return self.get_request_properties().get(str(index if key is None else key).lower())

    def set_response_content_type(self, _index: int, value: str) -> None:
        self.content_type = value

    def set_response_header(self, _index: int, key: str, value: str) -> None:
        """A header of the answer, such as `X-Amzn-SageMaker-New-Session-Id`; the router passes AWS's own on."""
        self.add_response_property(key, value)

    def add_response_property(self, key: str, value: str) -> None:
        name, text = key.lower(), str(value)
        if name == "content-type":
            self.content_type = text
        elif name not in _FRAMING and "\r" not in name + text and "\n" not in name + text:
            self.headers.append((name.encode("latin-1", "replace"), text.encode("latin-1", "replace")))

    def set_response_status(self, code: int = 200, phrase: str = "", _index: int = 0) -> None:
        self.status = code


@dataclass(frozen=True)
class Steps:
    """The three functions of an invocation, each of which takes a context last.

    Attributes:
        own: the names of the functions that are the user's.
        rows: how a model predicts several requests at once (`Defaults.rows`).
    """

    input_fn: Callable[[Any, str, Context], Any]
    predict_fn: Callable[[Any, Any, Context], Any]
    output_fn: Callable[[Any, str, Context], Any]
    own: frozenset[str]
    rows: Callable[[Any], Rows | None] | None = None


@dataclass(frozen=True)
class Handlers:
    """A model and the functions around it. Not thread safe beyond what the user's functions are.

    Attributes:
        steps: what `transform` does one after the other, None if it is one function.
    """

    model: Any
    model_dir: Path
    transform: Callable[[Any, Any, str, str, Context], Any]
    steps: Steps | None = None

    def context(self, headers: Headers | None = None) -> Context:
        return Context(self.model_dir, headers)

    def invoke(self, body: bytes, content_type: str, accept: str, context: Context) -> Any:
        """What the user's functions make of a request: see `answers.answer` for what may come.

        Raises:
            InvocationError: of the default codecs. Everything else that is raised is the user's.
        """
        return self.transform(self.model, content_of(body, content_type), content_type, accept, context)


def content_of(body: bytes, content_type: str) -> str | bytes:
    """A body as functions get it: text as `str`.

    Raises:
        BadInput: it is not the text that its content type says.
    """
    if codecs.media_type(content_type) not in codecs.TEXT_TYPES:
        return body
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"The body is not valid UTF-8: {error}") from error


@dataclass(frozen=True)
class Defaults:
    """A framework's functions for those that the user's script does not have; no `model_fn` if it must have one.

    Attributes:
        rows: given a model, how `predict_fn` answers several requests at once (`rows.Rows`), None if it cannot.
    """

    model_fn: Callable[[str], Any] | None
    input_fn: Callable[[str | bytes, str], Any]
    predict_fn: Callable[[Any, Any], Any]
    output_fn: Callable[[Any, str], Any]
    rows: Callable[[Any], Rows | None] | None = None


def import_user_module(settings: Settings) -> ModuleType | None:
    """The user's script as a module, None if there is no code at all.

    Raises:
        LoadError: the script that was named is not there.
    """
    code_dir, program = settings.code_dir, settings.program or DEFAULT_PROGRAM
    script = code_dir / program
    if not script.is_file():
        if settings.program is None:
            return None
        found = ", ".join(sorted(path.name for path in code_dir.glob("*"))[:20]) or "nothing"
        raise LoadError(f"SAGEMAKER_PROGRAM={program}: there is no such file in {code_dir} (it holds {found})")
    # Of many models each one's namespace finds its modules: a path that all share would lead each to the others'.
    for directory in () if settings.multi_model else (code_dir, script.parent):
        if str(directory) not in sys.path:
            sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    return importlib.import_module(script.stem)


def load(module: ModuleType | None, model_dir: Path, defaults: Defaults | None = None) -> Handlers:
    """Load the model with the user's functions, and a framework's in place of those that are missing.

    Args:
        defaults: scikit-learn's if None.

    Raises:
        LoadError: the functions do not go together.
        NotImplementedError: there is no `model_fn`, and no default one.
    """
    own = {
        name: getattr(module, name, None)
        for name in ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")
    }
    transform_fn = own["transform_fn"]
    if transform_fn and (own["input_fn"] or own["predict_fn"] or own["output_fn"]):
        raise LoadError(TRANSFORM_FN_IS_ALONE)
    defaults = defaults or Defaults(None, codecs.decode, predict, codecs.encode)
    model_fn = own["model_fn"] or defaults.model_fn
    if model_fn is None:
        raise NotImplementedError(NO_MODEL_FN)
    model = _with_context(model_fn, 1)(str(model_dir), Context(model_dir))
    if transform_fn:
        return Handlers(model, model_dir, _with_context(transform_fn, 4))
    input_fn = _with_context(own["input_fn"] or defaults.input_fn, 2)
    predict_fn = _with_context(own["predict_fn"] or defaults.predict_fn, 2)
    output_fn = _with_context(own["output_fn"] or defaults.output_fn, 2)

    def transform(model: Any, content: Any, content_type: str, accept: str, context: Context) -> Any:
        prediction = predict_fn(input_fn(content, content_type, context), model, context)
        if streams.is_stream(prediction) and "output_fn" not in users:
            return prediction
        return output_fn(prediction, accept, context)

    users = frozenset(name for name, function in own.items() if function)
    steps = Steps(input_fn, predict_fn, output_fn, users, defaults.rows)
    return Handlers(model, model_dir, transform, steps)


def predict(data: Any, model: Any) -> Any:
    """What AWS's scikit-learn container does with a request."""
    return model.predict(data)


def _with_context(function: Callable[..., Any], arity: int) -> Callable[..., Any]:
    """`function` as one of `arity` arguments and a context, whether or not it takes the context.

    A further parameter that has a default and another name is the user's own business.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if len(parameters) == arity + 1:
        last = parameters[-1]
        positional = last.kind in (last.POSITIONAL_ONLY, last.POSITIONAL_OR_KEYWORD)
        if positional and (last.default is last.empty or last.name == "context"):
            return function
    return lambda *arguments: function(*arguments[:-1])
