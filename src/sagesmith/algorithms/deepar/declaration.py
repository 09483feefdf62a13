"""DeepAR as AWS describes it."""

import json
from typing import Any

from sagesmith.algorithms.declaration import JSON, JSON_LINES, PARQUET, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable

_FREQUENCIES = ("M", "W", "D", "H", "min")


def _frequency(text: str) -> str:
    unit = next((unit for unit in _FREQUENCIES if text.endswith(unit)), "")
    number = text.removesuffix(unit)
    if not unit or (number and not (number.isascii() and number.isdecimal() and 1 <= int(number) <= 1000)):
        raise ValueError(f"'{text}' is not an integer followed by M, W, D, H or min")
    return text


def _cardinality(text: str) -> Any:
    if text in ("auto", "ignore", ""):
        return text or "ignore"
    value = _list(text)
    if not all(type(each) is int and each > 0 for each in value):
        raise ValueError(f"'{text}' is not auto, ignore or a list of positive integers")
    return value


def _features(text: str) -> Any:
    if text in ("auto", "ignore", ""):
        return text or "ignore"
    if not (text.isascii() and text.isdecimal() and len(text) < 5):
        raise ValueError(f"'{text}' is not auto, ignore or an integer from 0 on")
    return int(text)


def _quantiles(text: str) -> list[float]:
    value = _list(text)
    if not value or not all(type(each) in (int, float) and 0 < each < 1 for each in value):
        raise ValueError(f"'{text}' is not a list of numbers between 0 and 1")
    return [float(each) for each in value]


