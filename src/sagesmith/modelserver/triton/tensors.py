"""The inference protocol: tensors in JSON, or behind it as bytes (the binary tensor data extension).

Source: https://github.com/kserve/kserve/blob/master/docs/predict-api/v2/required_api.md, `protocol/
extension_binary_data.md` of github.com/triton-inference-server/server and, for SageMaker's header,
https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-models-frameworks-triton.html.
"""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.modelserver import codecs
from sagesmith.modelserver.errors import BadInput

BINARY = "application/vnd.sagemaker-triton.binary+json"
_HEADER_SIZE = re.compile(r"json-header-size=(\d+)")
TYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    **{f"{sign}INT{bits}": getattr(np, f"{sign.lower()}int{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": getattr(np, f"float{bits}") for bits in (16, 32, 64)},
    "BYTES": np.object_,
}
_NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}


@dataclass(frozen=True)
class Request:
    """What is asked of a model.

    Attributes:
        inputs: tensors by their names.
        outputs: the names of those that are wanted, all if empty.
        binary: of these, the ones that are wanted as bytes; None: all of them are.
    """

    inputs: dict[str, Any]
    outputs: list[str]
    binary: frozenset[str] | None
    id: str | None
    parameters: dict[str, Any]


def read(body: bytes, content_type: str) -> Request:
    """A request.

    Raises:
        BadInput: it is not one.
    """
    found = _HEADER_SIZE.search(content_type)
    size = int(found[1]) if found else len(body)
    if size > len(body):
        raise BadInput(f"The body has {len(body)} bytes, fewer than the header of {size} that its content type says.")
    try:
        message, rest = json.loads(body[:size]), memoryview(body)[size:]
        inputs: dict[str, Any] = {}
        for each in message["inputs"]:
            count = (each.get("parameters") or {}).get("binary_data_size")
            raw = None if count is None else bytes(rest[:count])
            rest = rest[count or 0 :]
            inputs[each["name"]] = _tensor(each, raw)
        outputs = message.get("outputs") or []
        parameters = message.get("parameters") or {}
        binary = frozenset(each["name"] for each in outputs if (each.get("parameters") or {}).get("binary_data"))
        everything = parameters.get("binary_data_output") and not outputs
        names = [each["name"] for each in outputs]
    except (ValueError, OverflowError, TypeError, AttributeError, struct.error) as error:
        raise BadInput(f"failed to parse the request: {error}") from error
    except KeyError as error:
        raise BadInput(f"failed to parse the request: it has no {error}") from error
    if len(rest):
        raise BadInput(f"unexpected additional input data: {len(rest)} bytes behind the tensors")
    return Request(inputs, names, None if everything else binary, message.get("id"), parameters)


def write(model: str, version: str, request: Request, outputs: dict[str, Any]) -> tuple[bytes, str]:
    """An answer and its content type.

    Raises:
        BadInput: an output was asked for that the model has not.
    """
    missing = [name for name in request.outputs if name not in outputs]
    if missing:
        raise BadInput(f"unexpected inference output '{missing[0]}' for model '{model}'")
    described, behind = [], []
    for name in request.outputs or outputs:
        array = np.asarray(outputs[name])
        tensor: dict[str, Any] = {"name": name, "datatype": type_name(array.dtype), "shape": list(array.shape)}
        if request.binary is None or name in request.binary:
            raw = _raw(array)
            tensor["parameters"] = {"binary_data_size": len(raw)}
            behind.append(raw)
        else:
            tensor["data"] = [_text(each) for each in array.ravel().tolist()]
        described.append(tensor)
    message = {"model_name": model, "model_version": version, "outputs": described}
    if request.id is not None:
        message["id"] = request.id
    head = codecs.to_json(message)
    if not behind:
        return head, codecs.JSON
    return b"".join([head, *behind]), f"{BINARY};json-header-size={len(head)}"


def type_name(dtype: Any) -> str:
    """The protocol's name of a NumPy type; text is BYTES."""
    return "BYTES" if dtype.kind in "OSU" else _NAMES[dtype]


def _tensor(described: dict[str, Any], raw: bytes | None) -> Any:
    name, shape, kind = described["name"], described["shape"], described["datatype"]
    if kind not in TYPES:
        raise ValueError(f"the input '{name}' has the datatype {kind}; there are {', '.join(TYPES)}")
    if raw is None:
        values = np.array(described["data"], dtype=object).ravel().tolist() if described["data"] else []
        flat = np.array([_bytes(each) for each in values], object) if kind == "BYTES" else np.array(values, TYPES[kind])
    elif kind == "BYTES":
        flat = np.array(_strings(raw), object)
    else:
        flat = np.frombuffer(raw, TYPES[kind])
    if flat.size != math.prod(shape):
        raise ValueError(f"the input '{name}' has {flat.size} elements; its shape {shape} has {math.prod(shape)}")
    return flat.reshape(shape)


def _raw(array: Any) -> bytes:
    if type_name(array.dtype) != "BYTES":
        return bytes(np.ascontiguousarray(array).tobytes())
    return b"".join(struct.pack("<I", len(each)) + each for each in map(_bytes, array.ravel().tolist()))


def _strings(raw: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        at += 4 + size
        if at > len(raw):
            raise ValueError("a string of a BYTES tensor is longer than what there is")
        found.append(raw[at - size : at])
    return found


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
