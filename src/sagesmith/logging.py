"""Structured logs: one JSON object a line on standard error, written whole, so that processes may share a file.

    log = logging.get("api")
    log.info("ready", port=9900)

gives `{"time":"2026-01-31T12:00:00.123Z","level":"info","process":"api","event":"ready","port":9900}`. Nothing secret
goes into a field; those whose name says that they are (`secret`, `token`, `password`, `authorization`) are blanked.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

_SECRET_WORDS = ("secret", "token", "password", "authorization")
# Instances of compiled classes have not the memory that orjson expects of a dataclass.
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Log:
    """Writes the events of one part of the platform. Safe to use from any thread."""

    def __init__(self, part: str) -> None:
        self._part = part

    def debug(self, event: str, /, **fields: Any) -> None:
        if _debugging:
            _write("debug", self._part, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        _write("info", self._part, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        _write("warning", self._part, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        _write("error", self._part, event, fields)

    def exception(self, event: str, error: BaseException | None = None, /, **fields: Any) -> None:
        """An error with the traceback of `error`, by default of the exception that is being handled."""
        error = error or sys.exc_info()[1]
        if error is not None:
            fields["traceback"] = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        _write("error", self._part, event, fields)


class _Bridge(logging.Handler):
    """Turns the standard library's records into the same lines. What `extra` holds, also below `fields`, is kept."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
            fields.update(fields.pop("fields", {}))
            if record.exc_info and record.exc_info[1] is not None:
                fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
            _write(record.levelname.lower(), record.name.removeprefix("sagesmith."), record.getMessage(), fields)
        except Exception:
            self.handleError(record)


def get(part: str) -> Log:
    """The log of one part, such as `api`."""
    return Log(part)


def capture_standard_logging() -> None:
    """Send what is logged through the standard library the same way: our own from level INFO, others' warnings."""
    logging.basicConfig(handlers=[_Bridge()], level=logging.WARNING, force=True)
    logging.getLogger("sagesmith").setLevel(logging.DEBUG if _debugging else logging.INFO)


_debugging = os.environ.get("SAGESMITH_LOG_LEVEL", "").lower() == "debug"


class _Batch:
    """Lines that were written in one turn of an event loop and leave together. Belongs to the loop's thread."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._owner = threading.get_ident()
        self._lines: list[bytes] = []

    def add(self, line: bytes) -> bool:
        """Whether the line was taken: those of other threads are not."""
        if threading.get_ident() != self._owner:
            return False
        if not self._lines:
            self._call_soon(self.flush)
        self._lines.append(line)
        return True

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            _put(b"".join(lines))


_batch: _Batch | None = None


def batch(call_soon: Callable[[Callable[[], None]], object]) -> None:
    """From now on write what this thread logs at the end of its event loop's turn: a call of the system for many lines.

    What is logged last, before the loop ends, is written by `unbatch`.

    Args:
        call_soon: the running loop's.
    """
    global _batch  # noqa: PLW0603
    _batch = _Batch(call_soon)


def unbatch() -> None:
    """Write what waits, and from now on each line at once."""
    global _batch
    former, _batch = _batch, None
    if former is not None:
        former.flush()


def _put(data: bytes) -> None:
    with contextlib.suppress(OSError):  # a full disk is no reason to fail what was being logged
        os.write(2, data)


@functools.lru_cache(maxsize=2)
def _moment(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _write(level: str, part: str, event: str, fields: dict[str, Any]) -> None:
    now = time.time()
    line: dict[str, Any] = {
        "time": f"{_moment(int(now))}.{int(now * 1000) % 1000:03d}Z",
        "level": level,
        "process": part,
        "event": event,
    }
    for name, value in fields.items():
        if value is not None:
            line[name] = "***" if _names_a_secret(name) else value
    data = _encode(line)
    if _batch is None or not _batch.add(data):
        _put(data)


@functools.lru_cache(maxsize=1024)
def _names_a_secret(field: str) -> bool:
    return any(word in field.lower() for word in _SECRET_WORDS)


def _encode(line: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, default=str, option=_OPTIONS)
    except TypeError:  # lone surrogates of undecodable file names, integers beyond 64 bits
        return (json.dumps(line, default=str, skipkeys=True) + "\n").encode()
