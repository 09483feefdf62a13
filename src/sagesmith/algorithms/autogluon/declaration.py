"""AutoGluon-Tabular as AWS describes it."""

from collections.abc import Mapping
from typing import Any

from sagesmith.algorithms.declaration import CSV, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema
from sagesmith.algorithms.tabular.declaration import ACCEPTS, MODEL_TYPES, example

MODELS = ("autogluon-classification-ensemble", "autogluon-regression-ensemble")
METRICS: Mapping[str, tuple[str, ...]] = {
    "binary": (
        *("accuracy", "balanced_accuracy", "mcc", "log_loss", "quadratic_kappa", "pac", "roc_auc", "average_precision"),
        *(f"{name}{kind}" for name in ("f1", "precision", "recall") for kind in ("", "_macro", "_micro", "_weighted")),
    ),
    "multiclass": (
        *("accuracy", "balanced_accuracy", "mcc", "log_loss", "quadratic_kappa", "pac"),
        *(f"{name}_{kind}" for name in ("f1", "precision", "recall") for kind in ("macro", "micro", "weighted")),
        *(f"roc_auc_ov{kind}" for kind in ("o", "o_macro", "o_weighted", "r", "r_macro", "r_micro", "r_weighted")),
    ),
    "regression": (
        *("root_mean_squared_error", "mean_squared_error", "mean_absolute_error", "median_absolute_error", "r2"),
        *("mean_absolute_percentage_error", "symmetric_mean_absolute_percentage_error", "spearmanr", "pearsonr"),
    ),
}
"""AutoGluon's metrics by what is told."""


def _folds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 10:
        raise ValueError(f"'{text}' is not an integer from 0 to 10")
    return int(text)


def _bagged(values: Mapping[str, Any]) -> bool:
    return values["num_bag_folds"] >= 2 or values["auto_stack"] or values["presets"] in _STACKED


_STACKED = ("best_quality", "high_quality", "good_quality")

ALGORITHM = Algorithm(
    name="autogluon",
    title="AutoGluon-Tabular",
    repositories=MODELS,
    summary=(
        "Trains several kinds of models and ensembles of them, by [AutoGluon](https://auto.gluon.ai) itself. Two "
        "models of JumpStart, one for classes and one for numbers, differ in nothing but the target."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter(
                "eval_metric",
                "choice",
                "What models are chosen by; `auto`: `roc_auc` of two classes, `accuracy` of several, "
                "`root_mean_squared_error` of numbers.",
                "auto",
                choices=("auto", *dict.fromkeys(name for names in METRICS.values() for name in names)),
            ),
            Hyperparameter(
                "presets",
                "choice",
                "How much is tried: those from `good_quality` on take up to an hour (`time_limit`).",
                "medium_quality",
                choices=(*_STACKED, "medium_quality", "optimize_for_deployment", "interpretable"),
            ),
            Hyperparameter(
                "auto_stack", "boolean", "Bag and stack models, as many as the data are worth.", default=False
            ),
            Hyperparameter("num_bag_folds", "text", "The folds of bagging, from 0 to 10; 0: none.", "0", check=_folds),
            Hyperparameter("num_bag_sets", "integer", "How often bagging is repeated.", 1, low=1, high=20),
            Hyperparameter("num_stack_levels", "integer", "The levels of stacking; 0: none.", 0, low=0, high=3),
            Hyperparameter(
                "refit_full", "boolean", "Train all models on all of the data again at the end.", default=False
            ),
            Hyperparameter(
                "set_best_to_refit_full", "boolean", "Answer with the best of those that were.", default=False
            ),
            Hyperparameter(
                "save_space", "boolean", "Leave out of the model what is not needed to answer.", default=False
            ),
            Hyperparameter("verbosity", "integer", "How much AutoGluon says.", 2, low=0, high=4),
            Hyperparameter(
                "time_limit",
                "integer",
                "Seconds after which no further model is begun. AWS's has none of this name.",
                chosen="the preset's",
                low=1,
            ),
        ),
        rules=(
            Rule(
                lambda values: values["num_bag_folds"] != 1,
                "'num_bag_folds' must be 0, or from 2 to 10: one fold leaves nothing to learn from",
            ),
            Rule(
                lambda values: not values["num_stack_levels"] or _bagged(values),
                "'num_stack_levels' is {num_stack_levels}, which needs a 'num_bag_folds' of 2 or more",
            ),
            Rule(
                lambda values: not values["set_best_to_refit_full"] or values["refit_full"],
                "'set_best_to_refit_full' needs 'refit_full'",
            ),
            Rule(
                lambda values: values["presets"] != "interpretable",
                "'presets' is interpretable, whose models are not there: they need the package imodels",
            ),
        ),
    ),
    channels=(
        Channel(
            "training",
            "Rows to learn from, the target first, without a header; or folders `train/` and `validation/` of such "
            "files. Target and features may be numbers or text.",
            (CSV,),
            modes=("File", "FastFile"),
        ),
        Channel("train", "The same by its other name.", (CSV,), modes=("File", "FastFile")),
        Channel(
            "validation",
            "Rows to choose models by; without them AutoGluon holds out a part.",
            (CSV,),
            modes=("File", "FastFile"),
        ),
        Channel(
            "model", "JumpStart's artifact of the algorithm, which has no meaning here.", MODEL_TYPES, modes=("File",)
        ),
        Channel(
            "code", "JumpStart's script of the algorithm, which has no meaning here.", MODEL_TYPES, modes=("File",)
        ),
    ),
    metrics=(
        Metric(
            "validation:score",
            r"validation score=(-?[0-9\.]+(?:e[-+]?[0-9]+)?)",
            "Of the best model, by `eval_metric`; errors are negative, so that more is better.",
            "Maximize",
        ),
    ),
    train="sagesmith.algorithms.autogluon.train:train",
    load="sagesmith.algorithms.autogluon.model:load",
    content_types=(CSV,),
    accepts=ACCEPTS,
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/autogluon-tabular.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/autogluon-tabular-HowItWorks.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/autogluon-tabular-hyperparameters.html",
        "https://auto.gluon.ai/1.6.0/api/autogluon.tabular.TabularPredictor.fit.html",
    ),
    differences=(
        "The learners are LightGBM, CatBoost, XGBoost, random forests and extra trees: those that are "
        "networks (PyTorch, fastai) are left out, and whatever needs a GPU.",
        "AutoGluon keeps its models as pickles. They are written and read inside the job's and the endpoint's sandbox "
        "alone; but who deploys an artifact of AutoGluon from strangers runs what they have put into it.",
        "Without `save_space` the artifact has the training data too: that is AutoGluon's default.",
        "`time_limit` bounds the time, which else is bounded by the preset (an hour from `good_quality` on) and by "
        "the job's MaxRuntimeInSeconds. AutoGluon leaves out models that would not fit into the instance's memory.",
        "Folds are trained one after the other; stacking is not tried out beforehand "
        "(`dynamic_stacking`): both would need Ray.",
        "The environment takes 0.9 GB on disk.",
        "Metrics: AWS documents none.",
    ),
    artifact="`predictor/`, which `TabularPredictor.load` loads, and `model.json`",
    models=MODELS,
    examples=(Example("Classification with the SageMaker Python SDK v2", example(MODELS[0])),),
)
