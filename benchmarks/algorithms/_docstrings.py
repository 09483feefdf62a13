"""A data set that every Python has: the documentation strings of its own library.

The words of each line are a text, the package that it is of is its label.
"""

import ast
import itertools
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("asyncio", "ctypes", "email", "http", "importlib", "json", "logging", "multiprocessing", "unittest", "xml")
_WORDS = 4


def texts(seed: int = 0) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Labels and texts to learn from, and others to measure with; another division for another seed."""
    found = sorted({pair for name in PACKAGES for pair in _of_package(name)})
    random.Random(seed).shuffle(found)
    cut = len(found) * 4 // 5
    return found[:cut], found[cut:]


def pairs() -> list[tuple[int, str, str]]:
    """Two lines and 1 if the second follows the first one in a documentation string, 0 if it is of another package."""
    random_ = random.Random(0)
    lines = {name: list(_of_package(name)) for name in PACKAGES}
    found = set()
    for name in PACKAGES:
        others = [text for other in PACKAGES if other != name for _, text in lines[other]]
        for (_, one), (_, follower) in itertools.pairwise(lines[name]):
            same = random_.random() < 0.5
            found.add((int(same), one, follower if same else random_.choice(others)))
    ordered = sorted(found)
    random_.shuffle(ordered)
    return ordered


def _of_package(name: str) -> Iterator[tuple[str, str]]:
    for path in (Path(sysconfig.get_path("stdlib")) / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for line in (ast.get_docstring(node) or "").lower().splitlines():
                    words = re.findall(r"\w\w+", line)
                    if len(words) >= _WORDS:
                        yield name, " ".join(words)
