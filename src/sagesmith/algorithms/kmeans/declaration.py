"""K-Means as AWS describes it."""

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable

ALGORITHM = Algorithm(
    name="kmeans",
    title="K-Means",
    repositories=("kmeans",),
    summary=(
        "Finds k groups of rows so that rows of a group are close to its centre. One pass keeps more centres than "
        "asked for, each a running mean of the rows closest to it; at the end Lloyd's algorithm makes k of them."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter("feature_dim", "integer", "The number of features.", required=True, low=1, words=("auto",)),
            Hyperparameter("k", "integer", "The number of clusters.", required=True, low=1),
            Hyperparameter("epochs", "integer", "The number of passes over the training data.", default=1, low=1),
            Hyperparameter(
                "eval_metrics", "text", "Metrics to report, a JSON list of `msd` and `ssd`.", default='["msd"]'
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
                "Lloyd's algorithm ends when its loss changes by less than this share.",
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
        rules=(Rule(lambda values: values["eval_metrics"] is not None, "eval_metrics"),),
    ),
    channels=(
        Channel("train", "Rows to learn from.", (RECORDIO, CSV), required=True, distribution="ShardedByS3Key"),
        Channel("test", "Rows to measure with.", (RECORDIO, CSV), distribution="FullyReplicated"),
    ),
    metrics=(
        Metric(
            "train:msd",
            r"#quality_metric: host=\S+, train msd <loss>=(\S+)",
            "Mean squared distance to the closest centre, training data.",
            "Minimize",
        ),
        Metric(
            "train:ssd",
            r"#quality_metric: host=\S+, train ssd <loss>=(\S+)",
            "Sum of squared distances, training data.",
            "Minimize",
        ),
        Metric(
            "test:msd",
            r"#quality_metric: host=\S+, test msd <loss>=(\S+)",
            "Mean squared distance to the closest centre, test data.",
            "Minimize",
        ),
        Metric(
            "test:ssd",
            r"#quality_metric: host=\S+, test ssd <loss>=(\S+)",
            "Sum of squared distances, test data.",
            "Minimize",
        ),
    ),
    train="sagesmith.algorithms.kmeans.train:train",
    load="sagesmith.algorithms.kmeans.model:load",
    content_types=(RECORDIO, CSV, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO, CSV),
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/k-means.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html",
    ),
    instances=True,
    artifact="`centroids.npy`, an array of shape (k, feature_dim)",
)
