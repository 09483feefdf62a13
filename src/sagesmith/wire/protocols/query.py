"""AWS Query: input as form fields such as `Tags.member.1.Key`, output as XML.

Source: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from sagesmith.http.messages import Response
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError
from sagesmith.wire.models import Operation, ServiceModel, Shape, ShapeCompiler
from sagesmith.wire.protocols import Call
from sagesmith.wire.protocols.values import format_timestamp, parse_timestamp, xml_text

Node = dict[str, Any]
"""The fields below a prefix: names → nodes; the value of the prefix itself stands under the empty name."""
Parse = Callable[[Node], Any]
Write = Callable[[Any, str, list[str]], None]
"""Adds a value as an element of that name."""


class QueryProtocol:
    """Parses and serialises the operations of one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._parsers: ShapeCompiler[Parse] = ShapeCompiler(model, _parser_of)
        self._writers: ShapeCompiler[Write] = ShapeCompiler(model, _writer_of)

    def parser(self, operation: Operation) -> Callable[[Call], Params]:
        """A function that reads the operation's input; it raises MalformedInput for what is not."""
        if operation.input is None:
            return lambda call: {}
        parse = self._parsers(operation.input)

        def read(call: Call) -> Params:
            params: Params = parse(_tree(fields_of(call)))
            return params

        return read

    def serializer(self, operation: Operation) -> Callable[[Params, str], Response]:
        """A function that answers with the operation's output."""
        shapes, name = self._model.shapes, operation.name
        write = self._writers(operation.output) if operation.output else None
        wrapper = operation.result_wrapper or f"{name}Result"
        members = shapes[operation.output].get("members", {}) if operation.output else {}
        lists = [member for member, reference in members.items() if shapes[reference["shape"]]["type"] == "list"]
        head = f'<{name}Response xmlns="{self._model.xml_namespace}">'

        def answer(result: Params, request_id: str) -> Response:
            pieces = [head]
            if write is not None:
                write(_present({**dict.fromkeys(lists, ()), **result}), wrapper, pieces)
            pieces.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>")
            return _response(operation.success_status, request_id, "".join(pieces))

        return answer

    def error(self, error: AwsError, request_id: str) -> Response:
        return error_answer(error, request_id, self._model.xml_namespace)


def error_answer(error: AwsError, request_id: str, namespace: str = "") -> Response:
    """An error as the Query protocol has it, an `ErrorResponse` document."""
    fault = "Sender" if error.status < 500 else "Receiver"
    declared = f' xmlns="{namespace}"' if namespace else ""
    return _response(
        error.status,
        request_id,
        f"<ErrorResponse{declared}><Error><Type>{fault}</Type><Code>{xml_text(error.code)}</Code>"
        f"<Message>{xml_text(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
    )


def fields_of(call: Call) -> list[tuple[str, str]]:
    """The form fields of a request: those of its query, then those of its body."""
    query = call.target.partition(b"?")[2].decode("latin-1")
    try:
        body = call.body.decode("ascii")
        return parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise AwsError("MalformedQueryString", "The query string contains a syntax error.", 400) from error


def _response(status: int, request_id: str, xml: str) -> Response:
    headers = [(b"x-amzn-requestid", request_id.encode()), (b"content-type", b"text/xml")]
    return Response(status, headers, xml.encode())


def _tree(fields: list[tuple[str, str]]) -> Node:
    root: Node = {}
    for name, value in fields:
        node = root
        for part in name.split("."):
            node = node.setdefault(part, {}) if part else node
        node[""] = value
    return root


def _parser_of(_name: str, shape: Shape, compiler: ShapeCompiler[Parse]) -> Parse:
    match shape["type"]:
        case "structure":
            return _structure_parser(shape, compiler)
        case "list":
            return _list_parser(shape, compiler)
        case "map":
            return _map_parser(shape, compiler)
    convert = _SCALARS.get(shape["type"], str)
    kind = shape["type"]

    def parse(node: Node) -> Any:
        text = node.get("", "")
        try:
            return convert(text)
        except (ValueError, OverflowError, binascii.Error) as error:
            raise AwsError("MalformedInput", f'For input string: "{text}" ({kind} expected)', 400) from error

    return parse


