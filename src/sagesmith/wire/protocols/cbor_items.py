"""CBOR as far as Smithy's protocol goes: numbers, text, bytes, arrays, maps, booleans, null, times.

Source: https://www.rfc-editor.org/rfc/rfc8949
"""

import math
import struct
from collections.abc import Callable
from typing import Any, ClassVar

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_EPOCH_TIME = 1
_INDEFINITE = 31
_LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE_VALUES: dict[int, Any] = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_MAX_DEPTH = 100


class MalformedCbor(ValueError):
    """The bytes are not one whole item of the kinds that are known here."""


class Timestamp(float):
    """Seconds since the epoch that stand, or are to stand, under tag 1."""

    __slots__ = ()


def decode(data: bytes) -> Any:
    """The one item that `data` is.

    Raises:
        MalformedCbor: it is not.
    """
    reader = _Reader(data)
    item = reader.item(0)
    if reader.at != len(data):
        raise MalformedCbor(f"{len(data) - reader.at} bytes follow the item")
    return item


class _Reader:
    """Reads items from the front of some bytes; holds nothing that is larger than they are."""

    __slots__ = ("_data", "at")
    _READ: ClassVar[tuple[Callable[..., Any], ...]]

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def item(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise MalformedCbor("it is nested too deeply")
        head = self._take(1)[0]
        return self._READ[head >> 5](self, head & 31, depth)

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise MalformedCbor("it ends too early")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info not in _LENGTHS:
            raise MalformedCbor(f"{info} is no length")
        return int.from_bytes(self._take(_LENGTHS[info]), "big")

    def _ended(self) -> bool:
        if self._data[self.at : self.at + 1] != b"\xff":
            return False
        self.at += 1
        return True

    def _string(self, info: int, major: int) -> bytes:
        if info != _INDEFINITE:
            return self._take(self._argument(info))
        pieces = []
        while not self._ended():
            head = self._take(1)[0]
            if head >> 5 != major or head & 31 == _INDEFINITE:
                raise MalformedCbor("a piece of a string is not one")
            pieces.append(self._take(self._argument(head & 31)))
        return b"".join(pieces)

    def _unsigned(self, info: int, _depth: int) -> int:
        return self._argument(info)

    def _negative(self, info: int, _depth: int) -> int:
        return -1 - self._argument(info)

    def _bytes(self, info: int, _depth: int) -> bytes:
        return self._string(info, _BYTES)

    def _text(self, info: int, _depth: int) -> str:
        try:
            return self._string(info, _TEXT).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedCbor("a text is not UTF-8") from error

    def _array(self, info: int, depth: int) -> list[Any]:
        items = []
        if info == _INDEFINITE:
            while not self._ended():
                items.append(self.item(depth + 1))
            return items
        for _ in range(self._argument(info)):
            items.append(self.item(depth + 1))
        return items

    def _map(self, info: int, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        left = -1 if info == _INDEFINITE else self._argument(info)
        while left and not (left < 0 and self._ended()):
            key = self.item(depth + 1)
            if not isinstance(key, str):
                raise MalformedCbor("a key is not a text")
            items[key] = self.item(depth + 1)
            left -= 1
        return items

    def _tagged(self, info: int, depth: int) -> Any:
        tag, value = self._argument(info), self.item(depth + 1)
        if tag != _EPOCH_TIME:
            raise MalformedCbor(f"tag {tag} is not known")
        if type(value) not in (int, float) or not math.isfinite(value):
            raise MalformedCbor("a time is not a number")
        try:
            return Timestamp(value)
        except OverflowError as error:
            raise MalformedCbor("a time is out of range") from error

    def _simple(self, info: int, _depth: int) -> Any:
        if info in _SIMPLE_VALUES:
            return _SIMPLE_VALUES[info]
        if info not in _FLOATS:
            raise MalformedCbor(f"{info} is no simple value")
        value: float = struct.unpack(_FLOATS[info], self._take(_LENGTHS[info]))[0]
        return value

    _READ = (_unsigned, _negative, _bytes, _text, _array, _map, _tagged, _simple)


def encode(item: Any) -> bytes:
    """An item as bytes.

    Args:
        item: of the types that `decode` returns.

    Raises:
        TypeError: it has something else in it.
    """
    out = bytearray()
    _write(out, item)
    return bytes(out)


def _write(out: bytearray, item: Any) -> None:
    match item:
        case None:
            out.append(0xF6)
        case bool():
            out.append(0xF5 if item else 0xF4)
        case Timestamp():
            _head(out, _TAG, _EPOCH_TIME)
            seconds = round(float(item), 3)
            _write(out, int(seconds) if seconds.is_integer() else seconds)
        case int():
            _head(out, _UNSIGNED if item >= 0 else _NEGATIVE, item if item >= 0 else -1 - item)
        case float():
            out.append(0xFB)
            out += struct.pack(">d", item)
        case str():
            text = item.encode("utf-8")
            _head(out, _TEXT, len(text))
            out += text
        case bytes():
            _head(out, _BYTES, len(item))
            out += item
        case dict():
            _head(out, _MAP, len(item))
            for key, value in item.items():
                _write(out, key)
                _write(out, value)
        case list() | tuple():
            _head(out, _ARRAY, len(item))
            for each in item:
                _write(out, each)
        case _:
            raise TypeError(f"{type(item).__name__} has no form in CBOR")


def _head(out: bytearray, major: int, argument: int) -> None:
    if argument < 24:
        out.append(major << 5 | argument)
        return
    for info, length in _LENGTHS.items():
        if argument < 1 << 8 * length:
            out.append(major << 5 | info)
            out += argument.to_bytes(length, "big")
            return
    raise TypeError(f"{argument} is too large for CBOR")
