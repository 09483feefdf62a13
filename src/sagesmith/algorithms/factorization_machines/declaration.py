"""Factorization Machines as AWS describes it."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from sagesmith.algorithms.declaration import JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable

PARTS = ("bias", "linear", "factors")
_LINE = r"#quality_metric: host=\S+, "
_WIDE = Tunable(1e-8, 512, scale="Logarithmic")
_NOUNS = {"bias": "the bias", "linear": "linear terms", "factors": "factors"}
_RATES = {"bias": 0.1, "linear": 0.001, "factors": 0.0001}
_DECAYS = {"bias": 0.01, "linear": 0.001, "factors": 0.00001}
_SIGMAS = {"bias": 0.01, "linear": 0.01, "factors": 0.001}


def _of_part(part: str) -> Iterator[Hyperparameter]:
    """The hyperparameters that the bias, the linear terms and the factors have each."""
    noun = _NOUNS[part]
    yield Hyperparameter(
        f"{part}_lr", "real", f"The learning rate of {noun}.", default=_RATES[part], low=0, tunable=_WIDE
    )
    yield Hyperparameter(
        f"{part}_wd", "real", f"The weight decay of {noun}.", default=_DECAYS[part], low=0, tunable=_WIDE
    )
    yield Hyperparameter(
        f"{part}_init_method",
        "choice",
        f"How {noun} begin: normally or uniformly distributed, or all alike.",
        default="normal",
        choices=("uniform", "normal", "constant"),
    )
    yield Hyperparameter(
        f"{part}_init_scale",
        "real",
        f"`uniform` draws {noun} from [-scale, scale].",
        low=0,
        chosen="must be given for `uniform`",
        tunable=_WIDE,
    )
    yield Hyperparameter(
        f"{part}_init_sigma",
        "real",
        f"The standard deviation of `normal` {noun}.",
        default=_SIGMAS[part],
        low=0,
        tunable=_WIDE,
    )
    yield Hyperparameter(
        f"{part}_init_value",
        "real",
        f"What `constant` {noun} begin with.",
        chosen="must be given for `constant`",
        tunable=_WIDE,
    )


def _needs(part: str, method: str, name: str) -> Rule:
    def holds(values: Mapping[str, Any]) -> bool:
        return values[f"{part}_init_method"] != method or values[name] is not None

    return Rule(holds, f"'{name}' is a required property where '{part}_init_method' is '{method}'")


SCHEMA = Schema(
    parameters=(
        Hyperparameter("feature_dim", "integer", "The number of features.", required=True, low=1),
        Hyperparameter("num_factors", "integer", "The number of factors of each feature.", required=True, low=1),
        Hyperparameter(
            "predictor_type",
            "choice",
            "What is predicted.",
            required=True,
            choices=("binary_classifier", "regressor"),
        ),
        Hyperparameter(
            "epochs",
            "integer",
            "The number of passes over the training data.",
            default=1,
            low=1,
            tunable=Tunable(1, 1000),
        ),
        Hyperparameter(
            "mini_batch_size", "integer", "Rows of a step.", default=1000, low=1, tunable=Tunable(100, 10000)
        ),
        Hyperparameter(
            "clip_gradient",
            "real",
            "Gradients are clipped to [-clip_gradient, clip_gradient].",
            low=0,
            above=True,
            chosen="no clipping",
        ),
        Hyperparameter(
            "eps", "real", "What keeps the optimizer from dividing by 0.", low=0, above=True, chosen="0.00000001"
        ),
        Hyperparameter(
            "rescale_grad",
            "real",
            "The sum of a mini-batch's gradients is multiplied by it.",
            chosen="1 / the number of its rows",
        ),
        *(parameter for part in PARTS for parameter in _of_part(part)),
    ),
    rules=tuple(
        _needs(part, method, f"{part}_init_{suffix}")
        for part in PARTS
        for method, suffix in (("uniform", "scale"), ("constant", "value"))
    ),
)


def _metric(name: str, regex: str, meaning: str, goal: Literal["Minimize", "Maximize"] | None = None) -> Metric:
    return Metric(name, _LINE + regex, meaning, goal)


_EXAMPLE = """\
import numpy as np
import sagemaker

