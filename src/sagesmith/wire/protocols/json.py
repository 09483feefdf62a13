"""AWS JSON 1.0 and 1.1: the operation in `X-Amz-Target`, input and output as one JSON object.

Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

import base64
import binascii
import math
from functools import partial
from typing import Any

import orjson

from sagesmith.http.messages import Response
from sagesmith.wire.errors import AwsError
from sagesmith.wire.models import ServiceModel, Shape, ShapeCompiler
from sagesmith.wire.protocols import Call
from sagesmith.wire.protocols.documents import Convert, Documents
from sagesmith.wire.protocols.values import format_timestamp, parse_timestamp

_KINDS: dict[type, str] = {
    str: "STRING_VALUE",
    int: "NUMBER_VALUE",
    float: "NUMBER_VALUE",
    type(None): "NULL_VALUE",
}
_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class JsonProtocol:
    """Parses and serialises the operations of one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._content_type = f"application/x-amz-json-{model.json_version}".encode()
        documents = Documents(model, parser_of, serializer_of, load_json, partial(_answer, self._content_type))
        self.parser, self.serializer = documents.parser, documents.serializer

    def error(self, error: AwsError, request_id: str) -> Response:
        message_member = self._model.message_members.get(error.code, "message")
        if not self._model.query_compatible:
            return error_answer(error, request_id, self._content_type, message_member)
        shape = error.shape or self._model.error_shapes.get(error.code, error.code)
        response = error_answer(error, request_id, self._content_type, message_member, shape)
        response.headers.append(query_error(error))
        return response


def target_of(call: Call) -> tuple[str, str]:
    """The service (as a model's `target_prefix` has it) and the operation that a request names in its header."""
    prefix, _, name = (call.header(b"x-amz-target") or b"").decode("latin-1").rpartition(".")
    return prefix, name


def query_error(error: AwsError) -> tuple[bytes, bytes]:
    """The header by which services that spoke Query once tell clients what the code was there."""
    return b"x-amzn-query-error", f"{error.code};{'Sender' if error.status < 500 else 'Receiver'}".encode()


def error_answer(
    error: AwsError,
    request_id: str,
    content_type: bytes = b"application/x-amz-json-1.1",
    message_member: str = "message",
    shape: str | None = None,
) -> Response:
    """An error as JSON 1.1 has it: `{"__type", "message"}` and `x-amzn-errortype`.

    Args:
        shape: the name of its shape, if that is not its code.
    """
    document = {"__type": shape or error.code, message_member: error.message, **error.members}
    response = _response(error.status, content_type, request_id, orjson.dumps(document))
    response.headers.append((b"x-amzn-errortype", (shape or error.code).encode()))
    return response


def serialization_exception(message: str) -> AwsError:
    return AwsError("SerializationException", message, 400)


def load_json(body: bytes) -> Any:
    """A request's body; an empty one is an empty object.

    Raises:
        AwsError: SerializationException, it is not JSON.
    """
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise serialization_exception(f"The request body is not valid JSON: {error}") from error


def parser_of(_name: str, shape: Shape, compiler: ShapeCompiler[Convert]) -> Convert:
    """How a value of this shape is read from JSON."""
    match shape["type"]:
        case "structure" if not (shape.get("document") or shape.get("eventstream")):
            return _structure_parser(shape, compiler)
        case "list":
            return _list_parser(compiler(shape["member"]["shape"]))
        case "map":
            return _map_parser(compiler(shape["value"]["shape"]))
    return _SCALAR_PARSERS.get(shape["type"], _identity)


def serializer_of(_name: str, shape: Shape, compiler: ShapeCompiler[Convert]) -> Convert:
    """How a value of this shape is written to JSON."""
    match shape["type"]:
        case "structure" if not (shape.get("document") or shape.get("eventstream")):
            return _structure_serializer(shape, compiler)
        case "list":
            each = compiler(shape["member"]["shape"])
            return list if each is _identity else lambda value: _serialize_list(value, each)
        case "map":
            each = compiler(shape["value"]["shape"])
            return lambda value: {key: each(item) for key, item in value.items() if item is not None}
        case "timestamp":
            style = shape.get("timestampFormat", "unixTimestamp")
            return _write_seconds if style == "unixTimestamp" else lambda value: format_timestamp(value, style)
    return _SCALAR_SERIALIZERS.get(shape["type"], _identity)


def _answer(content_type: bytes, status: int, request_id: str, document: Any) -> Response:
    return _response(status, content_type, request_id, b"" if document is None else orjson.dumps(document))


