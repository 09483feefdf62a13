"""The forms that values of settings have: as a variable's text, and as a TOML value of the settings file."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sagesmith.config import parse_ports, parse_quotas, parse_size
from sagesmith.hosts import DNS_NAME

T = TypeVar("T")
_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """How one kind of values is written.

    Attributes:
        parse: a variable's text, which is not empty, as a value. Raises ValueError, which says what is wrong.
        text_of: a value of the settings file as a variable's text; None for a type that it cannot have. Its second
            argument is the file's directory.
        expected: what a value must be, for errors, with an example.
    """

    parse: Callable[[str], T]
    text_of: Callable[[object, Path], str | None]
    expected: str


def _string(value: object, _folder: Path) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object, _folder: Path) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _path(value: object, folder: Path) -> str | None:
    return str(folder / Path(value).expanduser()) if isinstance(value, str) and value else None


def _paths_or_word(value: object, folder: Path) -> str | None:
    if not isinstance(value, list):
        return _string(value, folder)
    paths = [_path(each, folder) for each in value]
    return None if None in paths else ":".join(filter(None, paths))


def _size(value: object, folder: Path) -> str | None:
    return _integer(value, folder) or _string(value, folder)


def _integers(value: object, folder: Path) -> str | None:
    texts = [_integer(each, folder) for each in value] if isinstance(value, list) else [None]
    return None if None in texts else ",".join(filter(None, texts))


def _integers_by_name(value: object, folder: Path) -> str | None:
    if not isinstance(value, Mapping):
        return None
    texts = {name: _integer(number, folder) for name, number in value.items()}
    return None if None in texts.values() else ",".join(f"{name}={number}" for name, number in texts.items())


def _strings(value: object, folder: Path) -> str | None:
    texts = [_string(each, folder) for each in value] if isinstance(value, list) else [None]
    return None if None in texts else ",".join(filter(None, texts))


def _parse_names(text: str) -> list[str]:
    names = [name for part in text.split(",") if (name := part.strip().lower())]
    for name in names:
        if not DNS_NAME.fullmatch(name) and not _is_address(name):
            raise ValueError(f"{name!r} is no host name and no address")
    return names


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _flag(value: object, _folder: Path) -> str | None:
    return ("1" if value else "") if isinstance(value, bool) else None


def _json(value: object, _folder: Path) -> str | None:
    try:
        return json.dumps(value) if isinstance(value, Mapping) else None
    except TypeError:  # JSON has no dates.
        return None


def _parse_json(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("it must be an object in JSON")
    return value


TEXT = Form(str, _string, 'a string, such as "text"')
PATH = Form(lambda text: Path(text).expanduser(), _path, 'a path, such as "/srv/sagesmith"')
SIZE = Form(parse_size, _size, 'a number of bytes, or a string such as "2G"')
PORTS = Form(parse_ports, _integers, "a list of ports, such as [5000, 5432]")
QUOTAS = Form(parse_quotas, _integers_by_name, "a table of whole numbers, such as { Model = 1000 }")
NAMES = Form(_parse_names, _strings, 'a list of names and addresses, such as ["ml.example.com"]')
FLAG = Form(lambda text: text.strip().lower() in {"1", "true", "yes", "on"}, _flag, "true or false")
JSON = Form(_parse_json, _json, 'a table, such as { pip = ["scikit-learn"] }')
PYTHONS = Form(str, _paths_or_word, '"auto", "none" or a list of paths')


def whole(least: int, most: int | None = None) -> Form[int]:
    """Whole numbers from `least` on, up to `most`."""
    expected = f"a whole number from {least} {'on' if most is None else f'to {most}'}"

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= (int(text) if most is None else most):
            raise ValueError(f"it must be {expected}; it is {text!r}")
        return int(text)

    return Form(parse, _integer, expected)


def one_of(*words: _Word) -> Form[_Word]:
    """One of some words."""

    def parse(text: str) -> _Word:
        for word in words:
            if word == text:
                return word
        raise ValueError(f"it must be {' or '.join(words)}; it is {text!r}")

    return Form(parse, _string, " or ".join(f'"{word}"' for word in words))


def address(pattern: str, expected: str) -> Form[str]:
    """Text of a pattern, such as an address."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {expected}; it is {text!r}")
        return text

    return Form(parse, _string, f"a string, {expected}")
