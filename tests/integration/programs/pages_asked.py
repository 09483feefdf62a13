"""What `pages.py` asks of the model of each page's program, and what its tuning job looks for.

`body` makes the request of what the program has, by its own names.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sagemaker import Object2Vec
from sagemaker.amazon.amazon_estimator import RecordSet
from sagemaker.amazon.common import write_numpy_to_dense_tensor
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, IntegerParameter

CSV, LINES = "text/csv", "application/jsonlines"
RECORDIO = "application/x-recordio-protobuf"


@dataclass(frozen=True)
class Asked:
    content_type: str
    accept: str
    body: Callable[[dict], bytes]
    objective: str
    goal: str
    ranges: dict
    split: str | None = "Line"
    # Of an algorithm that runs as a script, which has none of its own.
    definitions: list | None = None
    tunable: bool = True
    # Whether a request without a row is answered without one.
    nothing: bool = False
    # Estimator and inputs of the tuning job, where they are not those of the page.
    trained: Callable[[dict], tuple] | None = None
    # What the tuning job's training jobs have in place of the page's hyperparameters, to be short.
    shorter: dict = field(default_factory=dict)
    # One where importing PyTorch takes longer than all else.
    trials: int = 2


def csv(rows):
    return "".join(",".join(map(str, row)) + "\n" for row in np.asarray(rows).tolist()).encode()


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def recordio(rows):
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, np.asarray(rows, "float32"))
    return file.getvalue()


def features(rows):
    return lines({"features": row} for row in np.asarray(rows).tolist())


def sparse(rows):
    records = ((np.flatnonzero(row).tolist(), row[np.flatnonzero(row)].tolist()) for row in rows)
    return lines(
        {"data": {"features": {"keys": keys, "shape": [rows.shape[1]], "values": values}}} for keys, values in records
    )


def of_table(objective, goal, regex, ranges):
    return Asked(
        CSV,
        "application/json;verbose",
        lambda page: csv(page["features"][:20]),
        objective,
        goal,
        ranges,
        None,
        [{"Name": objective, "Regex": regex}],
    )


def stored(name):
    return lambda page: page["s3"].get_object(Bucket=page["bucket"], Key=name)["Body"].read()


def logins(page):
    """IP Insights with validation data, which the SDK's own class does not take."""
    session, bucket = page["session"], page["session"].default_bucket()
    parts = {"train": page["lines"][:1800], "validation": page["lines"][1800:]}
    places = {
        name: session.upload_string_as_file_body("\n".join(part), bucket, f"tuned-logins/{name}.csv")
        for name, part in parts.items()
    }
    estimator = Estimator(
        page["insights"].training_image_uri(),
        page["insights"].role,
        1,
        "ml.m5.large",
        hyperparameters=page["insights"].hyperparameters(),
    )
    return estimator, {name: TrainingInput(place, content_type=CSV) for name, place in places.items()}


def pairs(page):
    """Object2Vec by the SDK's class, whose endpoint would have no predictor."""
    given = page["estimator"].hyperparameters()
    estimator = Object2Vec(
        page["estimator"].role, 1, "ml.m5.large", **{name: typed(each) for name, each in given.items()}
    )
    parts = {"train": page["rows"][:1800], "validation": page["rows"][1800:]}
    return estimator, [
        RecordSet(page["upload"](name, part), len(part), 1, "S3Prefix", name) for name, part in parts.items()
    ]


def typed(value):
    try:
        return json.loads(str(value))
    except ValueError:
        return value


