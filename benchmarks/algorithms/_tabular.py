"""Tables that the tabular algorithms of JumpStart and a bare library learn from, and how wrong they are afterwards."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from benchmarks.algorithms import Row
from tests.algorithms import harness
from tests.algorithms.harness import Channel

_REGRESSION = "lightgbm-regression-model"


@dataclass(frozen=True, slots=True)
class Set:
    """A data set.

    Attributes:
        load: its features and labels.
        classes: how many there are; 0 of a regression.
        categories: the features that are categories.
    """

    name: str
    load: Callable[[], tuple[Any, Any]]
    classes: int
    categories: tuple[int, ...] = ()


def _census() -> tuple[Any, Any]:
    """Rows of which a third are categories that matter together: what people earn by their work, place and age."""
    random = np.random.default_rng(0)
    rows = 6000
    work, place = random.integers(0, 12, rows), random.integers(0, 20, rows)
    numbers = random.normal(size=(rows, 4))
    by_work, by_place = random.normal(size=12), random.normal(size=20)
    together = random.normal(size=(12, 20)) * 0.7
    score = by_work[work] + by_place[place] + together[work, place] + numbers[:, 0] - 0.5 * numbers[:, 1] ** 2
    labels = (score + random.logistic(size=rows) * 0.5 > 0).astype(int)
    return np.column_stack([numbers, work, place]), labels


CATEGORIES = Set("6,000 generated rows, 4 numbers and 2 categories", _census, 2, (4, 5))
SETS = (
    Set("breast_cancer", lambda: load_breast_cancer(return_X_y=True), 2),
    Set("digits", lambda: load_digits(return_X_y=True), 10),
    Set("diabetes", lambda: load_diabetes(return_X_y=True), 0),
    CATEGORIES,
)
_PROGRAM = """\
import json, sys, numpy
classes, categories, folder = json.loads(sys.argv[1])
train, held, test = (numpy.load(f"{folder}/{name}.npy") for name in ("train", "held", "test"))
%s
numpy.save(f"{folder}/found.npy", found)
"""


def compared(
    algorithm: str,
    data: Set,
    given: Mapping[str, object],
    program: str,
    reference: str,
    seeds: Iterable[int] = range(3),
) -> Iterator[Row]:
    """The mean of some divisions: log loss and error rate of classes, RMSE of a regression.

    Args:
        program: has `train` and `held` with labels first, `test` without, `categories` and `classes`, and makes
            `found`.
        seeds: of the divisions.
    """
    features, labels = data.load()
    table = np.column_stack([labels, features]).astype(np.float32)
    ours, theirs = [], []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(table))
        train, held, test = np.split(table[order], [len(table) * 6 // 10, len(table) * 8 // 10])
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            ours.append(_errors(_ours(algorithm, data, given, (train, held, test), root / "ml"), test[:, 0]))
            for name, part in (("train", train), ("held", held), ("test", test[:, 1:])):
                np.save(root / f"{name}.npy", part)
            told = json.dumps([data.classes, data.categories, folder])
            command = [harness.python(algorithm), "-W", "ignore", "-c", _PROGRAM % program, told]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            theirs.append(_errors(np.load(root / "found.npy"), test[:, 0]))
    for metric in ours[0]:
        means = [float(np.mean([each[metric] for each in both])) for both in (ours, theirs)]
        yield Row(algorithm, data.name, metric, *means, reference)


def _ours(algorithm: str, data: Set, given: Mapping[str, object], parts: tuple[Any, Any, Any], root: Path) -> Any:
    train, held, test = parts
    files = {"train/data.csv": _csv(train), "validation/data.csv": _csv(held)}
    if data.categories:
        files["categorical_index.json"] = json.dumps({"cat_index_list": [each + 1 for each in data.categories]})
    os.environ["SAGESMITH_REPOSITORY"] = "" if data.classes else _REGRESSION
    trained = harness.train(algorithm, root, given, {"training": Channel(files, "text/csv")})
    assert trained.exit_code == 0, trained.log
    answer = json.loads(trained.answer(_csv(test[:, 1:]), "text/csv"))
    return np.array(answer["probabilities" if data.classes else "prediction"])


def _errors(found: Any, labels: Any) -> dict[str, float]:
    if found.ndim == 1 and len(np.unique(labels)) > 20:
        return {"RMSE": float(np.sqrt(np.mean((found - labels) ** 2)))}
    if found.ndim == 1:
        found = np.column_stack([1 - found, found])
    right = np.clip(found[np.arange(len(labels)), labels.astype(int)], 1e-9, 1)
    return {"log loss": float(-np.log(right).mean()), "error rate": float((found.argmax(axis=1) != labels).mean())}


def _csv(table: Any) -> str:
    return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in table)
