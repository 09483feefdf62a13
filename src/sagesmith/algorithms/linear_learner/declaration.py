"""Linear Learner as AWS describes it."""

from typing import Literal

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.linear_learner.schema import SCHEMA

_TYPES = (RECORDIO, CSV)
_LINE = r"#quality_metric: host=\S+, "


def _metrics(channel: str, noun: str) -> tuple[Metric, ...]:
    """The metrics of the model that is kept; the regular expressions are those that AWS itself shows of a job."""

    def one(name: str, printed: str, meaning: str, goal: Literal["Minimize", "Maximize"]) -> Metric:
        kind = "loss" if goal == "Minimize" else "score"
        return Metric(f"{channel}:{name}", rf"{_LINE}{channel} {printed} <{kind}>=(\S+)", f"{meaning}, {noun}.", goal)

    return (
        one("absolute_loss", "absolute_loss", "Mean absolute error of a regressor", "Minimize"),
        one("mse", "mse", "Mean squared error of a regressor", "Minimize"),
        one("rmse", "rmse", "Root of the mean squared error of a regressor", "Minimize"),
        one("r2", "r2", "Coefficient of determination of a regressor", "Maximize"),
        one(
            "binary_classification_accuracy", "binary_classification_accuracy", "Accuracy at the threshold", "Maximize"
        ),
        one("binary_f_beta", r"binary_f_\S+", "F score of the positive class at the threshold", "Maximize"),
        one("precision", "precision", "Precision at the threshold", "Maximize"),
        one("recall", "recall", "Recall at the threshold", "Maximize"),
        one("roc_auc_score", "roc_auc_score", "Area under the ROC curve", "Maximize"),
        one("multiclass_accuracy", "multiclass_accuracy", "Accuracy of a multiclass classifier", "Maximize"),
        one(
            "multiclass_top_k_accuracy",
            r"multiclass_top_k_accuracy_\S+",
            "Share of rows whose label has one of the k highest scores",
            "Maximize",
        ),
        one("dcg", "dcg", "Discounted cumulative gain of the label's rank", "Maximize"),
        one("macro_recall", "macro_recall", "Mean of the classes' recalls", "Maximize"),
        one("macro_precision", "macro_precision", "Mean of the classes' precisions", "Maximize"),
        one("macro_f_beta", r"macro_f_\S+", "Mean of the classes' F scores", "Maximize"),
    )


_EXAMPLE = """\
import io

import boto3
import numpy as np
import sagemaker

session = sagemaker.Session()
random = np.random.default_rng(0)
rows = random.normal(size=(1000, 4)).astype("float32")
labels = (rows @ [1.0, -2.0, 0.5, 0.0] > 0).astype("float32")

learner = sagemaker.LinearLearner(
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    predictor_type="binary_classifier",
    sagemaker_session=session,
)
train = learner.record_set(rows[:800], labels[:800])
validation = learner.record_set(rows[800:], labels[800:], channel="validation")
learner.fit([train, validation], mini_batch_size=100)

predictor = learner.deploy(1, "ml.m5.large")
answers = predictor.predict(rows[800:])
predicted = np.array([answer.label["predicted_label"].float32_tensor.values[0] for answer in answers])
print("accuracy", (predicted == labels[800:]).mean())
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="linear_learner",
    title="Linear Learner",
    repositories=("linear-learner",),
    summary=(
        "Learns a linear function of the features: a regressor, a binary or a multiclass classifier. Several models "
        "with penalties (and learning rates) of their own are trained in the same passes over the data, one matrix "
        "product for all; validation data, or a sample of the training data, chooses the best of them and a binary "
        "classifier's threshold. Small models are fitted by Newton's method from sums over the rows (of the squared "
        "loss one pass is enough), others by mini-batches of a gradient method."
    ),
    schema=SCHEMA,
    channels=(
        Channel("train", "Rows to learn from; a CSV file's first column is the label.", _TYPES, required=True),
        Channel("validation", "Rows to choose the model with.", _TYPES, distribution="FullyReplicated"),
        Channel("test", "Rows to measure the model with.", _TYPES, distribution="FullyReplicated"),
    ),
    metrics=(
        Metric(
            "train:objective_loss",
            rf"{_LINE}epoch=\S+, train \S+_objective <loss>=(\S+)",
            "Mean loss on the training data, every epoch, in the units in which it is trained.",
        ),
        Metric(
            "validation:objective_loss",
            rf"{_LINE}epoch=\S+, validation \S+_objective <loss>=(\S+)",
            "Mean loss on the validation data, every epoch.",
            "Minimize",
        ),
        Metric(
            "validation:objective_loss:final",
            rf"{_LINE}validation \S+_objective <loss>=(\S+)",
            "Mean loss of the model that is kept, validation data.",
            "Minimize",
        ),
        Metric(
            "train:objective_loss:final",
            rf"{_LINE}train \S+_objective <loss>=(\S+)",
            "Mean loss of the model that is kept, the training data's sample; without validation data.",
            "Minimize",
        ),
        Metric(
            "test:objective_loss",
            rf"{_LINE}test \S+_objective <loss>=(\S+)",
            "Mean loss of the model that is kept, test data.",
            "Minimize",
        ),
        *_metrics("validation", "validation data"),
        *_metrics("test", "test data"),
        *_metrics("train", "the training data's sample, where there is no validation data"),
        Metric("train:progress", r"#progress_metric: host=\S+, completed (\S+) %", "Share of the epochs."),
        Metric("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second", "Speed."),
    ),
    train="sagesmith.algorithms.linear_learner.train:train",
    load="sagesmith.algorithms.linear_learner.model:load",
    content_types=(CSV, RECORDIO, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO, CSV),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/LL-in-formats.html",
        "Liberty et al., Elastic Machine Learning Algorithms in Amazon SageMaker, SIGMOD 2020",
        "Hunter and Lange, A Tutorial on MM Algorithms, The American Statistician 58 (2004)",
    ),
    differences=(
        "`optimizer` `auto` is Newton's method where a model has up to 1,024 weights; AWS's is `adam`. The loss that "
        "is minimised is the same, and is reached in fewer passes; learning rates do not matter to it.",
        "`num_models` `auto` is up to 12 here, 32 there.",
        "`quantile_loss` at quantile q predicts so that the label is less than the prediction with probability q, as "
        "the SDK's documentation says; AWS's page has it the other way round.",
        "Means and standard deviations are exact where the job has fewer rows than `num_point_for_scaler`.",
    ),
    instances=True,
    artifact=(
        "`model.npz`: weights of shape (feature_dim, classes), intercepts and the threshold; `model.json`: its kind"
    ),
    examples=(Example("A binary classifier by the SDK's class", _EXAMPLE),),
)
