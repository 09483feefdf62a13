"""CatBoost as AWS describes it."""

from sagesmith.algorithms.declaration import CSV, Algorithm, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable
from sagesmith.algorithms.tabular.declaration import ACCEPTS, CHANNELS, DIFFERENCES, example

_BEST = r"bestTest = ([0-9\.]+)"
_METRICS = {
    "RMSE": "Minimize",
    "MAE": "Minimize",
    "MedianAbsoluteError": "Minimize",
    "R2": "Maximize",
    "Logloss": "Minimize",
    "Precision": "Maximize",
    "Recall": "Maximize",
    "F1": "Maximize",
    "AUC": "Maximize",
    "MultiClass": "Minimize",
    "Accuracy": "Maximize",
    "BalancedAccuracy": "Maximize",
}

ALGORITHM = Algorithm(
    name="catboost",
    title="CatBoost",
    repositories=("catboost-classification-model", "catboost-regression-model"),
    summary=(
        "Gradient boosted trees with ordered boosting, and categories as they are, by [CatBoost](https://catboost.ai) "
        "itself. Two models of JumpStart, one for classes and one for numbers, differ in nothing but the target."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter("iterations", "integer", "The most trees.", 500, low=1),
            Hyperparameter(
                "early_stopping_rounds",
                "integer",
                "Training ends when the metric of the validation data has not improved for so many trees; 0 or less: "
                "it does not.",
                5,
            ),
            Hyperparameter(
                "eval_metric",
                "text",
                "The metric of the validation data, by CatBoost's name; `auto`: `RMSE`, `AUC` or `MultiClass`.",
                "auto",
            ),
            Hyperparameter(
                "learning_rate",
                "real",
                "How much of each tree's answer counts.",
                0.009,
                low=0,
                high=1,
                above=True,
                tunable=Tunable(0.001, 0.01),
            ),
            Hyperparameter("depth", "integer", "The depth of a tree.", 6, low=1, high=16, tunable=Tunable(4, 10)),
            Hyperparameter("l2_leaf_reg", "real", "L2 regularization.", 3, low=0, tunable=Tunable(2, 10)),
            Hyperparameter("random_strength", "real", "How random splits are.", 1.0, low=0, tunable=Tunable(0, 10)),
            Hyperparameter(
                "max_leaves", "integer", "The most leaves of a tree, of `Lossguide` alone.", 31, low=2, high=64
            ),
            Hyperparameter("rsm", "real", "The share of the features at each split.", 1.0, low=0, high=1, above=True),
            Hyperparameter(
                "sampling_frequency",
                "choice",
                "When rows are chosen anew.",
                "PerTreeLevel",
                choices=("PerTreeLevel", "PerTree"),
            ),
            Hyperparameter(
                "min_data_in_leaf",
                "integer",
                "The rows that a leaf must have, of `Lossguide` and `Depthwise` alone.",
                1,
                low=1,
            ),
            Hyperparameter(
                "bagging_temperature", "real", "How different rows weigh in a tree; 0: all alike.", 1.0, low=0
            ),
            Hyperparameter(
                "boosting_type",
                "choice",
                "How trees are added; `Auto`: by the number of rows.",
                "Auto",
                choices=("Auto", "Ordered", "Plain"),
            ),
            Hyperparameter("scale_pos_weight", "real", "The weight of positive rows.", 1.0, low=0, above=True),
            Hyperparameter(
                "max_bin", "integer", "The most bins of a feature.", "Auto", low=1, high=65535, words=("Auto",)
            ),
            Hyperparameter(
                "grow_policy",
                "choice",
                "How a tree grows.",
                "SymmetricTree",
                choices=("SymmetricTree", "Depthwise", "Lossguide"),
            ),
            Hyperparameter("random_seed", "integer", "Of the random choices.", 1, low=0),
            Hyperparameter("thread_count", "integer", "The number of threads; -1: all cores.", -1, low=-1),
            Hyperparameter("verbose", "integer", "After how many trees a line is logged.", 1, low=0),
        ),
    ),
    channels=CHANNELS,
    metrics=tuple(
        Metric(name, _BEST, f"`{name}`, validation data, if `eval_metric` names it.", "Minimize")
        if goal == "Minimize"
        else Metric(name, _BEST, f"`{name}`, validation data, if `eval_metric` names it.", "Maximize")
        for name, goal in _METRICS.items()
    ),
    train="sagesmith.algorithms.catboost.train:train",
    load="sagesmith.algorithms.catboost.model:load",
    content_types=(CSV,),
    accepts=ACCEPTS,
    hardware="CPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/catboost.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/InputOutput-CatBoost.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/catboost-hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/catboost-tuning.html",
    ),
    differences=DIFFERENCES,
    artifact="`catboost.cbm`, which `catboost.CatBoost` loads, and `model.json`",
    models=("catboost-classification-model", "catboost-regression-model"),
    examples=(Example("Classification with the SageMaker Python SDK v2", example("catboost-classification-model")),),
)