def _list(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise ValueError(f"'{text}' is not a list")
    return value


_TYPES = (JSON_LINES, JSON, "json", "json.gz", PARQUET, "parquet", "auto")
_SCORE = r"#quality_metric: host=\S+, test {} <loss>=(\S+)"

ALGORITHM = Algorithm(
    name="deepar",
    title="DeepAR",
    repositories=("forecasting-deepar",),
    summary=(
        "Forecasts time series by a recurrent network that all series share: it learns how values are distributed, "
        "given those before them, the calendar, categories and features of one's own. PyTorch; forecasts are paths "
        "drawn from the network, and their mean and quantiles."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter(
                "context_length",
                "integer",
                "Values that the network sees before it predicts, beside the lagged ones.",
                required=True,
                low=1,
                high=10_000,
                tunable=Tunable(1, 200),
            ),
            Hyperparameter(
                "epochs",
                "integer",
                "The most passes over the training data.",
                required=True,
                low=1,
                tunable=Tunable(1, 1000),
            ),
            Hyperparameter(
                "prediction_length", "integer", "How many values are forecast.", required=True, low=1, high=10_000
            ),
            Hyperparameter(
                "time_freq",
                "text",
                "The step between values: an integer, perhaps, and `M`, `W`, `D`, `H` or `min`.",
                required=True,
                check=_frequency,
            ),
            Hyperparameter(
                "cardinality",
                "text",
                "Classes of each category in `cat`, a list; `auto`: as the data have them; `ignore`: none is used.",
                default="auto",
                check=_cardinality,
            ),
            Hyperparameter(
                "dropout_rate",
                "real",
                "Share of the cells' outputs that is left out while training.",
                default=0.1,
                low=0,
                high=1,
                below=True,
                tunable=Tunable(0.0, 0.2),
            ),
            Hyperparameter(
                "early_stopping_patience",
                "integer",
                "Training ends after so many epochs without a lower loss.",
                low=1,
                chosen="all epochs are trained",
            ),
            Hyperparameter(
                "embedding_dimension",
                "integer",
                "Size of the vector of a category's class.",
                default=10,
                low=1,
                high=1000,
                tunable=Tunable(1, 50),
            ),
            Hyperparameter(
                "learning_rate",
                "real",
                "The learning rate.",
                default=0.001,
                low=0,
                above=True,
                tunable=Tunable(1e-5, 0.1, scale="Logarithmic"),
            ),
            Hyperparameter(
                "likelihood",
                "choice",
                "The distribution of values.",
                default="student-T",
                choices=("gaussian", "beta", "negative-binomial", "student-T", "deterministic-L1"),
            ),
            Hyperparameter(
                "mini_batch_size",
                "integer",
                "Windows that are learned from together.",
                default=128,
                low=1,
                high=100_000,
                tunable=Tunable(32, 1028),
            ),
            Hyperparameter(
                "num_cells",
                "integer",
                "Cells of each layer.",
                default=40,
                low=1,
                high=4096,
                tunable=Tunable(30, 200),
            ),
            Hyperparameter(
                "num_dynamic_feat",
                "text",
                "Lists in `dynamic_feat`; `auto`: as the data have them; `ignore`: `dynamic_feat` is not used.",
                default="auto",
                check=_features,
            ),
            Hyperparameter(
                "num_eval_samples",
                "integer",
                "Paths that are drawn of each series of the test channel.",
                default=100,
                low=1,
                high=10_000,
            ),
            Hyperparameter(
                "num_layers",
                "integer",
                "Layers of cells.",
                default=2,
                low=1,
                high=64,
                tunable=Tunable(1, 8),
            ),
            Hyperparameter(
                "test_quantiles",
                "text",
                "Quantiles whose losses are reported of the test channel, a list.",
                default="[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]",
                check=_quantiles,
            ),
        )
    ),
    channels=(
        Channel("train", "Series to learn from.", _TYPES, required=True, modes=("File", "FastFile")),
        Channel(
            "test",
            "Series whose last `prediction_length` values are forecast and compared.",
            _TYPES,
            modes=("File", "FastFile"),
            distribution="FullyReplicated",
        ),
    ),
    metrics=(
        Metric(
            "train:final_loss",
            r"#quality_metric: host=\S+, train final_loss <loss>=(\S+)",
            "The negative log-likelihood of the epoch that is kept.",
            "Minimize",
        ),
        Metric(
            "train:loss",
            r"#quality_metric: host=\S+, epoch=\S+, train loss <loss>=(\S+)",
            "The same of each epoch.",
        ),
        Metric("test:RMSE", _SCORE.format("RMSE"), "Root mean squared error of the mean forecast.", "Minimize"),
        Metric(
            "test:mean_wQuantileLoss",
            _SCORE.format("mean_wQuantileLoss"),
            "Mean of the weighted quantile losses.",
            "Minimize",
        ),
    ),
    train="sagesmith.algorithms.deepar.train:train",
    load="sagesmith.algorithms.deepar.forecast:load",
    content_types=(JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/deepar.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/deepar_hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/deepar-in-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/deepar-tuning.html",
        "https://arxiv.org/abs/1704.04110",
    ),
    differences=(
        "Beside the network stands a linear forecast by the lagged values, one for all series, and the network tells "
        "how values differ from it (not so with `negative-binomial` and `beta`): smooth series need fewer epochs so.",
        "What was before a series' first value counts as equal to it.",
        "A layer's outputs are dropped out between layers; AWS's network keeps cells unchanged (zoneout).",
        "A missing value counts as the one before it where a later step looks back at it, and its own step is not "
        "learned from; AWS draws it from the model.",
        "Several instances train apart on their series and average their networks after each epoch.",
        "A series without values in the context is scaled by all of its values.",
        "An epoch has as many windows as the series have values, divided by `prediction_length`, at least 10 and at "
        "most 200 mini-batches.",
    ),
    instances=True,
    artifact="`deepar.json` and `weights.npz`, the network's weights by name",
    examples=(
        Example(
            "Train and forecast with the SDK v2",
            """
import json

import sagemaker
from sagemaker import image_uris
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import JSONSerializer

session = sagemaker.Session()
week = [1, 2, 3, 4, 5, 9, 8]


def upload(channel, weeks):
    series = [{"start": "2024-01-01", "target": [size * value for value in week * weeks]} for size in (1, 10)]
    place = f"s3://{session.default_bucket()}/deepar/{channel}/series.json"
    body = "\\n".join(map(json.dumps, series))
    return S3Uploader.upload_string_as_file_body(body, place, sagemaker_session=session)


estimator = Estimator(
    image_uri=image_uris.retrieve("forecasting-deepar", session.boto_region_name),
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"time_freq": "D", "context_length": 14, "prediction_length": 7, "epochs": 5},
)
estimator.fit({"train": upload("train", 20), "test": upload("test", 21)})
predictor = estimator.deploy(1, "ml.m5.large", serializer=JSONSerializer(), deserializer=JSONDeserializer())
request = {
    "instances": [{"start": "2024-01-01", "target": [5 * value for value in week * 8]}],
    "configuration": {"num_samples": 100, "output_types": ["mean", "quantiles"], "quantiles": ["0.1", "0.9"]},
}
print(predictor.predict(request)["predictions"][0]["mean"])
predictor.delete_model()
predictor.delete_endpoint()
""",
        ),
    ),
)
