"""BlazingText against fastText called directly and scikit-learn, on the documentation strings of Python's own library.

Each line of a documentation string is a text, the package that it is of is its label.
"""

import ast
import json
import random
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.algorithms import Row
from tests.algorithms import harness

PACKAGES = ("asyncio", "email", "unittest", "xml", "multiprocessing", "http", "logging", "importlib", "ctypes", "json")
_WORDS = 4
_BARE = """
import sys, time, fasttext
start = time.monotonic()
model = fasttext.train_supervised(sys.argv[1], epoch=20, lr=0.3, dim=50, wordNgrams=2, bucket=100000, verbose=0)
print(time.monotonic() - start, model.test(sys.argv[2])[1])
"""
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
    """The share of texts whose package is told."""
    train, test = _texts()
    with tempfile.TemporaryDirectory() as folder:
        ours, _ = _ours(Path(folder), train, test)
        bare, _ = _bare(Path(folder), train, test)
        yield Row("blazingtext", "docstrings", "accuracy", ours, bare, "fastText")
        yield Row("blazingtext", "docstrings", "accuracy", ours, _linear(train, test), "TF-IDF, LogisticRegression")


def speed() -> Iterator[Row]:
    """Words a second, from the start of the program to the model's file."""
    train, test = _texts()
    words = 20 * 20 * sum(len(text.split()) for _, text in train)
    with tempfile.TemporaryDirectory() as folder:
        _, ours = _ours(Path(folder), train * 20, test)
        _, bare = _bare(Path(folder), train * 20, test)
        yield Row(
            "blazingtext", "docstrings × 20", "million words/s", words / ours / 1e6, words / bare / 1e6, "fastText"
        )


def _texts() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    texts = sorted({pair for name in PACKAGES for pair in _of_package(name)})
    random.Random(0).shuffle(texts)
    cut = len(texts) * 4 // 5
    return texts[:cut], texts[cut:]


def _of_package(name: str) -> Iterator[tuple[str, str]]:
    for path in (Path(sysconfig.get_path("stdlib")) / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for line in (ast.get_docstring(node) or "").lower().splitlines():
                    if len(line.split()) >= _WORDS:
                        yield name, " ".join(line.split())


def _lines(texts: list[tuple[str, str]]) -> str:
    return "".join(f"__label__{label} {text}\n" for label, text in texts)


def _ours(folder: Path, train: list[tuple[str, str]], test: list[tuple[str, str]]) -> tuple[float, float]:
    channels = {name: harness.Channel({"a": _lines(texts)}) for name, texts in (("train", train), ("validation", test))}
    harness.prepare(folder / "ours", _HYPERPARAMETERS, channels, "algo-1", ["algo-1"])
    start = time.monotonic()
    trained = harness.finish("blazingtext", folder / "ours", harness.start("blazingtext", folder / "ours"))
    seconds = time.monotonic() - start
    return trained.metrics["validation:accuracy"][-1], seconds


def _bare(folder: Path, train: list[tuple[str, str]], test: list[tuple[str, str]]) -> tuple[float, float]:
    for name, texts in (("train", train), ("test", test)):
        (folder / name).write_text(_lines(texts))
    start = time.monotonic()
    command = [harness.python("blazingtext"), "-c", _BARE, str(folder / "train"), str(folder / "test")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(json.loads(f"[{said.strip().replace(' ', ',')}]")[1]), time.monotonic() - start


def _linear(train: list[tuple[str, str]], test: list[tuple[str, str]]) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=20, max_iter=1000))
    model.fit([text for _, text in train], [label for label, _ in train])
    return float(model.score([text for _, text in test], [label for label, _ in test]))
