"""What a client program saw, step by step, as JSON in the file that its first argument names.

A step that fails leaves its traceback and does not keep the others from being taken.
"""

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

Step = Callable[[], Any]
_steps: list[Step] = []


def step(function: Step) -> Step:
    """Register a function; what it returns is what was seen."""
    _steps.append(function)
    return function


def take() -> None:
    """Take all steps in their order, or those that further arguments name."""
    seen: dict[str, Any] = {}
    for function in _steps:
        if sys.argv[2:] and function.__name__ not in sys.argv[2:]:
            continue
        started = time.monotonic()
        try:
            seen[function.__name__] = {"saw": function()}
        except BaseException:
            seen[function.__name__] = {"failed": traceback.format_exc()}
        sys.stderr.write(f"{function.__name__}: {time.monotonic() - started:.1f} s\n")
        Path(sys.argv[1]).write_text(json.dumps(seen, default=str), encoding="utf-8")


@contextlib.contextmanager
def refusal(into: dict[str, str]) -> Any:
    """Note the class and the words of the exception that is expected."""
    try:
        yield
    except Exception as error:
        into |= {"error": type(error).__name__, "words": str(error)}
    else:
        raise AssertionError("This should have been refused.")
