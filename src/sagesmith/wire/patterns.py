"""The models' regular expressions are Java's; this makes them Python's.

Source: https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/regex/Pattern.html
"""

import itertools
import re
import sys
import unicodedata
from functools import cache

_POSIX = {
    "ASCII": r"\x00-\x7F",
    "Alnum": "0-9A-Za-z",
    "Alpha": "A-Za-z",
    "Digit": "0-9",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Print": r"\x20-\x7E",
    "Graph": r"\x21-\x7E",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r"\s",
    "Cntrl": r"\x00-\x1F\x7F",
}
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_PROPERTY = re.compile(r"\\([pP])\{(?:Is)?(\w+)\}|(\\.)|(\[\^?)|(\])", re.DOTALL)


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern to be used with `fullmatch`, as AWS uses them.

    Raises:
        re.error: it uses what neither Python nor this translation knows.
    """
    return re.compile(_translate(pattern), re.ASCII)


def _translate(pattern: str) -> str:
    pattern = _SURROGATES.sub(lambda pair: _code_point(int(pair[1], 16), int(pair[2], 16)), pattern)
    pattern = pattern.replace(r"[\w-_]", r"[\w\-_]").replace(r"\z", r"\Z")
    # A quantified end of text, as in the tag patterns' `$`{1,128}, means the same once.
    pattern = re.sub(r"\$\{\d+,\d+\}", "$", pattern)
    if "\\p{" not in pattern and "\\P{" not in pattern:
        return pattern
    inside = False
    pieces, position = [], 0
    for found in _PROPERTY.finditer(pattern):
        pieces.append(pattern[position : found.start()])
        position = found.end()
        kind, name, escaped, opened, closed = found.groups()
        if kind:
            ranges = _POSIX.get(name) or _category(name)
            pieces.append(ranges if inside and kind == "p" else f"[{'^' if kind == 'P' else ''}{ranges}]")
        else:
            inside = bool(opened) or (inside and not closed)
            pieces.append(escaped or opened or closed)
    return "".join([*pieces, pattern[position:]])


def _code_point(high: int, low: int) -> str:
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


@cache
def _category(prefix: str) -> str:
    """All characters of a general category (`L`, `Zs`), as ranges for a character class."""
    if not prefix.isalpha() or len(prefix) > 2:
        raise re.error(f"unknown property {prefix}")
    runs = (run for name, run in _runs() if name.startswith(prefix))
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in runs)


@cache
def _runs() -> list[tuple[str, tuple[int, int]]]:
    """Every run of characters of one category. The planes without assigned characters are not looked at (30 ms
    instead of 110): 4 to 13 are unassigned, 15 and 16 for private use."""
    runs = [("Cn", (0x40000, 0xDFFFF)), ("Co", (0xF0000, sys.maxunicode))]
    for first, end in ((0, 0x40000), (0xE0000, 0xF0000)):
        start = first
        for name, run in itertools.groupby(map(unicodedata.category, map(chr, range(first, end)))):
            length = sum(1 for _ in run)
            runs.append((name, (start, start + length - 1)))
            start += length
    return runs