def _response(status: int, content_type: bytes, request_id: str, body: bytes) -> Response:
    return Response(status, [(b"x-amzn-requestid", request_id.encode()), (b"content-type", content_type)], body)


def _structure_parser(shape: Shape, compiler: ShapeCompiler[Convert]) -> Convert:
    members = {
        member.get("locationName", name): (name, compiler(member["shape"]))
        for name, member in shape.get("members", {}).items()
    }

    def parse(value: Any) -> Any:
        if type(value) is not dict:
            raise serialization_exception(
                "Start of list found where not expected" if type(value) is list else "Expected null"
            )
        found = {}
        for key, item in value.items():
            member = members.get(key)
            if member is not None and item is not None:
                found[member[0]] = member[1](item)
        return found

    return parse


def _list_parser(each: Convert) -> Convert:
    def parse(value: Any) -> Any:
        if type(value) is not list:
            raise serialization_exception(
                "Start of structure or map found where not expected."
                if type(value) is dict
                else "Expected list or null"
            )
        return [each(item) for item in value]

    return parse


def _map_parser(each: Convert) -> Convert:
    def parse(value: Any) -> Any:
        if type(value) is not dict:
            raise serialization_exception(
                "Start of list found where not expected" if type(value) is list else "Expected map or null"
            )
        return {key: each(item) for key, item in value.items()}

    return parse


def _structure_serializer(shape: Shape, compiler: ShapeCompiler[Convert]) -> Convert:
    converted = {}
    plain = {}
    for name, member in shape.get("members", {}).items():
        convert = compiler(member["shape"])
        if convert is _identity:
            plain[name] = member.get("locationName", name)
        else:
            converted[name] = (member.get("locationName", name), convert)

    def serialize(value: Any) -> Any:
        written = {}
        for key, item in value.items():
            if item is None:
                continue
            if key in plain:
                written[plain[key]] = item
            elif key in converted:
                written_as, convert = converted[key]
                written[written_as] = convert(item)
        return written

    return serialize


def _serialize_list(value: Any, each: Convert) -> Any:
    return value if type(value) is orjson.Fragment else [each(item) for item in value]


def _identity(value: Any) -> Any:
    return value


def _unexpected(value: Any, wanted: str) -> AwsError:
    if type(value) is dict:
        return serialization_exception("Start of structure or map found where not expected.")
    if type(value) is list:
        return serialization_exception("Start of list found where not expected")
    kind = f"{str(value).upper()}_VALUE" if type(value) is bool else _KINDS[type(value)]
    return serialization_exception(f"{kind} can not be converted to {wanted}")


def _read_string(value: Any) -> Any:
    if type(value) is not str:
        raise _unexpected(value, "a String")
    return value


def _read_integer(value: Any) -> Any:
    if type(value) is int and -(2**31) <= value < 2**31:
        return value
    return int(_whole(value, "an Integer", 2**31))


def _read_long(value: Any) -> Any:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    return int(_whole(value, "a Long", 2**63))


def _whole(value: Any, wanted: str, limit: int) -> float:
    if type(value) is float and value.is_integer() and -limit <= value < limit:
        return value
    raise _unexpected(value, wanted)


def _read_float(value: Any) -> Any:
    if type(value) in (int, float):
        return value
    if type(value) is str and value in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[value]
    raise _unexpected(value, "a Float")


def _write_seconds(value: Any) -> Any:
    return round(value, 3)


def _write_float(value: Any) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _read_boolean(value: Any) -> Any:
    if type(value) is not bool:
        raise _unexpected(value, "a Boolean")
    return value


def _read_timestamp(value: Any) -> Any:
    if type(value) in (int, float):
        return float(value)
    if type(value) is str:
        try:
            return parse_timestamp(value)
        except (ValueError, OverflowError) as error:
            raise _unexpected(value, "a Timestamp") from error
    raise _unexpected(value, "a Timestamp")


def _read_blob(value: Any) -> Any:
    if type(value) is not str:
        raise _unexpected(value, "a ByteBuffer")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise _unexpected(value, "a ByteBuffer") from error


_SCALAR_PARSERS: dict[str, Convert] = {
    "string": _read_string,
    "character": _read_string,
    "integer": _read_integer,
    "long": _read_long,
    "float": _read_float,
    "double": _read_float,
    "boolean": _read_boolean,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
}

_SCALAR_SERIALIZERS: dict[str, Convert] = {
    "blob": lambda value: base64.b64encode(value).decode(),
    "float": _write_float,
    "double": _write_float,
}
