"""PCA trains and answers as its image does."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA

from tests.algorithms.harness import Channel, train

WINE = load_wine().data.astype(np.float32)
NO_LABEL = "text/csv;label_size=0"


def csv(rows: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> str:
    return "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_projections_are_scikit_learns_with_the_largest_last(tmp_path: Path, mode: str) -> None:
    channels = {"train": Channel({"a.csv": csv(WINE)}, NO_LABEL), "test": Channel({"a.csv": csv(WINE)}, NO_LABEL)}
    given = {"feature_dim": 13, "num_components": 2, "mini_batch_size": 50, "algorithm_mode": mode}
    trained = train("pca", tmp_path, given, channels)
    assert trained.exit_code == 0, trained.log
    reference = PCA(2, svd_solver="full").fit(WINE)
    assert trained.metrics["train:explained_variance"][0] == pytest.approx(reference.explained_variance_ratio_.sum())
    assert trained.metrics["test:explained_variance"] == pytest.approx(trained.metrics["train:explained_variance"])
    answered = json.loads(trained.answer(csv(WINE[:5]), "text/csv", "application/json"))["projections"]
    found = np.array([each["projection"] for each in answered])[:, ::-1]
    np.testing.assert_allclose(np.abs(found), np.abs(reference.transform(WINE[:5])), rtol=1e-3, atol=1e-2)


def test_more_components_than_features_or_rows_are_refused(tmp_path: Path) -> None:
    channels = {"train": Channel({"a.csv": "1,2,3\n4,5,6\n"}, NO_LABEL)}
    given = {"feature_dim": 3, "mini_batch_size": 10}
    features = train("pca", tmp_path / "features", given | {"num_components": 4}, channels)
    assert features.failure.startswith("ClientError: ")
    assert "num_components=4 is larger than feature_dim=3" in features.failure
    rows = train("pca", tmp_path / "rows", given | {"num_components": 3}, channels)
    assert "larger than the number of rows in the training data, 2" in rows.failure
