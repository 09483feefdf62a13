"""PCA as AWS describes it."""

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema

ALGORITHM = Algorithm(
    name="pca",
    title="PCA",
    repositories=("pca",),
    summary=(
        "Finds the directions in which rows vary most, and projects rows on them, in one pass. `regular` sums the "
        "exact covariance, in memory that grows with the square of the features; `randomized` keeps a sketch of "
        "`num_components + extra_components` rows, for many features."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter("feature_dim", "integer", "The number of features.", required=True, low=1),
            Hyperparameter("mini_batch_size", "integer", "Rows of a mini-batch.", required=True, low=1),
            Hyperparameter("num_components", "integer", "The number of components.", required=True, low=1),
            Hyperparameter(
                "algorithm_mode",
                "choice",
                "How the components are computed.",
                default="regular",
                choices=("regular", "randomized"),
            ),
            Hyperparameter(
                "extra_components",
                "integer",
                "How many more directions `randomized` keeps, for accuracy; -1: the larger of 10 and num_components.",
                default=-1,
                low=-1,
            ),
            Hyperparameter(
                "subtract_mean",
                "boolean",
                "Whether the mean is subtracted, in training and of requests.",
                default=True,
            ),
        ),
        rules=(
            Rule(
                lambda values: values["num_components"] <= values["feature_dim"],
                "num_components={num_components} is larger than feature_dim={feature_dim}",
            ),
        ),
    ),
    channels=(
        Channel("train", "Rows to learn from.", (RECORDIO, CSV), required=True, distribution="ShardedByS3Key"),
        Channel("test", "Rows to measure with.", (RECORDIO, CSV), distribution="FullyReplicated"),
    ),
    metrics=(
        Metric(
            "train:explained_variance",
            r"#quality_metric: host=\S+, train explained_variance <score>=(\S+)",
            "The share of the training data's variance that the components have.",
            "Maximize",
        ),
        Metric(
            "test:explained_variance",
            r"#quality_metric: host=\S+, test explained_variance <score>=(\S+)",
            "The share of the test data's variance that the components have.",
            "Maximize",
        ),
    ),
    train="sagesmith.algorithms.pca.train:train",
    load="sagesmith.algorithms.pca.model:load",
    content_types=(RECORDIO, CSV, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO, CSV),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/pca.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/how-pca-works.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/PCA-reference.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/PCA-in-formats.html",
        "Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979",
        "Ross, Lim, Lin and Yang, Incremental learning for robust visual tracking, IJCV 77, 2008 (the sketch)",
    ),
    differences=(
        "`randomized` keeps the largest singular directions of all that was seen, instead of random projections of "
        "each mini-batch: it is closer to the exact components, and not random.",
        "The explained variance is logged; AWS's logs none.",
        "Answers can be text/csv too.",
        "The data must have at least as many rows as there are components.",
    ),
    instances=True,
    artifact=(
        "`model_algo-1`, as AWS's: an MXNet file with `v`, the components as columns of an array of shape "
        "(feature_dim, num_components), the largest last; `s`, their singular values; `mean`, where it is subtracted"
    ),
    examples=(
        Example(
            "Project rows with SDK v2",
            """\
import numpy as np
from sagemaker import PCA, get_execution_role

random = np.random.default_rng(0)
rows = (random.normal(size=(2000, 2)) @ random.normal(size=(2, 10))).astype("float32")
pca = PCA(role=get_execution_role(), instance_count=1, instance_type="ml.m5.large", num_components=2)
pca.fit(pca.record_set(rows))
predictor = pca.deploy(initial_instance_count=1, instance_type="ml.m5.large")
for record in predictor.predict(rows[:2]):
    print(record.label["projection"].float32_tensor.values)
predictor.delete_model()
predictor.delete_endpoint()
""",
        ),
    ),
)
