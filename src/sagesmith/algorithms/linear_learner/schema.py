"""Linear Learner's hyperparameters.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html
"""

from collections.abc import Mapping
from typing import Any, Final

from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable

REGRESSION_LOSSES: Final = (
    "squared_loss",
    "absolute_loss",
    "eps_insensitive_squared_loss",
    "eps_insensitive_absolute_loss",
    "quantile_loss",
    "huber_loss",
)
LOSSES: Final = {
    "regressor": REGRESSION_LOSSES,
    "binary_classifier": ("logistic", "hinge_loss"),
    "multiclass_classifier": ("softmax_loss",),
}
"""The losses of each predictor type; the first is what `auto` stands for."""


def _auto(
    name: str,
    meaning: str,
    chosen: str,
    *,
    low: float = 0.0,
    high: float | None = None,
    above: bool = False,
    below: bool = False,
    tunable: Tunable | None = None,
) -> Hyperparameter:
    """A real number, or `auto`, which is the default."""
    return Hyperparameter(
        name,
        "real",
        meaning,
        default="auto",
        low=low,
        high=high,
        above=above,
        below=below,
        words=("auto",),
        chosen=chosen,
        tunable=tunable,
    )


def _positive(name: str, meaning: str, default: float) -> Hyperparameter:
    return Hyperparameter(name, "real", meaning, default=default, low=0, above=True)


def _share(name: str, meaning: str, default: float) -> Hyperparameter:
    return Hyperparameter(name, "real", meaning, default=default, low=0, high=1, above=True, below=True)


def _flag(name: str, meaning: str, default: bool | str) -> Hyperparameter:
    """True, false, or `auto`; the SDK writes `True`."""
    return Hyperparameter(name, "boolean", meaning, default=default, words=("auto",))


def _has_classes(values: Mapping[str, Any]) -> bool:
    return values["predictor_type"] != "multiclass_classifier" or (values["num_classes"] or 0) >= 3


def _has_loss(values: Mapping[str, Any]) -> bool:
    return values["loss"] == "auto" or values["loss"] in LOSSES[values["predictor_type"]]


_PROBLEM = (
    Hyperparameter(
        "predictor_type",
        "choice",
        "What is predicted.",
        required=True,
        choices=("binary_classifier", "multiclass_classifier", "regressor"),
    ),
    Hyperparameter(
        "feature_dim", "integer", "The number of features.", default="auto", low=1, words=("auto",), chosen="the data"
    ),
    Hyperparameter(
        "num_classes",
        "integer",
        "The number of classes, labelled 0 to `num_classes` - 1. Only a multiclass classifier has it: it must.",
        low=1,
        high=1_000_000,
    ),
    Hyperparameter(
        "loss",
        "choice",
        "The loss. A regressor has the squared, absolute, insensitive, quantile and Huber losses; a binary classifier "
        "`logistic` and `hinge_loss`; a multiclass classifier `softmax_loss`. `auto` is the first of these.",
        default="auto",
        choices=("auto", *REGRESSION_LOSSES, "logistic", "hinge_loss", "softmax_loss"),
    ),
    _positive("margin", "The margin of `hinge_loss`.", 1.0),
    _share("quantile", "The quantile of `quantile_loss`: this share of labels is to be less than its prediction.", 0.5),
    _positive("loss_insensitivity", "The insensitive losses take a smaller error for none.", 0.01),
    _positive("huber_delta", "`huber_loss` is quadratic for smaller errors, linear for larger ones.", 1.0),
    Hyperparameter(
        "positive_example_weight_mult",
        "real",
        "The weight of positive examples of a binary classifier; negative ones have 1. `balanced` gives both classes "
        "the same share of the loss, `auto` tries several weights.",
        default=1.0,
        low=0,
        above=True,
        words=("balanced", "auto"),
        tunable=Tunable(1e-5, 1e5, scale="Logarithmic"),
    ),
    Hyperparameter(
        "balance_multiclass_weights",
        "boolean",
        "Give every class of a multiclass classifier the same share of the loss.",
        default=False,
    ),
)

_SELECTION = (
    Hyperparameter(
        "binary_classifier_model_selection_criteria",
        "choice",
        "By what the best of the parallel models, its threshold and the best epoch are chosen for a binary classifier.",
        default="accuracy",
        choices=(
            "accuracy",
            "f_beta",
            "f1",
            "precision_at_target_recall",
            "recall_at_target_precision",
            "cross_entropy_loss",
            "loss_function",
        ),
    ),
    _share("target_recall", "What `precision_at_target_recall` keeps.", 0.8),
    _share("target_precision", "What `recall_at_target_precision` keeps.", 0.8),
    _positive("f_beta", "How much recall counts against precision in F scores.", 1.0),
    Hyperparameter(
        "accuracy_top_k",
        "integer",
        "A prediction is right in the top-k accuracy if the label has one of the k highest scores.",
        default=3,
        low=1,
    ),
    Hyperparameter(
        "num_calibration_samples",
        "integer",
        "How many rows of the validation data the threshold is chosen on.",
        default="auto",
        low=1,
        words=("auto",),
        chosen="100,000",
    ),
)

