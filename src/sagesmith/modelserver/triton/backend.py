"""The module `triton_python_backend_utils`, which models of the Python backend import.

Source: https://github.com/triton-inference-server/python_backend ("Usage").
"""

from __future__ import annotations

import json
import logging
import sys
from types import ModuleType
from typing import Any

import numpy as np

from sagesmith.modelserver.triton import tensors

NAME = "triton_python_backend_utils"


class TritonError:
    """Why one request of several was not answered."""

    def __init__(self, message: str, code: int = 0) -> None:
        self._message = message
        self._code = code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code


class TritonModelException(Exception):
    """What a model raises when none of its requests can be answered."""


class Tensor:
    """A tensor by its name."""

    def __init__(self, name: str, array: Any) -> None:
        self._name = name
        self._array = np.asarray(array)

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> Any:
        return self._array

    def triton_dtype(self) -> str:
        return f"TYPE_{'STRING' if self._array.dtype.kind in 'OSU' else tensors.type_name(self._array.dtype)}"

    def shape(self) -> tuple[int, ...]:
        return tuple(self._array.shape)

    def is_cpu(self) -> bool:
        return True


class InferenceRequest:
    """What `execute` gets a list of."""

    def __init__(self, inputs: list[Tensor], request_id: str, outputs: list[str], parameters: dict[str, Any]) -> None:
        self._inputs = inputs
        self._request_id = request_id
        self._outputs = outputs
        self._parameters = parameters

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def request_id(self) -> str:
        return self._request_id

    def requested_output_names(self) -> list[str]:
        return self._outputs

    def parameters(self) -> str:
        return json.dumps(self._parameters)

    def is_cancelled(self) -> bool:
        return False


class InferenceResponse:
    """What `execute` returns a list of."""

    def __init__(self, output_tensors: list[Tensor] | None = None, error: TritonError | None = None) -> None:
        self._outputs = list(output_tensors or [])
        self._error = error

    def output_tensors(self) -> list[Tensor]:
        return self._outputs

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    return next((each for each in request.inputs() if each.name() == name), None)


def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor | None:
    return next((each for each in response.output_tensors() if each.name() == name), None)


def get_input_config_by_name(model_config: dict[str, Any], name: str) -> Any:
    return next((each for each in model_config.get("input", []) if each["name"] == name), None)


def get_output_config_by_name(model_config: dict[str, Any], name: str) -> Any:
    return next((each for each in model_config.get("output", []) if each["name"] == name), None)


def triton_string_to_numpy(name: str) -> Any:
    """The NumPy type of `TYPE_FP32` and the like."""
    kind = name[len("TYPE_") :] if name.startswith("TYPE_") else name
    return tensors.TYPES["BYTES" if kind == "STRING" else kind]


def install() -> None:
    """Let models import the module."""
    module: Any = ModuleType(NAME)
    logger = logging.getLogger("triton")
    module.Logger = type("Logger", (), {"log_info": logger.info, "log_warn": logger.warning, "log_error": logger.error})
    module.Logger.log_verbose = logger.debug
    for each in (TritonError, TritonModelException, Tensor, InferenceRequest, InferenceResponse):
        setattr(module, each.__name__, each)
    for function in (get_input_tensor_by_name, get_output_tensor_by_name, get_input_config_by_name):
        setattr(module, function.__name__, function)
    module.get_output_config_by_name = get_output_config_by_name
    module.triton_string_to_numpy = triton_string_to_numpy
    sys.modules.setdefault(NAME, module)
