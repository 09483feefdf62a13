"""BlazingText against fastText called directly."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np

from benchmarks.algorithms import Row, _docstrings
from tests.algorithms import harness

_BARE = """
import sys, time, fasttext
start = time.monotonic()
model = fasttext.train_supervised(sys.argv[1], epoch=20, lr=0.3, dim=50, wordNgrams=2, bucket=100000, verbose=0)
print(time.monotonic() - start, model.test(sys.argv[2])[1])
"""
_VECTORS = """
import os, sys, fasttext
found = fasttext.train_unsupervised(
    sys.argv[1], model=sys.argv[2], dim=100, epoch=int(sys.argv[3]), lr=0.05, ws=5, neg=5, minCount=5,
    t=0.0001, minn=0, maxn=0, thread=len(os.sched_getaffinity(0)), verbose=0,
)
sys.stdout.writelines(" ".join([word, *map(str, found[word])]) + "\\n" for word in found.words)
"""
_RUNS = 3
_GROUPS, _WORDS, _LINES = 50, 20, 10_000
"""Of the generated text: groups, words of each, lines."""
_NEAREST = _WORDS - 1
_EPOCHS = {"skipgram": 5, "cbow": 10}
"""As many as are enough to tell the groups, and too few to tell them all."""
_HYPERPARAMETERS = {
    "mode": "supervised",
    "epochs": 20,
    "learning_rate": 0.3,
    "vector_dim": 50,
    "word_ngrams": 2,
    "buckets": 100_000,
    "min_count": 1,
}


def quality() -> Iterator[Row]:
    """The share of texts whose package is told, and of words' nearest ones that are of the same group.

    Threads learn side by side, each time in another order: figures are means of some runs.
    """
    train, test = _docstrings.texts()
    with tempfile.TemporaryDirectory() as folder:
        found = [(_ours(Path(folder), train, test)[0], _bare(Path(folder), train, test)[0]) for _ in range(_RUNS)]
        yield Row("blazingtext", "docstrings", "accuracy", *_means(found), "fastText")
    data, lines = f"{_LINES:,} generated lines of {_GROUPS} groups of words", _generated()
    with tempfile.TemporaryDirectory() as folder:
        for mode in _EPOCHS:
            found = [_neighbours(Path(folder), lines, mode) for _ in range(_RUNS)]
            yield Row("blazingtext", f"{data}, {mode}", "share of nearest words", *_means(found), f"fastText {mode}")


def speed() -> Iterator[Row]:
    """Words a second, from the start of the program to the model's file."""
    train, test = _docstrings.texts()
    words = 20 * 20 * sum(len(text.split()) for _, text in train)
    with tempfile.TemporaryDirectory() as folder:
        _, ours = _ours(Path(folder), train * 20, test)
        _, bare = _bare(Path(folder), train * 20, test)
        yield Row(
            "blazingtext", "docstrings × 20", "million words/s", words / ours / 1e6, words / bare / 1e6, "fastText"
        )


def _means(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return fmean(ours for ours, _ in pairs), fmean(theirs for _, theirs in pairs)


def _generated() -> str:
    """Lines of ten words, of which four are of one group and the others of any."""
    random = np.random.default_rng(0)
    groups = random.integers(0, _GROUPS, (_LINES, 1))
    groups = np.where(random.random((_LINES, 10)) < 0.4, groups, random.integers(0, _GROUPS, (_LINES, 10)))
    words = groups * _WORDS + random.integers(0, _WORDS, groups.shape)
    return "".join(" ".join(f"w{word}" for word in line) + "\n" for line in words)


def _neighbours(folder: Path, lines: str, mode: str) -> tuple[float, float]:
    """The share of a word's nearest ones, as many as its group has others, that are of its group."""
    given = {"mode": mode, "epochs": _EPOCHS[mode], "evaluation": "false"}
    trained = harness.train("blazingtext", folder / mode, given, {"train": harness.Channel({"a": lines})}, anew=True)
    ours = (trained.root / "model" / "vectors.txt").read_text().splitlines()[1:]
    (folder / "lines").write_text(lines)
    command = [harness.python("blazingtext"), "-c", _VECTORS, str(folder / "lines"), mode, str(_EPOCHS[mode])]
    bare = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return _together(ours), _together(bare)


def _together(lines: list[str]) -> float:
    table = [line.split() for line in lines if line.startswith("w")]
    groups = np.array([int(row[0][1:]) // _WORDS for row in table])
    vectors = np.array([row[1:] for row in table], float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argpartition(-alike, _NEAREST, axis=1)[:, :_NEAREST]
    return float((groups[nearest] == groups[:, None]).mean())


def _lines(texts: list[tuple[str, str]]) -> str:
    return "".join(f"__label__{label} {text}\n" for label, text in texts)


def _ours(folder: Path, train: list[tuple[str, str]], test: list[tuple[str, str]]) -> tuple[float, float]:
    channels = {name: harness.Channel({"a": _lines(texts)}) for name, texts in (("train", train), ("validation", test))}
    harness.prepare(folder / "ours", _HYPERPARAMETERS, channels, "algo-1", ["algo-1"])
    start = time.monotonic()
    trained = harness.finish("blazingtext", folder / "ours", harness.start("blazingtext", folder / "ours", anew=True))
    seconds = time.monotonic() - start
    return trained.metrics["validation:accuracy"][-1], seconds


def _bare(folder: Path, train: list[tuple[str, str]], test: list[tuple[str, str]]) -> tuple[float, float]:
    for name, texts in (("train", train), ("test", test)):
        (folder / name).write_text(_lines(texts))
    start = time.monotonic()
    command = [harness.python("blazingtext"), "-c", _BARE, str(folder / "train"), str(folder / "test")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(json.loads(f"[{said.strip().replace(' ', ',')}]")[1]), time.monotonic() - start