RATE = {"learning_rate": ContinuousParameter(0.005, 0.05, scaling_type="Logarithmic")}
ASKED = {
    "blazingtext": Asked(
        LINES,
        LINES,
        lambda page: lines([{"source": "a wonderful film"}, {"source": "what dreadful"}]),
        "validation:accuracy",
        "Maximize",
        {"learning_rate": ContinuousParameter(0.005, 0.5), "vector_dim": IntegerParameter(8, 32)},
    ),
    "catboost": of_table("AUC", "Maximize", r"bestTest = ([0-9\.]+)", {"depth": IntegerParameter(4, 6)}),
    "deepar": Asked(
        LINES,
        LINES,
        lambda page: lines(page["request"]["instances"]),
        "test:RMSE",
        "Minimize",
        {"context_length": IntegerParameter(7, 14), **RATE},
        shorter={"epochs": 2},
        trials=1,
    ),
    "factorization-machines": Asked(
        LINES,
        LINES,
        lambda page: sparse(page["rows"][:20]),
        "test:rmse",
        "Minimize",
        {"factors_lr": ContinuousParameter(0.005, 0.05), "epochs": IntegerParameter(10, 40)},
    ),
    "image-classification": Asked(
        "application/x-image",
        "application/json",
        lambda page: page["picture"](1),
        "validation:accuracy",
        "Maximize",
        {"optimizer": CategoricalParameter(["sgd", "adam"]), **RATE},
        None,
        shorter={"epochs": 1},
        trials=1,
    ),
    "ipinsights": Asked(
        CSV,
        LINES,
        lambda page: "\n".join(page["lines"][:20]).encode(),
        "validation:discriminator_auc",
        "Maximize",
        {"vector_dim": IntegerParameter(8, 32), **RATE},
        trained=logins,
    ),
    "kmeans": Asked(
        CSV,
        LINES,
        lambda page: csv(page["rows"][:20]),
        "train:msd",
        "Minimize",
        {
            "extra_center_factor": IntegerParameter(4, 10),
            "init_method": CategoricalParameter(["kmeans++", "random"]),
        },
    ),
    "knn": Asked(
        CSV,
        f"{LINES}; verbose=true",
        lambda page: csv(page["rows"][:20]),
        "test:accuracy",
        "Maximize",
        {"k": IntegerParameter(1, 10), "sample_size": IntegerParameter(256, 1000)},
    ),
    "lda": Asked(
        RECORDIO,
        LINES,
        lambda page: recordio(page["documents"][:20]),
        "test:pwll",
        "Maximize",
        {"alpha0": ContinuousParameter(0.1, 10.0), "num_topics": IntegerParameter(2, 6)},
        "RecordIO",
    ),
    "lightgbm": of_table(
        "binary_logloss", "Minimize", r"binary_logloss: ([0-9\.]+)", {"num_leaves": IntegerParameter(10, 30)}
    ),
    "linear-learner": Asked(
        LINES,
        LINES,
        lambda page: features(page["rows"][:20]),
        "validation:objective_loss",
        "Minimize",
        {"l1": ContinuousParameter(1e-7, 1.0), "use_bias": CategoricalParameter(["true", "false"]), **RATE},
    ),
    "ntm": Asked(
        RECORDIO,
        RECORDIO,
        lambda page: recordio(page["documents"][:20]),
        "validation:total_loss",
        "Minimize",
        {"encoder_layers_activation": CategoricalParameter(["sigmoid", "relu"]), **RATE},
        "RecordIO",
        shorter={"epochs": 2},
        trials=1,
    ),
    "object-detection": Asked(
        "image/jpeg",
        "application/json",
        stored("boxes/validation/0.jpg"),
        "validation:mAP",
        "Maximize",
        RATE,
        None,
        shorter={"epochs": 2},
        trials=1,
    ),
    "object2vec": Asked(
        LINES,
        LINES,
        lambda page: lines(page["rows"][:20]),
        "validation:accuracy",
        "Maximize",
        {"enc_dim": IntegerParameter(4, 16), **RATE},
        trained=pairs,
        shorter={"epochs": 2},
        trials=1,
    ),
    "pca": Asked(
        RECORDIO,
        RECORDIO,
        lambda page: recordio(page["rows"][:20]),
        "train:explained_variance",
        "Maximize",
        {"num_components": IntegerParameter(1, 4)},
        "RecordIO",
        tunable=False,
    ),
    "randomcutforest": Asked(
        LINES,
        LINES,
        lambda page: features(page["rows"][:20]),
        "test:f1",
        "Maximize",
        {"num_samples_per_tree": IntegerParameter(64, 256), "num_trees": IntegerParameter(50, 60)},
    ),
    "semantic-segmentation": Asked(
        "image/jpeg",
        "image/png",
        stored("squares/validation/0.jpg"),
        "validation:mIOU",
        "Maximize",
        RATE,
        None,
        shorter={"epochs": 1},
        trials=1,
    ),
    "seq2seq": Asked(
        LINES,
        LINES,
        lambda page: lines([{"source": "three one four"}, {"source": "two"}]),
        "validation:accuracy",
        "Maximize",
        {"learning_rate": ContinuousParameter(0.005, 0.01)},
        shorter={"max_num_batches": 20, "checkpoint_frequency_num_batches": 20},
        trials=1,
    ),
    "tabtransformer": of_table(
        "f1_score", "Maximize", r"metrics={'f1': (\S+)}", {"mlp_dropout": ContinuousParameter(0.0, 0.5)}
    ),
    "xgboost": Asked(
        CSV,
        CSV,
        lambda page: csv(page["features"][:20]),
        "validation:rmse",
        "Minimize",
        {"eta": ContinuousParameter(0.1, 0.5), "max_depth": IntegerParameter(2, 5)},
        nothing=True,
    ),
}
