"""LDA trains and answers as its image does."""

import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from tests.algorithms.harness import Channel, train

DIGITS = load_digits().data[:300].astype(int)
NO_LABEL = "text/csv;label_size=0"
GIVEN = {"num_topics": 3, "feature_dim": 64, "mini_batch_size": 300}


def csv(rows: "np.ndarray[tuple[int, int], np.dtype[np.int64]]") -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())


def test_documents_become_topics_and_mixtures(tmp_path: Path) -> None:
    channels = {"train": Channel({"a.csv": csv(DIGITS)}, NO_LABEL), "test": Channel({"a.csv": csv(DIGITS)}, NO_LABEL)}
    trained = train("lda", tmp_path, GIVEN, channels)
    assert trained.exit_code == 0, trained.log
    # 64 words that are all alike would have this logarithm.
    assert -np.log(64) < trained.metrics["test:pwll"][0] < 0
    assert trained.metrics["test:pwll"] == trained.metrics["train:pwll"]
    answered = json.loads(trained.answer(csv(DIGITS[:2]), "text/csv", "application/json"))["predictions"]
    assert all(abs(sum(each["topic_mixture"]) - 1) < 1e-6 and len(each["topic_mixture"]) == 3 for each in answered)


def test_negative_counts_are_refused_with_their_place(tmp_path: Path) -> None:
    rows = DIGITS.copy()
    rows[6, 4] = -1
    trained = train("lda", tmp_path, GIVEN, {"train": Channel({"a.csv": csv(rows)}, NO_LABEL)})
    assert trained.failure.startswith("ClientError: ")
    assert "row 7, column 5" in trained.failure