def _structure_parser(shape: Shape, compiler: ShapeCompiler[Parse]) -> Parse:
    shapes = compiler.model.shapes
    members = {
        _field_name(name, member, shapes[member["shape"]]): (name, compiler(member["shape"]))
        for name, member in shape.get("members", {}).items()
    }

    def parse(node: Node) -> Any:
        found = {}
        for key, below in node.items():
            member = members.get(key)
            if member is not None:
                found[member[0]] = member[1](below)
        return found

    return parse


def _field_name(name: str, member: Shape, target: Shape) -> str:
    if target.get("flattened") and "locationName" in target.get("member", {}):
        return str(target["member"]["locationName"])
    return str(member.get("locationName", name))


def _list_parser(shape: Shape, compiler: ShapeCompiler[Parse]) -> Parse:
    each = compiler(shape["member"]["shape"])
    element = "" if shape.get("flattened") else shape["member"].get("locationName", "member")

    def parse(node: Node) -> Any:
        items = node.get(element, {}) if element else node
        return [each(item) for item in _numbered(items)]

    return parse


def _map_parser(shape: Shape, compiler: ShapeCompiler[Parse]) -> Parse:
    each = compiler(shape["value"]["shape"])
    key_name = shape["key"].get("locationName", "key")
    value_name = shape["value"].get("locationName", "value")
    element = "" if shape.get("flattened") else "entry"

    def parse(node: Node) -> Any:
        entries = _numbered(node.get(element, {}) if element else node)
        return {entry.get(key_name, {}).get("", ""): each(entry.get(value_name, {})) for entry in entries}

    return parse


def _numbered(node: Node) -> list[Node]:
    numbers = [key for key in node if key]
    if not all(key.isascii() and key.isdigit() and len(key) < 10 for key in numbers):
        raise AwsError("MalformedInput", "Top level element may not be treated as a list", 400)
    return [node[key] for key in sorted(numbers, key=int)]


def _read_boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _read_blob(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": _read_boolean,
    "timestamp": parse_timestamp,
    "blob": _read_blob,
}


def _present(result: Params) -> Params:
    return {name: value for name, value in result.items() if value is not None}


def _writer_of(_name: str, shape: Shape, compiler: ShapeCompiler[Write]) -> Write:
    match shape["type"]:
        case "structure":
            return _structure_writer(shape, compiler)
        case "list":
            return _list_writer(shape, compiler)
        case "map":
            return _map_writer(shape, compiler)
    text = _TEXTS.get(shape["type"], str)

    def write(value: Any, element: str, pieces: list[str]) -> None:
        pieces.append(f"<{element}>{xml_text(text(value))}</{element}>")

    return write


def _structure_writer(shape: Shape, compiler: ShapeCompiler[Write]) -> Write:
    members = [
        (name, member.get("locationName", name), compiler(member["shape"]))
        for name, member in shape.get("members", {}).items()
    ]

    def write(value: Any, element: str, pieces: list[str]) -> None:
        pieces.append(f"<{element}>")
        for name, location, write_member in members:
            item = value.get(name)
            if item is not None:
                write_member(item, location, pieces)
        pieces.append(f"</{element}>")

    return write


def _list_writer(shape: Shape, compiler: ShapeCompiler[Write]) -> Write:
    each = compiler(shape["member"]["shape"])
    location = shape["member"].get("locationName")
    flattened = shape.get("flattened", False)

    def write(value: Any, element: str, pieces: list[str]) -> None:
        if not flattened:
            pieces.append(f"<{element}>")
        for item in value:
            each(item, location or (element if flattened else "member"), pieces)
        if not flattened:
            pieces.append(f"</{element}>")

    return write


def _map_writer(shape: Shape, compiler: ShapeCompiler[Write]) -> Write:
    each = compiler(shape["value"]["shape"])
    key_name = shape["key"].get("locationName", "key")
    value_name = shape["value"].get("locationName", "value")
    flattened = shape.get("flattened", False)

    def write(value: Any, element: str, pieces: list[str]) -> None:
        entry = element if flattened else "entry"
        if not flattened:
            pieces.append(f"<{element}>")
        for key, item in value.items():
            pieces.append(f"<{entry}><{key_name}>{xml_text(key)}</{key_name}>")
            each(item, value_name, pieces)
            pieces.append(f"</{entry}>")
        if not flattened:
            pieces.append(f"</{element}>")

    return write


_TEXTS: dict[str, Callable[[Any], str]] = {
    "boolean": lambda value: "true" if value else "false",
    "timestamp": lambda value: str(format_timestamp(value, "iso8601")),
    "blob": lambda value: base64.b64encode(value).decode(),
}
