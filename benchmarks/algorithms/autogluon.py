"""AutoGluon-Tabular against scikit-learn's gradient boosting."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from sklearn import datasets, metrics
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

from benchmarks.algorithms import Row
from tests.algorithms import harness


def quality() -> Iterator[Row]:
    """What is told of rows that were held out."""
    for name, kind in (("breast_cancer", "classification"), ("diabetes", "regression")):
        rows, target = getattr(datasets, f"load_{name}")(return_X_y=True)
        split = train_test_split(rows, target, test_size=0.3, random_state=0)
        with tempfile.TemporaryDirectory() as folder:
            repository = f"autogluon-{kind}-ensemble"
            with mock.patch.dict("os.environ", {"SAGESMITH_REPOSITORY": repository}):
                found = _ours(Path(folder), *split[:3])
        regression = kind == "regression"
        bare = (HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier)(random_state=0)
        bare.fit(split[0], split[2])
        theirs = bare.predict(split[1]) if regression else bare.predict_proba(split[1])[:, 1]
        score, label = (metrics.r2_score, "R²") if regression else (metrics.roc_auc_score, "area under the ROC curve")
        yield Row(
            "autogluon",
            name,
            label,
            score(split[3], found),
            score(split[3], theirs),
            "scikit-learn HistGradientBoosting",
        )


def _ours(folder: Path, rows: Any, asked: Any, target: Any) -> Any:
    def text(table: Any) -> str:
        return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in table)

    data = {"training": harness.Channel({"train/data.csv": text(np.column_stack([target, rows]))})}
    trained = harness.train("autogluon", folder, {"verbosity": 0, "time_limit": 60}, data)
    answer = json.loads(trained.answer(text(asked), "text/csv"))
    return np.array(answer["prediction"]) if "prediction" in answer else np.array(answer["probabilities"])[:, 1]
