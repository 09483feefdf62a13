"""K-Nearest Neighbors as AWS describes it."""

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable

FLAT, IVF_FLAT, IVF_PQ = "faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"
_DIVISORS = ("1", "2", "3", "4", "8", "12", "16", "20", "24", "28", "32", "40", "48", "56", "64", "96")

_SCHEMA = Schema(
    parameters=(
        Hyperparameter("feature_dim", "integer", "The number of features.", required=True, low=1),
        Hyperparameter("k", "integer", "The number of neighbors.", required=True, low=1, tunable=Tunable(1, 1024)),
        Hyperparameter(
            "predictor_type",
            "choice",
            "Whether labels are classes, of which the most frequent among the neighbors is predicted, or numbers, of "
            "which the mean is.",
            required=True,
            choices=("classifier", "regressor"),
        ),
        Hyperparameter(
            "sample_size",
            "integer",
            "How many rows of the training data are kept, drawn at random in one pass; all, if there are fewer.",
            required=True,
            low=1,
            tunable=Tunable(256, 20_000_000),
        ),
        Hyperparameter(
            "dimension_reduction_type",
            "choice",
            "How rows are projected to fewer dimensions: by a random matrix of signs, or by the fast "
            "Johnson-Lindenstrauss transform.",
            choices=("sign", "fjlt"),
            chosen="no dimension reduction",
        ),
        Hyperparameter(
            "dimension_reduction_target",
            "integer",
            "The number of dimensions to project to, less than `feature_dim`; required with "
            "`dimension_reduction_type`.",
            low=1,
        ),
        Hyperparameter("index_type", "choice", "The index.", default=FLAT, choices=(FLAT, IVF_FLAT, IVF_PQ)),
        Hyperparameter(
            "index_metric",
            "choice",
            "What nearest means: Euclidean distance, inner product or cosine similarity.",
            default="L2",
            choices=("COSINE", "INNER_PRODUCT", "L2"),
        ),
        Hyperparameter(
            "faiss_index_ivf_nlists",
            "integer",
            "The number of centroids of `faiss.IVFFlat` and `faiss.IVFPQ`; `auto`: the square root of `sample_size`.",
            default="auto",
            low=1,
            words=("auto",),
        ),
        Hyperparameter(
            "faiss_index_pq_m",
            "choice",
            "The number of parts of a vector that `faiss.IVFPQ` quantizes each by itself. Vectors get as many more "
            "dimensions as it takes to be divisible by it.",
            choices=_DIVISORS,
            chosen="required with `faiss.IVFPQ`",
        ),
        Hyperparameter("mini_batch_size", "integer", "Rows that are read together.", default=5000, low=1),
    ),
    rules=(
        Rule(
            lambda values: (
                (values["dimension_reduction_type"] is None) == (values["dimension_reduction_target"] is None)
            ),
            "'dimension_reduction_target' and 'dimension_reduction_type' are required together",
        ),
        Rule(
            lambda values: (values["dimension_reduction_target"] or 0) < values["feature_dim"],
            "'dimension_reduction_target' ({dimension_reduction_target}) must be less than 'feature_dim' "
            "({feature_dim})",
        ),
        Rule(
            lambda values: values["index_type"] != IVF_PQ or values["index_metric"] == "L2",
            "'index_metric' {index_metric} is not supported when 'index_type' is {index_type}",
        ),
        Rule(
            lambda values: values["index_type"] != IVF_PQ or values["faiss_index_pq_m"] is not None,
            "'faiss_index_pq_m' is a required property when 'index_type' is {index_type}",
        ),
        Rule(
            lambda values: values["k"] <= values["sample_size"],
            "'k' ({k}) must not be greater than 'sample_size' ({sample_size})",
        ),
    ),
)

_EXAMPLE = """\
import numpy as np
import sagemaker
from sagemaker import KNN
from sagemaker.deserializers import JSONDeserializer

rng = np.random.default_rng(0)
rows = rng.normal(size=(2000, 4)).astype("float32")
labels = (rows[:, 0] > 0).astype("float32")

knn = KNN(
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    k=5,
    sample_size=1000,
    predictor_type="classifier",
)
knn.fit([knn.record_set(rows, labels), knn.record_set(rows[:200], labels[:200], channel="test")])

predictor = knn.deploy(initial_instance_count=1, instance_type="ml.m5.large")
for record in predictor.predict(rows[:2]):
    print(record.label["predicted_label"].float32_tensor.values[0])
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="knn",
    title="K-Nearest Neighbors",
    repositories=("knn",),
    summary=(
        "Predicts the label of a row from the labels of the k rows of the training data that are nearest to it. One "
        "pass draws a uniform sample of the training data, projects it to fewer dimensions if asked to, and builds a "
        "[Faiss](https://faiss.ai) index of it. Answers to a row are the same whatever other rows a request has."
    ),
    schema=_SCHEMA,
    channels=(
        Channel("train", "Rows with labels to sample from; in CSV the label comes first.", (RECORDIO, CSV), True),
        Channel("test", "Rows with labels to measure with.", (RECORDIO, CSV), distribution="FullyReplicated"),
    ),
    metrics=(
        Metric(
            "test:accuracy",
            r"#quality_metric: host=\S+, test accuracy <score>=(\S+)",
            "The share of test rows whose class is predicted (classifier).",
            "Maximize",
        ),
        Metric(
            "test:mse",
            r"#quality_metric: host=\S+, test mse <loss>=(\S+)",
            "The mean squared error of the predictions of test rows (regressor).",
            "Minimize",
        ),
    ),
    train="sagesmith.algorithms.knn.train:train",
    load="sagesmith.algorithms.knn.model:load",
    content_types=(RECORDIO, CSV, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO, CSV),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/k-nearest-neighbors.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/kNN_hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/kNN_how-it-works.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/kNN-inference-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/kNN-tuning.html",
        "https://github.com/facebookresearch/faiss",
        "Ailon and Chazelle, The Fast Johnson-Lindenstrauss Transform, SIAM Journal on Computing, 2009",
    ),
    differences=(
        "Distances of verbose answers are Euclidean where `index_metric` is `L2`, and similarities, the greatest "
        "first, otherwise; AWS's page does not say what its are.",
        "An inverted file is searched in an eighth of its lists, and at least in 16; AWS does not say in how many.",
        "Answers as `text/csv`, which AWS's page does not have, are the predicted labels.",
    ),
    instances=True,
    artifact=(
        "`model.json`, the Faiss index `index.faiss`, `labels.npy` with the labels of its rows, and `projection.npy` "
        "if dimensions are reduced"
    ),
    examples=(Example("SageMaker Python SDK v2", _EXAMPLE),),
)
