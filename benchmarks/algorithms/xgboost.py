"""XGBoost without a script against bare xgboost in the same environment, reading included."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from benchmarks.algorithms import Row
from tests.algorithms import harness
from tests.algorithms.harness import Channel

ROWS, COLUMNS, ROUNDS = 1_000_000, 50, 50
_BARE = """\
import json, sys, time
start = time.perf_counter()
import numpy, pyarrow.csv, xgboost
told, rounds, train, test = json.loads(sys.argv[1])
def read(path):
    names = [str(each) for each in range(len(open(path).readline().split(",")))]
    types = pyarrow.csv.ConvertOptions(column_types={each: pyarrow.float32() for each in names})
    table = pyarrow.csv.read_csv(path, pyarrow.csv.ReadOptions(column_names=names), convert_options=types)
    values = numpy.column_stack([each.to_numpy() for each in table.columns])
    return xgboost.DMatrix(values[:, 1:], label=values[:, 0])
model = xgboost.train(told, read(train), num_boost_round=rounds, evals=[])
model.save_model(sys.argv[2])
taken = time.perf_counter() - start
if test:
    values = read(test)
    print(json.dumps([taken, model.predict(values).tolist()]))
else:
    print(json.dumps([taken, []]))
"""


def quality() -> Iterable[Row]:
    """Errors on rows held out, of a regression and of classes, at the same hyperparameters."""
    for name, load, objective in (
        ("diabetes", load_diabetes, "reg:squarederror"),
        ("breast_cancer", load_breast_cancer, "binary:logistic"),
        ("digits", load_digits, "multi:softprob"),
    ):
        features, labels = load(return_X_y=True)
        told: dict[str, object] = {"objective": objective, "max_depth": 4, "eta": 0.1}
        if objective.startswith("multi"):
            told["num_class"] = 10
        order = np.random.default_rng(0).permutation(len(labels))
        table = np.column_stack([labels, features])[order]
        cut = len(table) * 4 // 5
        ours, theirs = _both(table[:cut], table[cut:], told, 100)
        metric = "RMSE" if objective.startswith("reg") else "error rate"
        found = [_error(answers, table[cut:, 0], objective) for answers in (ours, theirs)]
        yield Row("xgboost", name, metric, found[0], found[1], "xgboost")


def speed(rows: int = ROWS) -> Iterable[Row]:
    """Seconds from CSV to model, the interpreter's start included on both sides."""
    random = np.random.default_rng(0)
    features = random.normal(size=(rows, COLUMNS)).astype(np.float32)
    labels = features[:, 0] * features[:, 1] + features[:, 2] + random.normal(size=rows)
    told: dict[str, object] = {"objective": "reg:squarederror", "max_depth": 6, "tree_method": "hist"}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        harness.prepare(root, {**told, "num_round": ROUNDS}, {"train": Channel({}, "text/csv")}, "algo-1", ["algo-1"])
        path = root / "input" / "data" / "train" / "part.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, labels, features)
        theirs = _bare(told, ROUNDS, path, None, root / "bare.ubj")[0]
        start = time.perf_counter()
        trained = harness.finish("xgboost", root, harness.start("xgboost", root, anew=True))
        ours = time.perf_counter() - start
        assert trained.exit_code == 0, trained.log
    yield Row("xgboost", f"{rows:.0e} × {COLUMNS}, {ROUNDS} rounds", "seconds", ours, theirs, "xgboost, pyarrow.csv")


def _both(train: object, test: object, told: dict[str, object], rounds: int) -> tuple[object, object]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, table in (("train", train), ("test", test)):
            np.savetxt(root / f"{name}.csv", table, delimiter=",", fmt="%.9g")
        text = (root / "train.csv").read_text()
        trained = harness.train(
            "xgboost", root / "job", {**told, "num_round": rounds}, {"train": Channel({"a.csv": text}, "text/csv")}
        )
        assert trained.exit_code == 0, trained.log
        body = "\n".join(",".join(f"{value:.9g}" for value in row[1:]) for row in test)  # type: ignore[attr-defined]
        ours = np.array(json.loads(trained.answer(body, "text/csv", "application/json")))
        theirs = np.array(_bare(told, rounds, root / "train.csv", root / "test.csv", root / "bare.ubj")[1])
    return ours, theirs


def _bare(told: dict[str, object], rounds: int, train: Path, test: Path | None, model: Path) -> tuple[float, list]:
    given = json.dumps([told, rounds, str(train), str(test) if test else None])
    command = [harness.python("xgboost"), "-c", _BARE, given, str(model)]
    start = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    taken = time.perf_counter() - start
    return taken, json.loads(ended.stdout)[1]


def _error(answers: object, labels: object, objective: str) -> float:
    answers, labels = np.asarray(answers), np.asarray(labels)
    if objective.startswith("reg"):
        return float(np.sqrt(np.mean((answers - labels) ** 2)))
    found = answers.argmax(axis=1) if answers.ndim > 1 else answers > 0.5
    return float(np.mean(found != labels))


def _write(path: Path, labels: object, features: object) -> None:
    import pyarrow
    import pyarrow.csv

    columns = [np.asarray(labels, np.float32), *np.asarray(features).T]
    table = pyarrow.table([np.ascontiguousarray(each) for each in columns], names=[str(n) for n in range(len(columns))])
    pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(include_header=False))
