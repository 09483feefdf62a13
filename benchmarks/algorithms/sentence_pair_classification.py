"""Sentence Pair Classification against a logistic regression on both sentences' embeddings."""

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
from sklearn.linear_model import LogisticRegressionCV
from sagesmith.algorithms.encoder import model, tokens

encoder, _, words = model.packaged()

def embedded(texts):
    found = tokens.Tokens.of(texts, tokens.tokenizer(words))
    out = np.empty((len(texts), 384), np.float32)
    with torch.inference_mode():
        for rows in found.order(np.arange(len(texts)), 64, None):
            out[rows] = encoder.eval()(*found.batch(rows))
    return out / np.linalg.norm(out, axis=1, keepdims=True)

def features(pairs):
    one, other = (embedded([pair[at] for pair in pairs]) for at in (1, 2))
    return np.concatenate([one * other, np.abs(one - other), (one * other).sum(axis=1, keepdims=True)], axis=1)

train, test = json.load(open(sys.argv[1]))
fitted = LogisticRegressionCV(Cs=[0.1, 1, 10, 100], l1_ratios=(0,), use_legacy_attributes=False, max_iter=2000)
fitted.fit(features(train), [pair[0] for pair in train])
print(fitted.score(features(test), [pair[0] for pair in test]))
"""


def quality() -> Iterator[Row]:
    """The share of pairs that are told."""
    pairs = _docstrings.pairs()
    train, test = pairs[:_TRAIN], pairs[_TRAIN : _TRAIN + _TEST]
    channels = {
        name: harness.Channel({"data.csv": _rows(part)}) for name, part in (("training", train), ("validation", test))
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pairs.json").write_text(json.dumps([train, test]))
        command = [harness.python("sentence_pair_classification"), "-c", _BARE, str(Path(folder) / "pairs.json")]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": "src"}).stdout
        given = {"epochs": 3, "optimizer": "adamw"}
        trained = harness.train("sentence_pair_classification", Path(folder) / "ours", given, channels)
        ours = trained.metrics["eval_accuracy"][-1]
        yield Row(
            "sentence_pair_classification",
            "docstrings, is it the next line",
            "accuracy",
            ours,
            float(said),
            "LogisticRegression, embeddings",
        )


def _rows(pairs: list[tuple[int, str, str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(pairs)
    return file.getvalue()