_MODEL = (
    Hyperparameter(
        "use_bias",
        "boolean",
        "Whether the model has an intercept.",
        default=True,
        tunable=Tunable(categories=("true", "false")),
    ),
    _flag("normalize_data", "Scale features to a standard deviation of 1.", True),
    _flag("normalize_label", "Scale a regressor's labels to a standard deviation of 1.", "auto"),
    _flag("unbias_data", "Shift features to a mean of 0. `auto`: with an intercept, of dense data.", "auto"),
    _flag("unbias_label", "Shift a regressor's labels to a mean of 0. `auto`: with an intercept.", "auto"),
    Hyperparameter(
        "num_point_for_scaler",
        "integer",
        "How many rows means and standard deviations are taken from.",
        default=10_000,
        low=1,
    ),
    Hyperparameter("init_bias", "real", "Where the intercept begins.", default=0.0),
    Hyperparameter("init_method", "choice", "How the weights begin.", default="uniform", choices=("uniform", "normal")),
    _positive("init_scale", "`uniform` draws from [-init_scale, init_scale].", 0.07),
    _positive("init_sigma", "The standard deviation of `normal`.", 0.01),
)

_TRAINING = (
    Hyperparameter("epochs", "integer", "The most passes over the training data.", default=15, low=1),
    Hyperparameter(
        "mini_batch_size",
        "integer",
        "Rows of a step of the gradient methods.",
        default=1000,
        low=1,
        tunable=Tunable(100, 5000),
    ),
    Hyperparameter(
        "num_models",
        "integer",
        "How many models are trained together, of which the best is kept: the first as the job says, the others close "
        "to it. 1 in a tuning job.",
        default="auto",
        low=1,
        words=("auto",),
        chosen="12, fewer where weights are many",
    ),
    Hyperparameter(
        "optimizer",
        "choice",
        "How the loss is minimised. `auto`: Newton's method over passes where a model has up to 1,024 weights, of "
        "which the squared loss needs one; `adam` where it has more, and where hyperparameters of a gradient method "
        "are given.",
        default="auto",
        choices=("auto", "sgd", "adam", "rmsprop", "adagrad"),
    ),
    _auto(
        "learning_rate",
        "The step size of the gradient methods.",
        "0.01 for `adam` and `rmsprop`, 0.1 for `adagrad`, 0.05 for `sgd`, and values around it",
        above=True,
        tunable=Tunable(1e-5, 1.0, scale="Logarithmic"),
    ),
    _auto(
        "wd", "The weight of the L2 penalty.", "multiples of 1 / rows", tunable=Tunable(1e-7, 1.0, scale="Logarithmic")
    ),
    _auto(
        "l1", "The weight of the L1 penalty.", "multiples of 1 / rows", tunable=Tunable(1e-7, 1.0, scale="Logarithmic")
    ),
    _auto("momentum", "The momentum of `sgd`.", "0.9", high=1, below=True),
    _auto("beta_1", "The decay of `adam`'s first moments.", "0.9", high=1, below=True),
    _auto("beta_2", "The decay of second moments, `adam`'s and `rmsprop`'s.", "0.999, 0.9", high=1, below=True),
    _auto("bias_lr_mult", "The intercept's learning rate, as a multiple of the others'.", "1", above=True),
    _auto("bias_wd_mult", "The intercept's L2 penalty, as a multiple of the others'.", "0"),
    Hyperparameter("use_lr_scheduler", "boolean", "Whether the learning rate decays.", default=True),
    Hyperparameter(
        "lr_scheduler_step",
        "integer",
        "Steps between two decreases of the learning rate.",
        default="auto",
        low=1,
        words=("auto",),
        chosen="100",
    ),
    _auto("lr_scheduler_factor", "By what it is multiplied.", "0.99", high=1, above=True, below=True),
    _auto("lr_scheduler_minimum_lr", "What it does not fall below.", "0.00001", above=True),
    Hyperparameter(
        "early_stopping_patience",
        "integer",
        "After how many epochs without improvement training ends.",
        default=3,
        low=1,
    ),
    _positive("early_stopping_tolerance", "A smaller relative improvement is none.", 0.001),
)

SCHEMA = Schema(
    parameters=(*_PROBLEM, *_SELECTION, *_MODEL, *_TRAINING),
    rules=(
        Rule(_has_classes, "'num_classes' is a required property of a multiclass_classifier, and at least 3"),
        Rule(_has_loss, "'{loss}' is not a loss of a {predictor_type}"),
    ),
)