session = sagemaker.Session()
random = np.random.default_rng(0)
people, films = random.integers(30, size=2000), random.integers(20, size=2000)
tastes, kinds = random.normal(size=(30, 2)), random.normal(size=(20, 2))
ratings = (3 + (tastes[people] * kinds[films]).sum(axis=1)).astype("float32")
rows = np.zeros((2000, 50), "float32")
rows[np.arange(2000), people] = rows[np.arange(2000), 30 + films] = 1

machines = sagemaker.FactorizationMachines(
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    num_factors=4,
    predictor_type="regressor",
    epochs=60,
    linear_lr=0.01,
    factors_lr=0.02,
    factors_init_sigma=0.1,
    sagemaker_session=session,
)
train = machines.record_set(rows[:1800], ratings[:1800])
test = machines.record_set(rows[1800:], ratings[1800:], channel="test")
machines.fit([train, test], mini_batch_size=100)

predictor = machines.deploy(1, "ml.m5.large")
answers = predictor.predict(rows[1800:])
scores = np.array([answer.label["score"].float32_tensor.values[0] for answer in answers])
print("rmse", np.sqrt(((scores - ratings[1800:]) ** 2).mean()), "of", ratings.std())
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="factorization_machines",
    title="Factorization Machines",
    repositories=("factorization-machines",),
    summary=(
        "A regressor or binary classifier of sparse features with all their interactions by twos: a bias, a weight of "
        "each feature, and a vector of factors of each, whose products are the interactions' weights. Adam moves those "
        "of the features that a mini-batch has, in memory that depends on `feature_dim` and `num_factors` alone."
    ),
    schema=SCHEMA,
    channels=(
        Channel("train", "Rows to learn from, float32 tensors, dense or sparse.", (RECORDIO,), required=True),
        Channel("test", "Rows to measure the model with.", (RECORDIO,), distribution="FullyReplicated"),
    ),
    metrics=(
        _metric("test:rmse", r"test rmse <loss>=(\S+)", "Root of the mean squared error, test data.", "Minimize"),
        _metric(
            "test:binary_classification_accuracy",
            r"test binary_classification_accuracy <score>=(\S+)",
            "Accuracy at the threshold 0.5, test data.",
            "Maximize",
        ),
        _metric(
            "test:binary_classification_cross_entropy",
            r"test binary_classification_cross_entropy <loss>=(\S+)",
            "Cross entropy, test data.",
            "Minimize",
        ),
        _metric(
            "test:binary_f_beta",
            r"test binary_f_\S+ <score>=(\S+)",
            "F1 score at the threshold 0.5, test data.",
            "Maximize",
        ),
        _metric(
            "train:rmse:epoch", r"epoch=\S+, train rmse <loss>=(\S+)", "Root of the mean squared error of an epoch."
        ),
        _metric("train:mse:epoch", r"epoch=\S+, train mse <loss>=(\S+)", "Mean squared error of an epoch."),
        _metric("train:absolute_loss:epoch", r"epoch=\S+, train absolute_loss <loss>=(\S+)", "Mean absolute error."),
        _metric(
            "train:binary_classification_accuracy:epoch",
            r"epoch=\S+, train binary_classification_accuracy <score>=(\S+)",
            "Accuracy in an epoch.",
        ),
        _metric(
            "train:binary_classification_cross_entropy:epoch",
            r"epoch=\S+, train binary_classification_cross_entropy <loss>=(\S+)",
            "Cross entropy in an epoch.",
        ),
        _metric("train:binary_f_beta:epoch", r"epoch=\S+, train binary_f_\S+ <score>=(\S+)", "F1 score in an epoch."),
        Metric("train:progress", r"#progress_metric: host=\S+, completed (\S+) %", "Share of the epochs."),
        Metric("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second", "Speed."),
    ),
    train="sagesmith.algorithms.factorization_machines.train:train",
    load="sagesmith.algorithms.factorization_machines.model:load",
    content_types=(JSON, RECORDIO, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines-hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/fm-tuning.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/fm-in-formats.html",
        "Rendle, Factorization Machines, ICDM 2010",
        "Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015",
    ),
    differences=(
        "Several instances mean what they have learned after each epoch; AWS's exchange gradients every mini-batch.",
        "Rows are shuffled within blocks of up to 65,536, so that their order in the files matters less.",
    ),
    instances=True,
    artifact="`model.npz`: bias, linear terms of shape (feature_dim,), factors of shape (feature_dim, num_factors)",
    examples=(Example("A recommender of films by the SDK's class", _EXAMPLE),),
)
