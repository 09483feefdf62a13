"""Reading the algorithms' data: rows a second of each format, and memory over ten times the data."""

import io
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import csv as arrow
from scipy.sparse import random_array
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from benchmarks.figures import Figure, Figures, alternate, seconds
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.data.decode import decode
from sagesmith.algorithms.data.encode import encode
from sagesmith.algorithms.data.read import Source, batches
from tests.integration.conftest import Running

COLUMNS = 50
ROWS = 1_000_000
TEXT_ROWS = 40_000
BATCH = 5000
_CSV, _LIBSVM, _RECORDIO = "text/csv;label_size=0", "text/libsvm", "application/x-recordio-protobuf"


def figures(platform: Running | None = None) -> Figures:
    """Needs no platform."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        yield from _recordio(Path(folder), random)
        yield from _text(Path(folder), random)
    yield from _requests(random)


def _recordio(folder: Path, random: Any) -> Iterator[Figure]:
    source = _channel(folder / "dense", _RECORDIO, _records(random.normal(size=(ROWS, COLUMNS)).astype("f4")))
    path = source.folder / "part"
    ours, peer = alternate(partial(_rate, source, None), partial(_bytes_rate, path), 3)
    yield Figure(
        f"recordio-protobuf, {COLUMNS} columns, rows", "/s", ours, "times", 0.2, peer, "the file's bytes alone"
    )
    once = _peak(source)
    for number in range(9):
        (source.folder / f"part-{number}").symlink_to(path)
    yield Figure("  peak memory at ten million rows", "MiB", _peak(source), "within", 1.1, once, "at one million")
    path.unlink()
    table = random_array((TEXT_ROWS, 10_000), density=0.002, rng=random, dtype=np.float32).tocsr()
    rows = (table[[at]] for at in range(TEXT_ROWS))
    sparse = (protobuf.write({"values": protobuf.Sparse(row.data, row.indices, 10_000)}) for row in rows)
    source = _channel(folder / "sparse", _RECORDIO, recordio.write(sparse))
    rate = max(_rate(source, None, round) for round in range(3))
    yield Figure("recordio-protobuf, sparse, 20 of 10,000, rows", "/s", rate, "times", 1, 100_000, "floor")


def _text(folder: Path, random: Any) -> Iterator[Figure]:
    table = random.normal(size=(TEXT_ROWS, COLUMNS)).astype("f4")
    text = io.BytesIO()
    np.savetxt(text, table, "%.6g", ",")
    source = _channel(folder / "csv", _CSV, text.getvalue())
    path = source.folder / "part"
    ours, peer = alternate(partial(_rate, source, None), lambda _: _loadtxt(path), 3)
    yield Figure(f"csv, {COLUMNS} columns, rows", "/s", ours, "times", 3, peer, "numpy.loadtxt")
    ours, peer = alternate(partial(_rate, source, None), lambda _: _arrow(path), 3)
    yield Figure(f"csv, {COLUMNS} columns, rows", "/s", ours, "times", 0.5, peer, "pyarrow's columns alone")
    sparse = random_array((TEXT_ROWS, 10_000), density=0.002, rng=random, dtype=np.float32).tocsr()
    libsvm = io.BytesIO()
    dump_svmlight_file(sparse, np.arange(TEXT_ROWS) % 2, libsvm)
    source = _channel(folder / "libsvm", _LIBSVM, libsvm.getvalue())
    path = source.folder / "part"
    ours, peer = alternate(partial(_rate, source, 10_000), lambda _: _svmlight(path), 3)
    yield Figure("libsvm, 20 of 10,000, rows", "/s", ours, "times", 1, peer, "load_svmlight_file")


def _requests(random: Any) -> Iterator[Figure]:
    row = random.normal(size=COLUMNS).astype("f4")
    numbers = ",".join(f"{each:.6g}" for each in row)
    bodies = {
        "text/csv": numbers.encode(),
        "application/json": f'{{"instances": [{{"features": [{numbers}]}}]}}'.encode(),
        _RECORDIO: recordio.write([protobuf.write({"values": row})]),
    }
    for kind, body in bodies.items():
        took = _microseconds(partial(decode, body, kind, COLUMNS))
        yield Figure(f"a row of {kind.rpartition('/')[2]} decoded, µs", "", took, "most", 20)
    answer = [{"closest_cluster": 1.0, "distance_to_cluster": 2.5}]
    for kind in bodies:
        took = _microseconds(partial(encode, answer, kind))
        yield Figure(f"an answer in {kind.rpartition('/')[2]} encoded, µs", "", took, "most", 20)


def _channel(folder: Path, content_type: str, content: Any) -> Source:
    folder.mkdir()
    (folder / "part").write_bytes(content)
    return Source("train", folder, content_type)


def _records(table: Any) -> Any:
    """Dense records of a float32 table: each is the first with other numbers."""
    size = 4 * table.shape[1]
    first = np.frombuffer(recordio.write([protobuf.write({"values": table[0]})]), np.uint8)
    start = first.tobytes().find(table[0].tobytes())
    records = np.tile(first, (len(table), 1))
    records[:, start : start + size] = table.view(np.uint8)
    return records.data


def _rate(source: Source, columns: int | None, _round: int) -> float:
    rows = 0

    def read() -> None:
        nonlocal rows
        rows = sum(map(len, batches(source, rows=BATCH, columns=columns)))

    took = seconds(read)
    return rows / took


def _bytes_rate(path: Path, _round: int) -> float:
    data = bytearray(path.stat().st_size)
    with path.open("rb", buffering=0) as file:
        return ROWS / seconds(lambda: file.readinto(data))


def _loadtxt(path: Path) -> float:
    return TEXT_ROWS / seconds(lambda: np.loadtxt(path, np.float32, delimiter=","))


def _arrow(path: Path) -> float:
    options = arrow.ReadOptions(autogenerate_column_names=True)
    return TEXT_ROWS / seconds(lambda: arrow.read_csv(path, options))


def _svmlight(path: Path) -> float:
    return TEXT_ROWS / seconds(lambda: load_svmlight_file(str(path), n_features=10_000, dtype=np.float32))


def _microseconds(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=2000, repeat=5)) / 2000 * 1e6


_PEAK = """
import sys
from pathlib import Path
from sagesmith.algorithms.data.read import Source, batches
source = Source("train", Path(sys.argv[1]), sys.argv[2])
print(sum(map(len, batches(source, rows=int(sys.argv[3])))))
# Its own mark of high water; that of getrusage is its parent's too.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def _peak(source: Source) -> float:
    """MiB that a process of its own needs to read a channel."""
    command = [sys.executable, "-c", _PEAK, str(source.folder), source.content_type, str(BATCH)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]) / 1024
