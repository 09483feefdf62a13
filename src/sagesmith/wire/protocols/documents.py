"""What protocols have in common whose messages are one document each, in JSON or in CBOR."""

from collections.abc import Callable
from typing import Any

from sagesmith.http.messages import Response
from sagesmith.wire.context import Params
from sagesmith.wire.models import Operation, ServiceModel, Shape, ShapeCompiler
from sagesmith.wire.protocols import Call

Convert = Callable[[Any], Any]
ConverterOf = Callable[[str, Shape, ShapeCompiler[Convert]], Convert]
"""How values of a shape, given its name too, are read or written."""


class Documents:
    """Parses and serialises the operations of one service.

    Args:
        load: what a request's body says; it raises SerializationException for what is not.
        answer: from the status, the request id and what is to be said; None: nothing.
    """

    def __init__(
        self,
        model: ServiceModel,
        parser_of: ConverterOf,
        serializer_of: ConverterOf,
        load: Callable[[bytes], Any],
        answer: Callable[[int, str, Any], Response],
    ) -> None:
        self._model = model
        self._parsers: ShapeCompiler[Convert] = ShapeCompiler(model, parser_of)
        self._serializers: ShapeCompiler[Convert] = ShapeCompiler(model, serializer_of)
        self._load = load
        self._answer = answer

    def parser(self, operation: Operation) -> Callable[[Call], Params]:
        """A function that reads the operation's input; it raises SerializationException for what is not."""
        if operation.input is None:
            return lambda call: {}
        parse, load = self._parsers(operation.input), self._load

        def read(call: Call) -> Params:
            params: Params = parse(load(call.body))
            return params

        return read

    def serializer(self, operation: Operation) -> Callable[[Params, str], Response]:
        """A function that answers with the operation's output."""
        answer, status = self._answer, operation.success_status
        if operation.output is None:
            return lambda result, request_id: answer(status, request_id, None)
        serialize = self._serializers(operation.output)
        lists = list_members(self._model.shapes, operation.output)

        def write(result: Params, request_id: str) -> Response:
            document = serialize(result)
            for name in lists:
                if name not in document and name not in result:
                    document[name] = []
            return answer(status, request_id, document)

        return write


def list_members(shapes: dict[str, Shape], output: str) -> list[str]:
    """The wire names of the output's lists: clients index them without asking whether they are there."""
    return [
        member.get("locationName", name)
        for name, member in shapes[output].get("members", {}).items()
        if shapes[member["shape"]]["type"] == "list" and "location" not in member
    ]
