"""The parts of Amazon's serving toolkits that handlers import, for environments that do not have the toolkits.

Scripts for the scikit-learn image often say `from sagemaker_containers.beta.framework import encoders, worker`, those
for the deep learning images `from sagemaker_inference import content_types, decoder, encoder`. The toolkits are whole
servers with old pins, of which these few functions are used. A toolkit that is installed goes first.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from sagesmith.modelserver import codecs
from sagesmith.modelserver.errors import UnsupportedFormat

if TYPE_CHECKING:
    from collections.abc import Sequence


def install() -> None:
    """Let the toolkits' names be imported; the last in line, so that what is installed is found before."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


class Response:
    """An answer as `sagemaker_containers.beta.framework.worker.Response` takes it."""

    def __init__(
        self,
        response: Any = None,
        accept: str | None = None,
        status: int = 200,
        headers: Any = None,
        mimetype: str | None = None,
    ) -> None:
        self.response = response
        self.status_code = status
        self.mimetype = mimetype or accept or codecs.JSON
        self.content_type = self.mimetype
        self.headers = headers

    def get_data(self) -> Any:
        return b"" if self.response is None else self.response


class ClientError(Exception):
    """As `sagemaker_containers` names what a handler raises for its caller's mistake."""


class BaseInferenceToolkitError(Exception):
    """As `sagemaker_inference` lets a handler choose the status and the message of its answer."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        super().__init__(status_code, message, phrase)
        self.status_code = status_code
        self.message = message
        self.phrase = phrase


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same with what can be left out."""

    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        super().__init__(status_code, message or "Invalid Request", phrase or message or "Invalid Request")


def _encode(array_like: Any, content_type: str) -> str | bytes:
    body, kind = codecs.encode(array_like, content_type)
    return body.decode("utf-8") if kind in codecs.TEXT_TYPES else body


def _dmatrix(body: str | bytes, content_type: str) -> Any:
    from sagesmith.modelserver.frameworks.xgboost import to_dmatrix

    return to_dmatrix(body, content_type)


_CONTENT_TYPES = {
    "JSON": codecs.JSON,
    "CSV": codecs.CSV,
    "NPY": codecs.NPY,
    "ANY": codecs.ANY,
    "OCTET_STREAM": "application/octet-stream",
    "UTF8_TYPES": [codecs.JSON, codecs.CSV],
}
_ENCODERS = {
    "array_to_npy": lambda array: _encode(array, codecs.NPY),
    "array_to_json": lambda array: _encode(array, codecs.JSON),
    "array_to_csv": lambda array: _encode(array, codecs.CSV),
    "npy_to_numpy": lambda body: codecs.to_array(body, codecs.NPY),
    "json_to_numpy": lambda body: codecs.to_array(body, codecs.JSON),
    "csv_to_numpy": lambda body: codecs.to_array(body, codecs.CSV),
}
_ERRORS = {
    "ClientError": ClientError,
    "UnsupportedFormatError": UnsupportedFormat,
    "BaseInferenceToolkitError": BaseInferenceToolkitError,
    "GenericInferenceToolkitError": GenericInferenceToolkitError,
}
_MODULES: dict[str, dict[str, Any]] = {
    "sagemaker_containers": {"entry_point": SimpleNamespace()},
    "sagemaker_containers.beta": {},
    "sagemaker_containers.beta.framework": {
        "content_types": SimpleNamespace(**_CONTENT_TYPES),
        "encoders": SimpleNamespace(encode=_encode, decode=codecs.to_array, **_ENCODERS),
        "errors": SimpleNamespace(**_ERRORS),
        "worker": SimpleNamespace(Response=Response),
        # Imported by many scripts, used by none that only handles requests.
        "env": SimpleNamespace(),
        "modules": SimpleNamespace(),
        "server": SimpleNamespace(),
        "transformer": SimpleNamespace(),
    },
    # A script of XGBoost's both trains and serves: of these, only the encoder is for requests.
    "sagemaker_xgboost_container": {},
    "sagemaker_xgboost_container.data_utils": {"get_dmatrix": None, "get_size": None},
    "sagemaker_xgboost_container.distributed": {},
    "sagemaker_xgboost_container.encoder": {
        "csv_to_dmatrix": lambda body, dtype=None: _dmatrix(body, codecs.CSV),
        "libsvm_to_dmatrix": lambda body: _dmatrix(body, "text/libsvm"),
        "decode": _dmatrix,
    },
    "sagemaker_inference": {},
    "sagemaker_inference.content_types": _CONTENT_TYPES,
    "sagemaker_inference.decoder": {"decode": codecs.to_array},
    "sagemaker_inference.encoder": {"encode": _encode},
    "sagemaker_inference.errors": _ERRORS,
}


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _MODULES:
            return None
        package = any(name.startswith(f"{fullname}.") for name in _MODULES)
        return spec_from_loader(fullname, self, is_package=package)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(_MODULES[module.__name__])
