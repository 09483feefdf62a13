"""What user code prints: split into lines, stamped, written to `output.log`, searched for metrics."""

import os
import re
import signal
import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from sagesmith.agent.metrics import MetricFile
from sagesmith.compute.base import MetricDefinition

# CloudWatch Logs takes events of 256 KB, 26 bytes of which it counts for itself (PutLogEvents).
MAX_LINE_BYTES = 262_144 - 26
KEPT_LINES = 60
KEPT_LINE_CHARACTERS = 2_000
DATA_LOG = "@"
"""Follows the time of a line that belongs into the data log; of one of several containers, its name follows this."""
_METRIC_LINE_CHARACTERS = 8_192
_METRIC_SECONDS = 1.0
# Of many returns in a row every one is looked at once: `\r*\n` would look at each again from each.
_END_OF_LINE = re.compile(rb"\r+\n?|\n")


class LineSplitter:
    """Cuts a stream of bytes into lines, whatever the pieces; holds at most one line.

    A carriage return ends a line too: each state of a progress bar is one. A line longer than a log event may be is cut
    between characters.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        text = self._rest + data
        whole, found, rest = text.rpartition(b"\n")
        if b"\r" not in text and max(map(len, whole.split(b"\n"))) <= MAX_LINE_BYTES:
            # What programs mostly print: a program that prints a lot is not to wait for us.
            yield from _decode(whole).split("\n") if found else ()
        else:
            rest = yield from self._lines_of(text)
        while len(rest) > MAX_LINE_BYTES + 1:
            end = _boundary(rest)
            yield _decode(rest[:end])
            rest = rest[end:]
        self._rest = rest

    @staticmethod
    def _lines_of(text: bytes) -> Generator[str, None, bytes]:
        """The lines of a text in which returns may end lines as well, and which may be too long; returns the rest."""
        # Whether a return at the very end stands alone is only known with the next piece.
        usable = len(text.rstrip(b"\r"))
        start = 0
        for match in _END_OF_LINE.finditer(text, 0, usable):
            # A return before each state of a progress bar would otherwise leave empty lines that nobody printed.
            if match[0].endswith(b"\n") or match.start() > start:
                yield from _cut(text[start : match.start()])
            start = match.end()
        return text[start:]

    def end(self) -> Iterator[str]:
        """What the stream ended with, if that was not a line's end."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        if rest:
            yield from _cut(rest)


def _cut(line: bytes) -> Iterator[str]:
    while len(line) > MAX_LINE_BYTES:
        end = _boundary(line)
        yield _decode(line[:end])
        line = line[end:]
    yield _decode(line)


def _boundary(line: bytes) -> int:
    """Where to cut: at most three bytes back lies the beginning of a UTF-8 character."""
    for end in range(MAX_LINE_BYTES, MAX_LINE_BYTES - 4, -1):
        if line[end] & 0xC0 != 0x80:
            return end
    return MAX_LINE_BYTES


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


class MetricScraper:
    """Finds metrics in lines by the user's regular expressions, and keeps the last value of each.

    A regular expression can take forever on some line; one that does is given up. Call it from the main thread: the
    limit is a timer's signal, which the matching engine looks at.
    """

    def __init__(self, definitions: Sequence[MetricDefinition]) -> None:
        self._last: dict[str, dict[str, Any]] = {}
        self._expressions: list[tuple[str, re.Pattern[str]]] = []
        self.complaints: list[str] = []
        for definition in definitions:
            try:
                self._expressions.append((definition.name, re.compile(definition.regex)))
            except re.error as error:
                self.complaints.append(f"The regular expression of metric {definition.name} is not valid: {error}")

    def scan(self, lines: Sequence[str], now: float) -> Mapping[str, Sequence[float]]:
        """The values in some lines by metric, in their order."""
        found: dict[str, list[float]] = defaultdict(list)
        if not self._expressions:
            return found
        before = signal.signal(signal.SIGALRM, _expire)
        try:
            for entry in list(self._expressions):
                self._scan_one(entry, lines, found)
        finally:
            signal.signal(signal.SIGALRM, before)
        for name, values in found.items():
            self._last[name] = {"MetricName": name, "Value": values[-1], "Timestamp": now}
        return found

    def _scan_one(
        self, entry: tuple[str, re.Pattern[str]], lines: Sequence[str], values: dict[str, list[float]]
    ) -> None:
        name, expression = entry
        try:
            signal.setitimer(signal.ITIMER_REAL, _METRIC_SECONDS)
            try:
                for line in lines:
                    found = expression.search(line[:_METRIC_LINE_CHARACTERS])
                    value = _number(found) if found else None
                    if value is not None:
                        values[name].append(value)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except _TooLong:
            self._expressions.remove(entry)
            self.complaints.append(f"The regular expression of metric {name} takes too long; it is not used any more.")

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList: the last value of each metric that was seen."""
        return list(self._last.values())


def _number(found: re.Match[str]) -> float | None:
    try:
        return float(found[1] if found.re.groups else found[0])
    except (ValueError, TypeError):
        return None


class _TooLong(Exception):
    pass


def _expire(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong


class Output:
    """A task's `output.log`: user code's lines and the agent's own, in the order in which they came.

    Args:
        container: whose lines they are, of a model that has several: all write to the file of their task.
    """

    def __init__(
        self,
        path: Path,
        metric_definitions: Sequence[MetricDefinition] = (),
        samples: Path | None = None,
        container: str = "",
    ) -> None:
        self._mark = f"{DATA_LOG}{container}" if container else ""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._splitter = LineSplitter()
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._full = False
        self.metrics = MetricScraper(metric_definitions)
        self.samples = MetricFile(samples or path.with_name("metrics.jsonl"), container)

    def say(self, line: str) -> None:
        """Write a line of the agent's own."""
        self._write(list(self._cut_own(line)))

    def say_of_data(self, line: str) -> None:
        """Write a line of the data log, from any thread."""
        self._write(list(self._cut_own(line)), DATA_LOG)

    def feed(self, data: bytes) -> None:
        """Take what user code printed; empty at its end."""
        lines = list(self._splitter.feed(data) if data else self._splitter.end())
        if not lines:
            return
        self._last.extend(line[:KEPT_LINE_CHARACTERS] for line in lines[-KEPT_LINES:])
        self._write(lines)
        now = time.time()
        self.samples.write(int(now), self.metrics.scan(lines, now))
        while self.metrics.complaints:
            self._write([self.metrics.complaints.pop(0)])

    def last_lines(self, count: int = KEPT_LINES) -> list[str]:
        """The last lines that user code printed, at most 60, cut."""
        return list(self._last)[-count:]

    def flush(self) -> None:
        """Make what was written durable."""
        os.fsync(self._descriptor)

    @staticmethod
    def _cut_own(line: str) -> Iterator[str]:
        for part in line.splitlines() or [""]:
            yield from _cut(part.encode("utf-8", "replace"))

    def _write(self, lines: Sequence[str], mark: str | None = None) -> None:
        if self._full:
            return
        stamp = f"{int(time.time() * 1000)}{self._mark if mark is None else mark} "
        block = (stamp + f"\n{stamp}".join(lines) + "\n").encode("utf-8", "replace")
        try:
            while block:
                block = block[os.write(self._descriptor, block) :]
        except OSError:
            # A full disk must not end the job from here: its own writes fail soon, with a reason that says so.
            self._full = True
