"""LightGBM as AWS describes it."""

from sagesmith.algorithms.declaration import CSV, Algorithm, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable
from sagesmith.algorithms.tabular.declaration import ACCEPTS, CHANNELS, DIFFERENCES, example

METRICS = (
    *("rmse", "l1", "l2", "huber", "fair", "binary_logloss", "binary_error", "auc", "average_precision"),
    *("multi_logloss", "multi_error", "auc_mu", "cross_entropy"),
)
_MAXIMIZED = ("auc", "average_precision", "auc_mu")

ALGORITHM = Algorithm(
    name="lightgbm",
    title="LightGBM",
    repositories=("lightgbm-classification-model", "lightgbm-regression-model"),
    summary=(
        "Gradient boosted trees, by [LightGBM](https://lightgbm.readthedocs.io) itself. Two models of JumpStart, one "
        "for classes and one for numbers, differ in nothing but the target."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter(
                "num_boost_round", "integer", "The most rounds; of several classes, a tree a class each.", 100, low=1
            ),
            Hyperparameter(
                "early_stopping_rounds",
                "integer",
                "Training ends when the metric of the validation data has not improved for so many rounds; 0 or less: "
                "it does not.",
                10,
            ),
            Hyperparameter(
                "metric",
                "choice",
                "The metric of the validation data; `auto`: `rmse`, `binary_logloss` or `multi_logloss`.",
                "auto",
                choices=("auto", *METRICS),
            ),
            Hyperparameter(
                "learning_rate",
                "real",
                "How much of each tree's answer counts.",
                0.1,
                low=0,
                high=1,
                above=True,
                tunable=Tunable(0.001, 0.01, scale="Auto"),
            ),
            Hyperparameter(
                "num_leaves", "integer", "The most leaves of a tree.", 64, low=2, high=131072, tunable=Tunable(10, 100)
            ),
            Hyperparameter(
                "feature_fraction",
                "real",
                "The share of the features that a tree sees.",
                0.9,
                low=0,
                high=1,
                above=True,
                tunable=Tunable(0.1, 1.0),
            ),
            Hyperparameter(
                "bagging_fraction",
                "real",
                "The share of the rows that a tree sees.",
                0.9,
                low=0,
                high=1,
                above=True,
                tunable=Tunable(0.1, 1.0),
            ),
            Hyperparameter(
                "bagging_freq",
                "integer",
                "After how many rounds these rows are chosen anew; 0: all are seen.",
                1,
                low=0,
                tunable=Tunable(0, 10),
            ),
            Hyperparameter(
                "max_depth", "integer", "The depth of a tree; 0 or less: no limit.", 6, tunable=Tunable(15, 100)
            ),
            Hyperparameter(
                "min_data_in_leaf", "integer", "The rows that a leaf must have.", 3, low=0, tunable=Tunable(10, 200)
            ),
            Hyperparameter("max_delta_step", "real", "The most that a leaf may answer; 0 or less: no limit.", 0.0),
            Hyperparameter("lambda_l1", "real", "L1 regularization.", 0.0, low=0),
            Hyperparameter("lambda_l2", "real", "L2 regularization.", 0.0, low=0),
            Hyperparameter(
                "boosting", "choice", "How trees are added.", "gbdt", choices=("gbdt", "rf", "dart", "goss")
            ),
            Hyperparameter("min_gain_to_split", "real", "What a split must gain.", 0.0, low=0),
            Hyperparameter("scale_pos_weight", "real", "The weight of positive rows.", 1.0, low=0, above=True),
            Hyperparameter(
                "tree_learner",
                "choice",
                "How instances share the work; one instance learns serially whatever it says.",
                "serial",
                choices=("serial", "feature", "data", "voting"),
            ),
            Hyperparameter(
                "feature_fraction_bynode",
                "real",
                "The share of the features at each split.",
                1.0,
                low=0,
                high=1,
                above=True,
            ),
            Hyperparameter("is_unbalance", "boolean", "Weigh two classes alike.", default=False),
            Hyperparameter("max_bin", "integer", "The most bins of a feature.", 255, low=2),
            Hyperparameter(
                "tweedie_variance_power", "real", "The power of the variance.", 1.5, low=1, high=2, below=True
            ),
            Hyperparameter("num_threads", "integer", "The number of threads; 0: all cores.", 0, low=0),
            Hyperparameter("verbosity", "integer", "How much LightGBM says of itself.", 1),
            Hyperparameter("use_dask", "boolean", "Train on several instances, which is refused here.", default=False),
        ),
    ),
    channels=CHANNELS,
    metrics=tuple(
        Metric(
            name,
            rf"{name}: ([0-9\.]+)",
            f"`{name}`, validation data.",
            "Maximize" if name in _MAXIMIZED else "Minimize",
        )
        for name in METRICS
    ),
    train="sagesmith.algorithms.lightgbm.train:train",
    load="sagesmith.algorithms.lightgbm.model:load",
    content_types=(CSV,),
    accepts=ACCEPTS,
    hardware="CPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/lightgbm.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/InputOutput-LightGBM.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/lightgbm-hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/lightgbm-tuning.html",
    ),
    differences=DIFFERENCES,
    artifact="`lightgbm.txt`, which `lightgbm.Booster` loads, and `model.json`",
    models=("lightgbm-classification-model", "lightgbm-regression-model"),
    examples=(Example("Classification with the SageMaker Python SDK v2", example("lightgbm-classification-model")),),
)
