"""Random Cut Forest against the library that it grows its trees with, which takes row after row."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from benchmarks.algorithms import Row
from benchmarks.algorithms._tables import COLUMNS, groups, table
from tests.algorithms.harness import Trained
from tests.algorithms.rows import csv

_BARE = """
import sys, numpy, krcf
rows = numpy.load(sys.argv[1])
forest = krcf.RandomCutForest({"dimensions": rows.shape[1], "shingle_size": 1, "num_trees": 100, "sample_size": 256,
                               "output_after": 1, "random_seed": 1})
for row in rows.tolist():
    forest.update(row)
asked = %r
numpy.save(sys.argv[2], [forest.score(row) for row in numpy.load(asked).tolist()] if asked else [])
"""


def quality() -> Iterator[Row]:
    """How well scores tell malignant cells from benign ones, of which alone it has learned."""
    rows, benign = load_breast_cancer(return_X_y=True)
    rows = ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype(np.float32)
    with table(int(benign.sum()), partial(_of, rows[benign == 1])) as data:
        data.ours("randomcutforest", {"feature_dim": rows.shape[1]})
        trained = Trained("randomcutforest", data.root, 0, "", "")
        answer = json.loads(trained.answer(csv(rows), "text/csv"))["scores"]
        asked = data.npy.with_name("asked.npy")
        np.save(asked, rows)
        _, theirs = data.theirs("randomcutforest", _BARE % str(asked))
    areas = [float(roc_auc_score(benign == 0, each)) for each in ([each["score"] for each in answer], theirs)]
    yield Row("randomcutforest", "breast_cancer", "area under the ROC curve", areas[0], areas[1], "krcf")


def speed() -> Iterator[Row]:
    """Rows a second from the start of the program to the model's file, reading included; peak memory."""
    for power in (4, 5, 6):
        with table(10**power, groups) as data:
            ours = data.ours("randomcutforest", {"feature_dim": COLUMNS})
            theirs, _ = data.theirs("randomcutforest", _BARE % "")
        name = f"10{'⁰¹²³⁴⁵⁶⁷'[power]} × 50"
        yield Row("randomcutforest", name, "rows/s", 10**power / ours.seconds, 10**power / theirs.seconds, "krcf")
        peaks = ours.peak_megabytes, theirs.peak_megabytes
        yield Row("randomcutforest", name, "peak memory, MB", *peaks, "krcf")


def memory() -> Iterator[Row]:
    """Peak memory of ten times the rows."""
    peaks = []
    for rows in (10**6, 10**7):
        with table(rows, groups) as data:
            peaks.append(data.ours("randomcutforest", {"feature_dim": COLUMNS}).peak_megabytes)
    yield Row("randomcutforest", "10⁷ × 50", "peak memory, MB", peaks[1], peaks[0], "10⁶ × 50")


def _of(rows: Any, first: int, count: int) -> Any:
    return rows[first : first + count]
