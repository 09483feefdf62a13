"""Random Cut Forest as AWS describes it."""

import json
from typing import Any

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable

ACCURACY, FSCORE = "accuracy", "precision_recall_fscore"


def _metrics(text: str) -> tuple[str, ...]:
    """The metrics of a JSON list, or of the one word that a list of one may be given as."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = [each.strip() for each in text.split(",")]
    names = found if isinstance(found, list) else [found]
    for name in names:
        if name not in (ACCURACY, FSCORE):
            raise ValueError(f"'{name}' is not one of ['{ACCURACY}', '{FSCORE}']")
    return tuple(names)


_SCHEMA = Schema(
    parameters=(
        Hyperparameter("feature_dim", "integer", "The number of features.", required=True, low=1, high=10_000),
        Hyperparameter(
            "eval_metrics",
            "text",
            "What is reported of a test channel: a JSON list of `accuracy` and `precision_recall_fscore`.",
            chosen="both",
            check=_metrics,
        ),
        Hyperparameter(
            "num_samples_per_tree",
            "integer",
            "The number of random rows of the training data that each tree has.",
            default=256,
            low=1,
            high=2048,
            tunable=Tunable(1, 2048),
        ),
        Hyperparameter(
            "num_trees",
            "integer",
            "The number of trees.",
            default=100,
            low=50,
            high=1000,
            tunable=Tunable(50, 1000),
        ),
        Hyperparameter("mini_batch_size", "integer", "Rows that are read together.", default=1000, low=1),
    )
)

_EXAMPLE = """\
import numpy as np
import sagemaker
from sagemaker import RandomCutForest

rng = np.random.default_rng(0)
rows = rng.normal(size=(5000, 2)).astype("float32")

forest = RandomCutForest(
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    num_samples_per_tree=256,
    num_trees=50,
)
odd = np.array([[9, 9], [-9, 8]], "float32")
labels = np.array([0.0] * 100 + [1.0] * 2, "float32")
test = forest.record_set(np.concatenate([rows[:100], odd]), labels, channel="test")
forest.fit([forest.record_set(rows), test])

predictor = forest.deploy(initial_instance_count=1, instance_type="ml.m5.large")
usual, odd = predictor.predict(np.array([[0, 0], [9, 9]], "float32"))
print(usual.label["score"].float32_tensor.values[0], odd.label["score"].float32_tensor.values[0])
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="randomcutforest",
    title="Random Cut Forest",
    repositories=("randomcutforest",),
    summary=(
        "Scores how unusual a row is: by how much it would change trees that cut a sample of the training data at "
        "random if it were added to them. One pass draws a uniform sample of `num_trees` × `num_samples_per_tree` "
        "rows, of which each tree has its own `num_samples_per_tree`. Trees and scores are those of "
        "[AWS's own library](https://github.com/aws/random-cut-forest-by-aws), in Rust. Scores beyond three standard "
        "deviations from the mean score count as anomalous."
    ),
    schema=_SCHEMA,
    channels=(
        Channel(
            "train",
            "Rows to learn from, without labels.",
            (RECORDIO, CSV),
            required=True,
            distribution="ShardedByS3Key",
        ),
        Channel(
            "test",
            "Rows to measure with, each with a label: 1 for an anomalous one, 0 for a normal one "
            "(`text/csv;label_size=1`: in the first column).",
            (RECORDIO, CSV),
            distribution="FullyReplicated",
        ),
    ),
    metrics=(
        Metric(
            "test:f1",
            r"#quality_metric: host=\S+, test f1 <score>=(\S+)",
            "F1 score of anomalous rows of the test data.",
            "Maximize",
        ),
        Metric(
            "test:precision",
            r"#quality_metric: host=\S+, test precision <score>=(\S+)",
            "Precision of anomalous rows of the test data.",
        ),
        Metric(
            "test:recall",
            r"#quality_metric: host=\S+, test recall <score>=(\S+)",
            "Recall of anomalous rows of the test data.",
        ),
        Metric(
            "test:accuracy",
            r"#quality_metric: host=\S+, test accuracy <score>=(\S+)",
            "The share of test rows that are labelled right.",
        ),
    ),
    train="sagesmith.algorithms.randomcutforest.train:train",
    load="sagesmith.algorithms.randomcutforest.model:load",
    content_types=(RECORDIO, CSV, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO, CSV),
    hardware="CPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/randomcutforest.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/rcf_how-it-works.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/rcf_hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/rcf-in-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/random-cut-forest-tuning.html",
        "Guha et al., Robust Random Cut Forest Based Anomaly Detection On Streams, ICML 2016",
        "https://github.com/aws/random-cut-forest-by-aws",
        "https://github.com/Bing-su/krcf",
    ),
    differences=(
        "AWS gives each tree a part of the sample that no other tree has; here each tree draws its rows from the whole "
        "sample, so that two trees may share some.",
        "The threshold of the labels that are compared with a test channel's is the mean score of up to 1,000 rows of "
        "the sample and three standard deviations; AWS does not say what its is.",
    ),
    instances=True,
    artifact="`model.json` and `forest.msgpack`, the forest as krcf serializes it",
    examples=(Example("SageMaker Python SDK v2", _EXAMPLE),),
)
