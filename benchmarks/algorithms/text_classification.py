"""Text Classification against logistic regressions on what texts are turned into: words, and the encoder as it is."""

import csv
import io
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.algorithms import Row, _docstrings
from tests.algorithms import harness

_TRAIN, _TEST = 2500, 1000
_BARE = """
import json, sys
import numpy as np, torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegressionCV
from sagesmith.algorithms.encoder import model, tokens

def embedded(texts):
    encoder, _, words = model.packaged()
    found = tokens.Tokens.of(texts, tokens.tokenizer(words))
    out = np.empty((len(texts), 384), np.float32)
    with torch.inference_mode():
        for rows in found.order(np.arange(len(texts)), 64, None):
            out[rows] = encoder.eval()(*found.batch(rows))
    return out

def words(texts):
    return made.transform(texts)

(y, train), (z, test) = json.load(open(sys.argv[1]))
made = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(train)
for kind in (words, embedded):
    fitted = LogisticRegressionCV(Cs=[1, 10, 100], l1_ratios=(0,), use_legacy_attributes=False, max_iter=2000)
    print(fitted.fit(kind(train), y).score(kind(test), z))
"""


def quality() -> Iterator[Row]:
    """The share of texts whose package is told: by all weights fine-tuned, and by the classification layer alone."""
    train, test = (part[:count] for part, count in zip(_docstrings.texts(), (_TRAIN, _TEST), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        words, frozen = _bare(Path(folder), train, test)
        layer = {"train_only_on_top_layer": "True", "epochs": 60, "learning_rate": 0.01}
        ours = _ours(Path(folder) / "layer", train, test, layer)
        yield Row(
            "text_classification", "docstrings, layer alone", "accuracy", ours, frozen, "LogisticRegression, embeddings"
        )
        ours = _ours(Path(folder) / "all", train, test, {"epochs": 3, "optimizer": "adamw"})
        yield Row("text_classification", "docstrings", "accuracy", ours, frozen, "LogisticRegression, embeddings")
        yield Row("text_classification", "docstrings", "accuracy", ours, words, "LogisticRegression, tf-idf")


def _ours(folder: Path, train: list[tuple[str, str]], test: list[tuple[str, str]], given: dict[str, object]) -> float:
    channels = {
        "training": harness.Channel({"data.csv": _rows(train)}),
        "validation": harness.Channel({"data.csv": _rows(test)}),
    }
    trained = harness.train("text_classification", folder, given, channels)
    # The last epoch's: the best one was chosen on the same texts.
    return trained.metrics["validation:accuracy"][-1]


def _rows(texts: list[tuple[str, str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows([_docstrings.PACKAGES.index(label), text] for label, text in texts)
    return file.getvalue()


def _bare(folder: Path, train: list[tuple[str, str]], test: list[tuple[str, str]]) -> tuple[float, float]:
    parts = [
        ([_docstrings.PACKAGES.index(label) for label, _ in part], [text for _, text in part]) for part in (train, test)
    ]
    (folder / "texts.json").write_text(json.dumps(parts))
    command = [harness.python("text_classification"), "-c", _BARE, str(folder / "texts.json")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": "src"}).stdout.split()
    return float(said[0]), float(said[1])
