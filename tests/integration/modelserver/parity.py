"""Predicts requests together and apart in a model's environment, and prints where the answers differ.

`python parity.py scikit_learn|xgboost`, with the project's source on the path. Prints one JSON object: for each model
how many requests there were, how many of them were predicted together, and how many answers were not the same, byte
for byte.
"""

import asyncio
import io
import json
import random
import sys
import types
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.modelserver import frameworks
from sagesmith.modelserver.executor import Executor
from sagesmith.modelserver.rows import rows_of
from sagesmith.modelserver.worker import Invocation, WorkerPool

COLUMNS = 7
REQUESTS = 400


def scikit_learn() -> dict[str, Any]:
    from sklearn import ensemble, linear_model, neighbors, neural_network, pipeline, preprocessing, svm, tree

    generator = np.random.default_rng(1)
    features = generator.normal(size=(300, COLUMNS))
    number = features @ generator.normal(size=COLUMNS) + generator.normal(size=300)
    two, three = number > 0, np.digitize(number, [-1.0, 1.0])
    words = np.array(["low", "middle", "high"])[three]

    def scaled(last: Any) -> Any:
        return pipeline.make_pipeline(preprocessing.StandardScaler(), preprocessing.MinMaxScaler(), last)

    return {
        "logistic": linear_model.LogisticRegression().fit(features, two),
        "logistic of three words, scaled": scaled(linear_model.LogisticRegression()).fit(features, words),
        "linear svm": svm.LinearSVC().fit(features, three),
        "least squares": linear_model.LinearRegression().fit(features, number),
        "ridge of two targets, scaled": scaled(linear_model.Ridge()).fit(features, np.stack([number, -number], 1)),
        "least squares, scaled": pipeline.make_pipeline(
            preprocessing.RobustScaler(with_centering=False),
            preprocessing.MaxAbsScaler(),
            preprocessing.MinMaxScaler(clip=True),
            preprocessing.StandardScaler(with_std=False),
            preprocessing.RobustScaler(),
            linear_model.LinearRegression(),
        ).fit(features, number),
        "tree": tree.DecisionTreeClassifier().fit(features, words),
        "forest": ensemble.RandomForestRegressor(20).fit(features, number),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=20).fit(features, three),
        "histogram boosting": ensemble.HistGradientBoostingRegressor(max_iter=20).fit(features, number),
        "neighbours, not known to be safe": neighbors.KNeighborsClassifier().fit(features, three),
        "network, not known to be safe": neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=50).fit(
            features, number
        ),
    }


def xgboost() -> dict[str, Any]:
    import xgboost

    generator = np.random.default_rng(1)
    features = generator.normal(size=(300, COLUMNS))
    number = features @ generator.normal(size=COLUMNS)
    return {
        name: xgboost.train({"objective": objective, **more}, xgboost.DMatrix(features, label=label), 20)
        for name, objective, label, more in (
            ("regression", "reg:squarederror", number, {}),
            ("probability", "binary:logistic", number > 0, {}),
            ("three classes", "multi:softprob", np.digitize(number, [-1.0, 1.0]), {"num_class": 3}),
            ("linear", "reg:squarederror", number, {"booster": "gblinear"}),
        )
    }


def requests(loop: asyncio.AbstractEventLoop) -> list[Invocation]:
    """Requests of all types, sizes and precisions, some of which are wrong."""
    chosen = random.Random(2)
    generator = np.random.default_rng(3)
    made = []
    for _ in range(REQUESTS):
        rows = generator.normal(size=(chosen.choice((1, 1, 1, 2, 3, 17)), COLUMNS))
        if chosen.random() < 0.05:
            rows = rows[:, :5]
        if chosen.random() < 0.05:
            rows[0, 0] = np.nan
        kind = chosen.choice(("application/json", "text/csv", "application/x-npy", "text/libsvm"))
        accept = chosen.choice(("application/json", "text/csv", "application/x-npy", "image/png"))
        body = _body(rows, kind, chosen)
        if chosen.random() < 0.05:
            body = body[: len(body) // 2]
        made.append(Invocation(body, kind, accept, [], loop.create_future()))
    return made


def _body(rows: Any, kind: str, chosen: random.Random) -> bytes:
    if kind == "application/json":
        return json.dumps(rows.tolist()).encode()
    if kind == "text/csv":
        return "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()).encode()
    if kind == "text/libsvm":
        lines = (" ".join(f"{n}:{value}" for n, value in enumerate(row)) for row in rows.tolist())
        return "\n".join(f"0 {line}" for line in lines).encode()
    buffer = io.BytesIO()
    array = np.asarray(rows, dtype=chosen.choice(("float64", "float32", "float16", "int64")))
    np.save(buffer, np.asfortranarray(array) if chosen.random() < 0.2 else array)
    return buffer.getvalue()


def compare(framework: str, model: Any, loop: asyncio.AbstractEventLoop) -> dict[str, int]:
    module: Any = types.ModuleType("inference")
    module.model_fn = lambda model_dir: model
    loaded = frameworks.load(framework, module, Path("/opt/ml/model"))
    rows = rows_of(loaded, "auto")
    together = [0]

    def counted(data: Any, counts: Any) -> list[Any]:
        predictions = rows.predict(data, counts) if rows else []
        together[0] += len(counts)
        return predictions

    apart, batched = requests(loop), requests(loop)
    pool = WorkerPool(loop, REQUESTS)
    for one in apart:
        Executor(loaded, pool)([one])
    execute = Executor(loaded, pool, rows and replace(rows, predict=counted))
    chosen = random.Random(4)
    left = list(batched)
    while left:
        size = chosen.choice((1, chosen.randint(2, 64)))
        execute(left[:size])
        del left[:size]
    pool.stop()
    pool.run(execute)  # what was left to any worker
    different = sum(one.answer != other.answer for one, other in zip(apart, batched, strict=True))
    return {"requests": len(apart), "together": together[0], "different": different}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    models = {"scikit_learn": scikit_learn, "xgboost": xgboost}[sys.argv[1]]()
    event_loop = asyncio.new_event_loop()
    print(json.dumps({name: compare(sys.argv[1], model, event_loop) for name, model in models.items()}))
