"""BlazingText against fastText called directly."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from benchmarks.algorithms import Row, _docstrings, _operations
from tests.algorithms import harness

_BARE = """
import sys, time, fasttext
start = time.monotonic()
model = fasttext.train_supervised(sys.argv[1], epoch=20, lr=0.3, dim=50, wordNgrams=2, bucket=100000, verbose=0)
print(time.monotonic() - start, model.test(sys.argv[2])[1])
"""
_VECTORS = """
import sys, fasttext
from sagesmith.algorithms.blazingtext import model, similarity
found = fasttext.train_unsupervised(
    sys.argv[1], model=sys.argv[2], dim=100, epoch=5, lr=0.05, ws=5, neg=5, minCount=5, t=0.0001, minn=0, maxn=0,
    verbose=0,
)
print(similarity.evaluate(model.Words.of(found))["spearmans_rho"])
"""
_RUNS = 3
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
    """The share of texts whose package is told, and how far similarities of words go with people's ratings.

    Threads learn side by side, each time in another order: figures are means of some runs.
    """
    train, test = _docstrings.texts()
    with tempfile.TemporaryDirectory() as folder:
        found = [(_ours(Path(folder), train, test)[0], _bare(Path(folder), train, test)[0]) for _ in range(_RUNS)]
        yield Row("blazingtext", "docstrings", "accuracy", *_means(found), "fastText")
    learned, others = _operations.texts()
    lines = "".join(f"{text}\n" for _, text in [*learned, *others])
    with tempfile.TemporaryDirectory() as folder:
        for mode, bare in (("skipgram", "skipgram"), ("batch_skipgram", "skipgram"), ("cbow", "cbow")):
            pairs = [_correlations(Path(folder), lines, mode, bare) for _ in range(_RUNS)]
            yield Row("blazingtext", f"AWS's operations, {mode}", "mean_rho", *_means(pairs), f"fastText {bare}")


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


def _correlations(folder: Path, lines: str, mode: str, bare: str) -> tuple[float, float]:
    """Spearman's rank correlation with WordSimilarity-353."""
    trained = harness.train("blazingtext", folder / mode, {"mode": mode}, {"train": harness.Channel({"a": lines})})
    (folder / "lines").write_text(lines)
    command = [harness.python("blazingtext"), "-c", _VECTORS, str(folder / "lines"), bare]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": "src"}).stdout
    return trained.metrics["train:mean_rho"][-1], float(said)


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
