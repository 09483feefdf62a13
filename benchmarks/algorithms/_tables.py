"""Tables of numbers as jobs have them, and programs that are measured from their start to their end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import ndarrays
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.declaration import RECORDIO
from tests.algorithms import forks, harness

COLUMNS = 50
_CHUNK = 100_000


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended well: its wall time, and the most memory that it had."""

    seconds: float
    peak_megabytes: float


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that two programs learn from.

    Attributes:
        npy: the rows as an array's file; their labels, if they have any, are one beside it, `labels.npy`.
        root: /opt/ml of a job with them as its channel `train`, in recordio-protobuf.
    """

    npy: Path
    root: Path

    def rows(self) -> Any:
        return np.load(self.npy, mmap_mode="r")

    def ours(self, name: str, hyperparameters: Mapping[str, object]) -> Ended:
        """Train as an image does."""
        channels = {"train": harness.Channel({}, RECORDIO)}
        harness.prepare(self.root, hyperparameters, channels, "algo-1", ["algo-1"])
        command = ["-m", "sagesmith.algorithms", "train", name, "--root", str(self.root)]
        return _run([harness.python(name), *command])

    def theirs(self, name: str, program: str) -> tuple[Ended, Any]:
        """Run a program with the rows' file and that of its result, an array, as arguments."""
        result = self.npy.with_suffix(".result.npy")
        ended = _run([harness.python(name), "-c", program, str(self.npy), str(result)])
        return ended, np.load(result)

    def labels(self) -> Any:
        return np.load(self.npy.with_name("labels.npy"), mmap_mode="r")

    def model(self) -> ndarrays.NDArrays:
        return ndarrays.read(self.root / "model", "this algorithm")


@contextmanager
def table(
    rows: int, make: Callable[[int, int], Any], label: Callable[[Any, int], Any] | None = None
) -> Iterator[Table]:
    """A table in a temporary directory.

    Args:
        make: given the number of the first row and how many, float32 rows.
        label: given rows and the number of the first, their float32 labels.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        channel = folder / "ml" / "input" / "data" / "train"
        channel.mkdir(parents=True)
        columns = make(0, 1).shape[1]
        array = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.float32, (rows, columns))
        labels: list[Any] = []
        with (channel / "rows.pbr").open("wb") as file:
            for first in range(0, rows, _CHUNK):
                part = make(first, min(_CHUNK, rows - first))
                array[first : first + len(part)] = part
                labels += [] if label is None else [np.asarray(label(part, first), np.float32)]
                file.write(records(part, labels[-1] if labels else None))
        array.flush()
        del array
        if labels:
            np.save(folder / "labels.npy", np.concatenate(labels))
        yield Table(folder / "rows.npy", folder / "ml")


def numbers(first: int, count: int) -> Any:
    """Normally distributed rows, in which there is nothing to find."""
    return np.random.default_rng((1, first)).standard_normal((count, COLUMNS), np.float32)


def groups(first: int, count: int) -> Any:
    """Rows around thirty centres of unlike sizes and widths that overlap."""
    fixed = np.random.default_rng(2)
    centres = fixed.normal(0, 1, (30, COLUMNS)).astype(np.float32)
    shares = fixed.dirichlet(np.full(30, 0.8))
    widths = fixed.gamma(4, 0.25, 30).astype(np.float32)
    random = np.random.default_rng((3, first))
    numbers_of = random.choice(30, count, p=shares)
    noise = random.standard_normal((count, COLUMNS), np.float32)
    return centres[numbers_of] + noise * widths[numbers_of, None]


def directions(first: int, count: int) -> Any:
    """Rows whose variance falls by a tenth from direction to direction."""
    mixing = (
        np.linalg.qr(np.random.default_rng(4).normal(size=(COLUMNS, COLUMNS)))[0] * 0.9 ** np.arange(COLUMNS)[:, None]
    )
    return (
        np.random.default_rng((5, first)).standard_normal((count, COLUMNS), np.float32) @ mixing.astype(np.float32) + 3
    )


def records(rows: Any, labels: Any = None) -> bytes:
    """RecordIO-protobuf: all records are of one layout, so one is a pattern for the others."""
    # Numbers that stand nowhere else in a record, to find their places by.
    marker, mark = np.arange(1, rows.shape[1] + 1, dtype=np.float32), np.full(1, 7.6543e7, np.float32)
    pattern = recordio.write([protobuf.write({"values": marker}, None if labels is None else {"values": mark})])
    found = np.tile(np.frombuffer(pattern, np.uint8), (len(rows), 1))
    at = pattern.index(marker.tobytes())
    found[:, at : at + marker.nbytes] = np.ascontiguousarray(rows, "<f4").view(np.uint8).reshape(len(rows), -1)
    if labels is not None:
        at = pattern.index(mark.tobytes())
        found[:, at : at + mark.nbytes] = np.ascontiguousarray(labels, "<f4")[:, None].view(np.uint8)
    return found.tobytes()


# A program's peak memory counts that of whoever started it: so a small one starts it.
_STARTER = """
import resource, subprocess, sys, time
start = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def _run(command: list[str]) -> Ended:
    environment = os.environ | {"PYTHONPATH": str(forks.SOURCE)}
    starter = [sys.executable, "-S", "-c", _STARTER, *command]
    ended = subprocess.run(starter, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"It ended with {ended.returncode}: {command[:6]}\n{ended.stderr}")
    seconds, kilobytes = ended.stdout.split()
    return Ended(float(seconds), int(kilobytes) / 1024)
