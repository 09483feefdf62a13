"""Smithy RPC v2 CBOR: the operation in the path, input and output as one CBOR map.

The AWS SDKs for Go, Java and JavaScript speak it to CloudWatch; botocore prefers JSON.

Source: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

import re
from typing import Any

from sagesmith.http.messages import Response
from sagesmith.wire.errors import AwsError
from sagesmith.wire.models import ServiceModel, Shape, ShapeCompiler
from sagesmith.wire.protocols import Call, json
from sagesmith.wire.protocols.cbor_items import MalformedCbor, Timestamp, decode, encode
from sagesmith.wire.protocols.documents import Convert, Documents
from sagesmith.wire.protocols.json import query_error, serialization_exception

_CONTENT_TYPE = b"application/cbor"
_PATH = re.compile(rb".*/service/([A-Za-z0-9_]+)/operation/([A-Za-z0-9_]+)")


class CborProtocol:
    """Parses and serialises the operations of one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        documents = Documents(model, _parser_of, _serializer_of, _load, _answer)
        self.parser, self.serializer = documents.parser, documents.serializer

    def error(self, error: AwsError, request_id: str) -> Response:
        shape = self._model.error_shapes.get(error.code, error.code)
        response = error_answer(error, request_id, shape, self._model.message_members.get(error.code, "message"))
        if self._model.query_compatible:
            response.headers.append(query_error(error))
        return response


def named_by(call: Call) -> tuple[str, str]:
    """The service (as a model's `target_prefix` has it) and the operation in a request's path; empty if it has none."""
    found = _PATH.fullmatch(call.target.partition(b"?")[0])
    return (found[1].decode(), found[2].decode()) if found is not None else ("", "")


def error_answer(
    error: AwsError, request_id: str, shape: str | None = None, message_member: str = "message"
) -> Response:
    """An error as a CBOR map with `__type` and its message.

    Args:
        shape: the name of its shape, if that is not its code.
    """
    document = {"__type": shape or error.code, message_member: error.message, **error.members}
    return _response(error.status, request_id, encode(document))


def _load(body: bytes) -> Any:
    try:
        return decode(body) if body else {}
    except MalformedCbor as error:
        raise serialization_exception(f"The request body is not valid CBOR: {error}") from error


def _answer(status: int, request_id: str, document: Any) -> Response:
    return _response(status, request_id, encode({} if document is None else document))


def _response(status: int, request_id: str, body: bytes) -> Response:
    headers = [
        (b"smithy-protocol", b"rpc-v2-cbor"),
        (b"x-amzn-requestid", request_id.encode()),
        (b"content-type", _CONTENT_TYPE),
    ]
    return Response(status, headers, body)


def _parser_of(name: str, shape: Shape, compiler: ShapeCompiler[Convert]) -> Convert:
    match shape["type"]:
        case "timestamp":
            return _read_timestamp
        case "blob":
            return _read_blob
    return json.parser_of(name, shape, compiler)


def _serializer_of(name: str, shape: Shape, compiler: ShapeCompiler[Convert]) -> Convert:
    match shape["type"]:
        case "timestamp":
            return Timestamp
        case "float" | "double":
            return float
        case "blob":
            return bytes
    return json.serializer_of(name, shape, compiler)


def _read_timestamp(value: Any) -> Any:
    if not isinstance(value, Timestamp):
        raise serialization_exception("A Timestamp must be a number of seconds with tag 1")
    return float(value)


def _read_blob(value: Any) -> Any:
    if not isinstance(value, bytes):
        raise serialization_exception("A ByteBuffer must be a byte string")
    return value
