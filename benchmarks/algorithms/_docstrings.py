"""A data set that every Python has: the documentation strings of its own library.

The words of each line are a text, the package that it is of is its label.
"""

import ast
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("asyncio", "ctypes", "email", "http", "importlib", "json", "logging", "multiprocessing", "unittest", "xml")
_WORDS = 4


def texts() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Labels and texts to learn from, and others to measure with."""
    found = sorted({pair for name in PACKAGES for pair in _of_package(name)})
    random.Random(0).shuffle(found)
    cut = len(found) * 4 // 5
    return found[:cut], found[cut:]


def _of_package(name: str) -> Iterator[tuple[str, str]]:
    for path in (Path(sysconfig.get_path("stdlib")) / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for line in (ast.get_docstring(node) or "").lower().splitlines():
                    words = re.findall(r"\w\w+", line)
                    if len(words) >= _WORDS:
                        yield name, " ".join(words)
