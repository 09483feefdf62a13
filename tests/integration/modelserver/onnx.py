"""A small ONNX model, written as its protocol buffers: the libraries that make such files are in no environment here.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (the field numbers).
"""

import struct

FLOAT = 1


def sums(weights: list[float]) -> bytes:
    """`y = x · w + 1` of rows `x` of as many numbers as there are weights."""
    columns = len(weights)
    graph = [
        _field(1, _node("MatMul", ["x", "w"], "product")),
        _field(1, _node("Add", ["product", "one"], "y")),
        _field(2, b"sums"),
        _field(5, _initial("w", [columns, 1], weights)),
        _field(5, _initial("one", [1], [1.0])),
        _field(11, _tensor("x", columns)),
        _field(12, _tensor("y", 1)),
    ]
    return _number(1, 8) + _field(7, b"".join(graph)) + _field(8, _field(1, b"") + _number(2, 13))


def _node(operator: str, inputs: list[str], output: str) -> bytes:
    given = b"".join(_field(1, each.encode()) for each in inputs)
    return given + _field(2, output.encode()) + _field(4, operator.encode())


def _initial(name: str, shape: list[int], values: list[float]) -> bytes:
    dimensions = b"".join(_number(1, each) for each in shape)
    return (
        dimensions + _number(2, FLOAT) + _field(8, name.encode()) + _field(9, struct.pack(f"<{len(values)}f", *values))
    )


def _tensor(name: str, columns: int) -> bytes:
    shape = _field(1, _field(2, b"rows")) + _field(1, _number(1, columns))
    kind = _number(1, FLOAT) + _field(2, shape)
    return _field(1, name.encode()) + _field(2, _field(1, kind))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])
