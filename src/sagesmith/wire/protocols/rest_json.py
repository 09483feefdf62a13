"""AWS REST-JSON: the operation is a method and a path; members stand in path, query, headers and a JSON body.

Source: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from sagesmith.http.messages import Headers, Response
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from sagesmith.wire.models import Operation, ServiceModel, Shape, ShapeCompiler
from sagesmith.wire.protocols import Call
from sagesmith.wire.protocols.documents import Convert, list_members
from sagesmith.wire.protocols.json import (
    load_json,
    parser_of,
    serialization_exception,
    serializer_of,
)
from sagesmith.wire.protocols.values import format_timestamp, parse_timestamp


class RestJsonProtocol:
    """Parses and serialises the operations of one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._parsers: ShapeCompiler[Convert] = ShapeCompiler(model, parser_of)
        self._serializers: ShapeCompiler[Convert] = ShapeCompiler(model, serializer_of)

    def parser(self, operation: Operation) -> Callable[[Call], Params]:
        """A function that reads the operation's input; it raises SerializationException for what is not."""
        if operation.input is None:
            return lambda call: {}
        shapes, shape = self._model.shapes, self._model.shapes[operation.input]
        members: dict[str, Shape] = shape.get("members", {})
        outside = [(name, each, shapes[each["shape"]]) for name, each in members.items() if "location" in each]
        payload = shape.get("payload")
        parse_body: Convert | None = None
        if payload is None and len(outside) < len(members):
            parse_body = self._parsers(operation.input)
        elif payload is not None and shapes[members[payload]["shape"]]["type"] == "structure":
            parse_body = self._parsers(members[payload]["shape"])
        kind = shapes[members[payload]["shape"]]["type"] if payload else ""

        def read(call: Call) -> Params:
            params: Params = {}
            if payload is None:
                if parse_body is not None:
                    params = parse_body(load_json(call.body))
            elif parse_body is not None:
                params[payload] = parse_body(load_json(call.body))
            elif call.body:
                params[payload] = call.body if kind == "blob" else call.body.decode("utf-8", "replace")
            params.update(_read_outside(outside, shapes, call))
            return params

        return read

    def serializer(self, operation: Operation) -> Callable[[Params, str], Response]:
        """A function that answers with the operation's output."""
        if operation.output is None:
            return lambda result, request_id: _response(operation.success_status, [], request_id, b"")
        shapes, shape = self._model.shapes, self._model.shapes[operation.output]
        members: dict[str, Shape] = shape.get("members", {})
        outside = [(name, each, shapes[each["shape"]]) for name, each in members.items() if "location" in each]
        names_outside = {name for name, _, _ in outside}
        payload = shape.get("payload")
        in_body = self._serializers(members[payload]["shape"] if payload else operation.output)
        raw = payload is not None and shapes[members[payload]["shape"]]["type"] in ("blob", "string")
        lists = [] if payload else list_members(shapes, operation.output)

        def write(result: Params, request_id: str) -> Response:
            headers, status = _write_outside(outside, result)
            if payload is not None:
                value = result.get(payload)
                if raw:
                    body = value.encode() if isinstance(value, str) else value or b""
                else:
                    body = orjson.dumps(in_body(value)) if value is not None else b""
            else:
                inside = {name: value for name, value in result.items() if name not in names_outside}
                empty = {name: () for name in lists if name not in inside}
                body = orjson.dumps({**empty, **in_body(inside)})
            if not raw:
                headers.append((b"content-type", b"application/json"))
            return _response(status or operation.success_status, headers, request_id, body)

        return write

    def error(self, error: AwsError, request_id: str) -> Response:
        return error_answer(error, request_id, self._model.message_members.get(error.code, "message"))


def error_answer(error: AwsError, request_id: str, message_member: str = "message") -> Response:
    """An error as REST-JSON has it: the code in `x-amzn-errortype`, the message in the body."""
    has_message = "Message" in error.members or "message" in error.members
    document = error.members if has_message else {message_member: error.message, **error.members}
    headers = [(b"x-amzn-errortype", error.code.encode()), (b"content-type", b"application/json")]
    return _response(error.status, headers, request_id, orjson.dumps(document))


def _response(status: int, headers: Headers, request_id: str, body: bytes) -> Response:
    return Response(status, [(b"x-amzn-requestid", request_id.encode()), *headers], body)


Outside = list[tuple[str, Shape, Shape]]
"""Members that stand outside the body: name, the member's traits, its shape."""


def _read_outside(members: Outside, shapes: dict[str, Shape], call: Call) -> Iterator[tuple[str, Any]]:
    query: dict[str, list[str]] = {}
    for key, value in parse_qsl(call.target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True):
        query.setdefault(key, []).append(value)
    for name, member, shape in members:
        wire = member.get("locationName", name)
        match member["location"]:
            case "uri":
                if wire in call.labels:
                    yield name, _read_text(unquote(call.labels[wire]), member, shape)
            case "querystring" if shape["type"] == "list":
                if wire in query:
                    yield name, [_read_text(each, {}, shapes[shape["member"]["shape"]]) for each in query[wire]]
            case "querystring" if shape["type"] == "map":
                taken = {each.get("locationName", key) for key, each, _ in members if each is not member}
                yield name, {key: values[0] for key, values in query.items() if key not in taken}
            case "querystring":
                if wire in query:
                    yield name, _read_text(query[wire][0], member, shape)
            case "header":
                header = call.header(wire.lower().encode())
                if header is not None:
                    yield name, _read_text(header.decode("latin-1"), member, shape)
            case "headers":
                prefix = wire.lower().encode()
                found = {
                    key[len(prefix) :].decode("latin-1"): value.decode("latin-1")
                    for key, value in call.headers
                    if key.startswith(prefix)
                }
                yield name, found


def _read_text(text: str, member: Shape, shape: Shape) -> Any:
    read = _read_json_value if member.get("jsonvalue") else _TEXT_PARSERS.get(shape["type"], str)
    try:
        return read(text)
    except (ValueError, KeyError, OverflowError, binascii.Error) as error:
        raise serialization_exception(f"STRING_VALUE can not be converted to a {shape['type'].title()}") from error


def _read_json_value(text: str) -> Any:
    return orjson.loads(base64.b64decode(text, validate=True))


_TEXT_PARSERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
    "timestamp": parse_timestamp,
    "blob": lambda text: base64.b64decode(text, validate=True),
}


def _write_outside(members: Outside, result: Params) -> tuple[Headers, int | None]:
    headers: Headers = []
    status = None
    for name, member, shape in members:
        value = result.get(name)
        if value is None:
            continue
        wire = member.get("locationName", name).lower()
        match member["location"]:
            case "statusCode":
                status = value
            case "header":
                headers.append((wire.encode(), _write_text(value, shape).encode("utf-8")))
            case "headers":
                headers.extend((f"{wire}{key.lower()}".encode(), each.encode()) for key, each in value.items())
    return headers, status


def _write_text(value: Any, shape: Shape) -> str:
    match shape["type"]:
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            return str(format_timestamp(value, shape.get("timestampFormat", "rfc822")))
        case "blob":
            return base64.b64encode(value).decode()
    return str(value)
