"""XGBoost as AWS describes it: the algorithm mode of its container, which trains without a script."""

from typing import Literal

from sagesmith.algorithms.declaration import (
    CSV,
    JSON,
    JSON_LINES,
    LIBSVM,
    PARQUET,
    RECORDIO,
    Algorithm,
    Channel,
    Example,
    Metric,
)
from sagesmith.algorithms.xgboost.hyperparameters import MAXIMIZED, MINIMIZED, SCHEMA

X_LIBSVM = "text/x-libsvm"
SHORT = {"libsvm": LIBSVM, "csv": CSV, "parquet": PARQUET, "recordio-protobuf": RECORDIO}
"""Content types as the container takes them in short."""
_TYPES = (LIBSVM, X_LIBSVM, CSV, PARQUET, RECORDIO, *SHORT)

_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"

_EXAMPLE = """\
import numpy as np
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer

session = sagemaker.Session()
generator = np.random.default_rng(0)
features = generator.normal(size=(1000, 5))
labels = features @ [1, -2, 3, 0, 0] + features[:, 3] * features[:, 4]
np.savetxt("train.csv", np.column_stack([labels, features]), delimiter=",")
data = session.upload_data("train.csv", key_prefix="xgboost")

estimator = Estimator(
    image_uri=sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"objective": "reg:squarederror", "num_round": 50, "eta": 0.2},
)
train = TrainingInput(data, content_type="text/csv")
estimator.fit({"train": train, "validation": train})
predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer())
print(predictor.predict(features[:3]))
predictor.delete_model()
predictor.delete_endpoint()
"""


def _metric(name: str, goal: Literal["Minimize", "Maximize"]) -> Metric:
    regex = rf".*\[[0-9]+\].*#011validation-{name}:{_NUMBER}.*"
    return Metric(f"validation:{name}", regex, f"`{name}`, validation data.", goal)


ALGORITHM = Algorithm(
    name="xgboost",
    title="XGBoost",
    repositories=("sagemaker-xgboost", "xgboost"),
    summary=(
        "Gradient boosted trees for regression, classification, ranking and survival, by "
        "[XGBoost](https://xgboost.readthedocs.io) itself in the image's version. A job without a script "
        "(`entry_point`) trains and serves so; with one the script does."
    ),
    schema=SCHEMA,
    channels=(
        Channel(
            "train",
            "Rows to learn from: the label first; an empty cell of CSV is a missing value.",
            _TYPES,
            required=True,
            distribution="ShardedByS3Key, or FullyReplicated on one instance",
        ),
        Channel("validation", "Rows to measure with after each round.", _TYPES),
        Channel("code", "Of jobs with a script; has no meaning here.", ("text/python",)),
    ),
    metrics=(
        *(_metric(name, "Maximize") for name in MAXIMIZED),
        *(_metric(name, "Minimize") for name in MINIMIZED),
    ),
    train="sagesmith.algorithms.xgboost.train:train",
    load="sagesmith.algorithms.xgboost.model:load",
    content_types=(CSV, LIBSVM, X_LIBSVM, RECORDIO, JSON, JSON_LINES),
    accepts=(CSV, JSON, JSON_LINES, RECORDIO),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html",
        "https://github.com/aws/sagemaker-xgboost-container",
        "https://xgboost.readthedocs.io",
    ),
    differences=(
        "There are no GPUs: `gpu_hist` runs as `hist`.",
        "Cross validation measures each model with the part that it has not seen; AWS's container prints the metrics "
        "of the whole training data.",
        "Early stopping works without `eval_metric` too, by the objective's own metric.",
        "A job that is stopped keeps the model that there is, whatever `save_model_on_termination` says.",
        "Models that were pickled, as AWS's container did up to version 1.2, are refused.",
        "Requests may be JSON and JSON Lines too.",
        "Checkpoints are not made after each round if that would take more than a tenth of the time.",
    ),
    instances=True,
    artifact="`xgboost-model`, which `xgboost.Booster` loads; after cross validation one a model, `xgboost-model-0` …",
    examples=(Example("Regression with the SageMaker Python SDK", _EXAMPLE),),
)
