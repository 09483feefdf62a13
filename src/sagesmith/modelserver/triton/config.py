"""`config.pbtxt`: a model's configuration in protobuf's text format.

Source: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html
and https://protobuf.dev/reference/protobuf/textformat-spec/.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Iterator  # noqa: UP035

_WORD = re.compile(r"""\s*(?:\#[^\n]*|(?P<word>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[\w.+-]+|[:{}\[\]<>,;]))?""")
_REPEATED = frozenset({"input", "output", "instance_group", "dims", "warmup", "step", "versions"})
_MAPS = frozenset({"parameters", "input_map", "output_map"})
_OPEN, _CLOSED = frozenset("{<"), frozenset("}>")


def parse(text: str) -> dict[str, Any]:
    """A configuration as Triton gives it to models of the Python backend, in JSON's types.

    Raises:
        ValueError: it is not one.
    """
    tokens = [*_tokens(text)]
    message, end = _message(tokens, 0, closed=False)
    if end != len(tokens):
        raise ValueError(f"{tokens[end]!r} was not expected")
    return message


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None or found.end() == at:
            raise ValueError(f"{text[at : at + 20]!r} was not expected")
        if found["word"]:
            yield found["word"]
        at = found.end()


def _message(tokens: list[str], at: int, *, closed: bool) -> tuple[dict[str, Any], int]:
    message: dict[str, Any] = {}
    while at < len(tokens) and tokens[at] not in _CLOSED:
        name = tokens[at]
        if not name[0].isalpha():
            raise ValueError(f"{name!r} was not expected")
        at += 1
        if _at(tokens, at) == ":":
            at += 1
        value, at = _value(tokens, at)
        _add(message, name, value)
        while _at(tokens, at) in (",", ";"):
            at += 1
    if closed and at == len(tokens):
        raise ValueError("a bracket is not closed")
    return message, at


def _value(tokens: list[str], at: int) -> tuple[Any, int]:
    word = _at(tokens, at)
    if word in _OPEN:
        message, at = _message(tokens, at + 1, closed=True)
        return message, at + 1
    if word != "[":
        return _scalar(word), at + 1
    values, at = [], at + 1
    while _at(tokens, at) != "]":
        value, at = _value(tokens, at)
        values.append(value)
        if _at(tokens, at) == ",":
            at += 1
    return values, at + 1


def _add(message: dict[str, Any], name: str, value: Any) -> None:
    if name in _MAPS:
        for each in value if isinstance(value, list) else [value]:
            message.setdefault(name, {})[each.get("key", "")] = each.get("value")
    elif name in _REPEATED:
        message.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    else:
        message[name] = value


def _at(tokens: list[str], at: int) -> str:
    if at >= len(tokens):
        # The end of the text, which stands for no word.
        return ""
    return tokens[at]


def _scalar(word: str) -> Any:
    if word[:1] in ("'", '"'):
        return ast.literal_eval(word)
    if word in ("true", "false"):
        return word == "true"
    try:
        return int(word, 0)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError:
        pass
    if not word or not word[0].isalpha():
        raise ValueError(f"{word!r} was not expected" if word else "a value is missing at its end")
    return word
