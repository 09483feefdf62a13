"""K-Means as AWS describes it."""

import json

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable

_METRICS = ("msd", "ssd")


def _metrics(text: str) -> str:
    """A JSON list of metrics, or their names with commas between them, as SDK v2 puts them."""
    try:
        listed = json.loads(text)
    except ValueError:
        listed = [each.strip() for each in text.split(",")]
    if not isinstance(listed, list) or not listed or any(each not in _METRICS for each in listed):
        raise ValueError(f'{text!r} is not a list of {" and ".join(_METRICS)}, such as ["msd","ssd"]')
    return json.dumps(sorted(set(listed)))


def _quality(channel: str, metric: str, meaning: str) -> Metric:
    regex = rf"#quality_metric: host=\S+,(?: epoch=\d+,)? {channel} {metric} <loss>=(\S+)"
    return Metric(f"{channel}:{metric}", regex, meaning, "Minimize")


ALGORITHM = Algorithm(
    name="kmeans",
    title="K-Means",
    repositories=("kmeans",),
    summary=(
        "Finds k groups of rows so that rows of a group are close to its centre. The first pass keeps more centres "
        "than asked for, each a running mean of the rows closest to it, and beside them a sample of the rows, both of "
        "a fixed size; Lloyd's algorithm makes k centres of them at its end. Each further epoch is "
        "one exact step of Lloyd's algorithm over all rows."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter("feature_dim", "integer", "The number of features.", required=True, low=1, words=("auto",)),
            Hyperparameter("k", "integer", "The number of clusters.", required=True, low=1),
            Hyperparameter("epochs", "integer", "The number of passes over the training data.", default=1, low=1),
            Hyperparameter(
                "eval_metrics",
                "text",
                "Metrics to report, a JSON list of `msd` (mean squared distance) and `ssd` (their sum).",
                default='["msd"]',
                check=_metrics,
            ),
            Hyperparameter(
                "extra_center_factor",
                "integer",
                "How many times k centres the pass keeps.",
                default="auto",
                low=1,
                words=("auto",),
                tunable=Tunable(4, 10),
            ),
            Hyperparameter(
                "force_dense",
                "boolean",
                "SDK v2's class sets it, AWS's page has it not: sparse rows are taken as dense ones in any case.",
                default=True,
            ),
            Hyperparameter(
                "half_life_time_size",
                "integer",
                "The number of rows after which a row counts half; 0: rows never count less.",
                default=0,
                low=0,
            ),
            Hyperparameter(
                "init_method",
                "choice",
                "How the pass chooses its first centres.",
                default="random",
                choices=("random", "kmeans++"),
                tunable=Tunable(categories=("kmeans++", "random")),
            ),
            Hyperparameter(
                "local_lloyd_init_method",
                "choice",
                "How Lloyd's algorithm chooses its first centres.",
                default="kmeans++",
                choices=("random", "kmeans++"),
            ),
            Hyperparameter(
                "local_lloyd_max_iter", "integer", "The most iterations of Lloyd's algorithm.", default=300, low=1
            ),
            Hyperparameter(
                "local_lloyd_num_trials",
                "integer",
                "How often Lloyd's algorithm is run; the run with the least loss counts.",
                default="auto",
                low=1,
                words=("auto",),
            ),
            Hyperparameter(
                "local_lloyd_tol",
                "real",
                "Lloyd's algorithm ends when ten iterations lower its loss by no more than this share.",
                default=0.0001,
                low=0,
                high=1,
            ),
            Hyperparameter(
                "mini_batch_size",
                "integer",
                "Rows that are looked at together.",
                default=5000,
                low=1,
                tunable=Tunable(3000, 15000),
            ),
        ),
    ),
    channels=(
        Channel("train", "Rows to learn from.", (RECORDIO, CSV), required=True, distribution="ShardedByS3Key"),
        Channel("test", "Rows to measure with.", (RECORDIO, CSV), distribution="FullyReplicated"),
    ),
    metrics=(
        _quality("train", "msd", "Mean squared distance of a row to the closest centre, training data."),
        _quality("train", "ssd", "Sum of squared distances of the rows to the closest centre, training data."),
        _quality("test", "msd", "Mean squared distance of a row to the closest centre, test data."),
        _quality("test", "ssd", "Sum of squared distances of the rows to the closest centre, test data."),
    ),
    train="sagesmith.algorithms.kmeans.train:train",
    load="sagesmith.algorithms.kmeans.model:load",
    content_types=(RECORDIO, CSV, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO, CSV),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/k-means.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/km-in-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-tuning.html",
        "Liberty et al., Elastic Machine Learning Algorithms in Amazon SageMaker, SIGMOD 2020",
        "Arthur and Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007",
    ),
    differences=(
        "The final model is made of a sample of the rows too (20,000 of them, or 500 for each centre), not of the "
        "extra centres alone. After one epoch over more rows, metrics of the training data are those of the sample.",
        "Epochs after the first are exact steps of Lloyd's algorithm, unless `half_life_time_size` is set.",
        "`auto` of `extra_center_factor` is 4, that of `local_lloyd_num_trials` is 5.",
        "`feature_dim` can be `auto`, but not in Pipe mode.",
    ),
    instances=True,
    artifact="`model_algo-1`, as AWS's: an MXNet file with one array, the centres, of shape (k, feature_dim)",
    examples=(
        Example(
            "Cluster rows with SDK v2",
            """\
import numpy as np
from sagemaker import KMeans, get_execution_role

rows = np.random.default_rng(0).normal(size=(2000, 4)).astype("float32")
rows[:1000] += 5
kmeans = KMeans(role=get_execution_role(), instance_count=1, instance_type="ml.m5.large", k=2)
kmeans.fit(kmeans.record_set(rows))
predictor = kmeans.deploy(initial_instance_count=1, instance_type="ml.m5.large")
for record in predictor.predict(rows[[0, 1, 1000]]):
    print(record.label["closest_cluster"].float32_tensor.values)
predictor.delete_model()
predictor.delete_endpoint()
""",
        ),
    ),
)
