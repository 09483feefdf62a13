"""XGBoost's hyperparameters: those of AWS's container, of all its versions.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html; what may be combined with what, the source of
https://github.com/aws/sagemaker-xgboost-container (algorithm_mode/hyperparameter_validation.py).
"""

import ast
from collections.abc import Mapping
from typing import Any

from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable

MAXIMIZED = (
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
MINIMIZED = (
    "aft-nloglik",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
)
_WITH_THRESHOLD = ("error", "ndcg", "map")
_OBJECTIVES = (
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
    "reg:linear",
    "reg:squarederror",
    "reg:logistic",
    "reg:gamma",
    "reg:pseudohubererror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "reg:absoluteerror",
    "reg:quantileerror",
    "survival:aft",
    "survival:cox",
)
_GROWING = ("grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_quantile_histmaker")
_UPDATING = ("refresh", "prune")
_OF_TREES = (*_GROWING, "grow_skmaker", "sync", *_UPDATING)
_LINEAR = ("shotgun", "coord_descent")


def _words(text: str, allowed: tuple[str, ...]) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in allowed:
            raise ValueError(f"value '{word}' not in range {list(allowed)}")
    return words


def _updater(text: str) -> str:
    return ",".join(_words(text, (*_OF_TREES, *_LINEAR)))


def _metrics(text: str) -> list[str]:
    return [_metric(word.strip()) for word in text.split(",")]


def _metric(word: str) -> str:
    name, at, threshold = (part.strip() for part in word.partition("@"))
    if not at:
        return _words(name, (*MAXIMIZED, *MINIMIZED))[0]
    if name not in _WITH_THRESHOLD:
        raise ValueError(
            f"Metric '{word}' is not supported. Parameter 'eval_metric' with customized threshold should be one of "
            "these options: 'error', 'ndcg', 'map'."
        )
    try:
        float(threshold.removesuffix("-"))
    except ValueError:
        raise ValueError(f"Threshold value 't' in '{name}@t' expects float input.") from None
    return word


def _constraints(text: str) -> tuple[int, ...]:
    value = _literal(text)
    if not isinstance(value, tuple | list) or any(each not in (-1, 0, 1) for each in value):
        raise ValueError("it must be a tuple of -1, 0 and 1, one for each feature, such as (1,0,-1)")
    return tuple(value)


def _interactions(text: str) -> list[list[int]]:
    value = _literal(text)
    if not isinstance(value, list) or any(not isinstance(each, list) for each in value):
        raise ValueError("it must be a list of lists of features, such as [[0,1],[2,3,4]]")
    if any(not isinstance(number, int) or number < 0 for each in value for number in each):
        raise ValueError("features are given by their numbers, from 0 on")
    return value


def _quantiles(text: str) -> float | list[float]:
    value = _literal(text)
    shares = value if isinstance(value, list | tuple) else [value]
    if not shares or any(not isinstance(each, float) or not 0 < each < 1 for each in shares):
        raise ValueError("it must be a number between 0 and 1, or a list of such numbers, such as [0.1,0.5,0.9]")
    return list(shares) if isinstance(value, list | tuple) else float(value)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError("could not parse value") from None


def _updater_fits(values: Mapping[str, Any]) -> bool:
    if values["updater"] is None:
        return True
    words = values["updater"].split(",")
    if values["booster"] == "gblinear":
        return len(words) == 1 and words[0] in _LINEAR
    if values["process_type"] == "update":
        return all(word in _UPDATING for word in words)
    return all(word in _OF_TREES for word in words) and sum(word in _GROWING for word in words) <= 1


def _of_kind(values: Mapping[str, Any], metric: str, *kinds: str) -> bool:
    return metric not in (values["eval_metric"] or ()) or values["objective"].startswith(kinds)


def _share(name: str, meaning: str, low: float) -> Hyperparameter:
    return Hyperparameter(
        name, "real", meaning, default=1, low=0, high=1, above=True, tunable=Tunable(low, 1, scale="Linear")
    )


SCHEMA = Schema(
    parameters=(
        Hyperparameter(
            "num_round",
            "integer",
            "The number of rounds: in each a tree is added (of several classes, a tree a class).",
            required=True,
            low=1,
            tunable=Tunable(1, 4000, scale="Linear"),
        ),
        Hyperparameter("num_class", "integer", "The number of classes of `multi:softmax` and `multi:softprob`.", low=2),
        Hyperparameter("objective", "choice", "What is learned.", default="reg:squarederror", choices=_OBJECTIVES),
        Hyperparameter(
            "eval_metric",
            "text",
            "Metrics of the data after each round, separated by commas; `error@t`, `map@n` and `ndcg@n` too.",
            chosen="the objective's own",
            check=_metrics,
        ),
        Hyperparameter(
            "early_stopping_rounds",
            "integer",
            "Training ends when the last metric of the validation data has not improved for so many rounds; the best "
            "round's model is kept.",
            low=1,
            chosen="never",
        ),
        Hyperparameter(
            "csv_weights",
            "integer",
            "1: the second column of CSV has the rows' weights.",
            default=0,
            low=0,
            high=1,
        ),
        Hyperparameter(
            "booster", "choice", "Trees or linear functions.", default="gbtree", choices=("gbtree", "gblinear", "dart")
        ),
        Hyperparameter(
            "eta",
            "real",
            "How much of each tree's answer counts.",
            default=0.3,
            low=0,
            high=1,
            tunable=Tunable(0.1, 0.5, scale="Linear"),
            aliases=("learning_rate",),
        ),
        Hyperparameter(
            "gamma",
            "real",
            "The loss that a split must save.",
            default=0,
            low=0,
            tunable=Tunable(0, 5, scale="Linear"),
            aliases=("min_split_loss",),
        ),
        Hyperparameter(
            "max_depth",
            "integer",
            "The depth of a tree; 0: no limit, for `grow_policy=lossguide`.",
            default=6,
            low=0,
            tunable=Tunable(0, 10, scale="Linear"),
        ),
        Hyperparameter(
            "min_child_weight",
            "real",
            "The sum of the rows' weights (of second derivatives) that a leaf must have.",
            default=1,
            low=0,
            tunable=Tunable(0, 120, scale="Linear"),
        ),
        Hyperparameter(
            "max_delta_step",
            "real",
            "The most that a leaf may answer; 0: no limit.",
            default=0,
            low=0,
            tunable=Tunable(0, 10, scale="Linear"),
        ),
        _share("subsample", "The share of the rows that a tree sees.", 0.5),
        _share("colsample_bytree", "The share of the features that a tree sees.", 0.5),
        _share("colsample_bylevel", "The share of these for each level of the tree.", 0.1),
        _share("colsample_bynode", "The share of these for each split.", 0.1),
        Hyperparameter(
            "lambda",
            "real",
            "L2 regularization of the leaves.",
            default=1,
            low=0,
            tunable=Tunable(0, 1000, scale="Linear"),
            aliases=("reg_lambda",),
        ),
        Hyperparameter(
            "alpha",
            "real",
            "L1 regularization of the leaves.",
            default=0,
            low=0,
            tunable=Tunable(0, 1000, scale="Linear"),
            aliases=("reg_alpha",),
        ),
        Hyperparameter(
            "tree_method",
            "choice",
            "How splits are found.",
            default="auto",
            choices=("auto", "exact", "approx", "hist", "gpu_hist"),
        ),
        Hyperparameter("max_bin", "integer", "The number of bins of `hist`.", default=256, low=0),
        Hyperparameter(
            "grow_policy",
            "choice",
            "Which leaf is split next.",
            default="depthwise",
            choices=("depthwise", "lossguide"),
        ),
        Hyperparameter("max_leaves", "integer", "The most leaves of a tree; 0: no limit.", default=0, low=0),
        Hyperparameter(
            "monotone_constraints",
            "text",
            "For each feature 1, -1 or 0: the answer must rise, fall, or may do either; with `exact` and `hist` only.",
            chosen="none",
            check=_constraints,
        ),
        Hyperparameter(
            "interaction_constraints",
            "text",
            "Features that may appear together in a branch, a list of lists; with `exact`, `hist` and `approx` only.",
            chosen="none",
            check=_interactions,
        ),
        Hyperparameter(
            "scale_pos_weight",
            "real",
            "The weight of positive rows.",
            default=1,
            low=0,
            above=True,
        ),
        Hyperparameter(
            "base_score",
            "real",
            "What is answered before the first tree.",
            low=0,
            chosen="from the labels, or 0.5 before XGBoost 2",
        ),
        Hyperparameter(
            "tweedie_variance_power",
            "real",
            "The power of the variance of `reg:tweedie`.",
            default=1.5,
            low=1,
            high=2,
            above=True,
            below=True,
        ),
        Hyperparameter(
            "quantile_alpha",
            "text",
            "The quantile that `reg:quantileerror` learns, or a list of several, all of which each row is answered; "
            "from XGBoost 2 on.",
            chosen="must be given for `reg:quantileerror`",
            check=_quantiles,
        ),
        Hyperparameter(
            "seed",
            "integer",
            "Of the random choices.",
            default=0,
            low=-(2**31),
            high=2**31 - 1,
            above=True,
            below=True,
        ),
        Hyperparameter("num_parallel_tree", "integer", "The number of trees of a round.", default=1, low=1),
        Hyperparameter(
            "updater", "text", "The tree updaters, separated by commas.", chosen="as needed", check=_updater
        ),
        Hyperparameter(
            "process_type", "choice", "New trees, or old ones anew.", default="default", choices=("default", "update")
        ),
        Hyperparameter(
            "refresh_leaf", "integer", "1: `refresh` changes leaves too, not splits alone.", default=1, low=0, high=1
        ),
        Hyperparameter(
            "sample_type",
            "choice",
            "Which trees `dart` drops.",
            default="uniform",
            choices=("uniform", "weighted"),
        ),
        Hyperparameter(
            "normalize_type",
            "choice",
            "How much trees weigh after a drop.",
            default="tree",
            choices=("tree", "forest"),
        ),
        Hyperparameter("rate_drop", "real", "The share of the trees that are dropped.", default=0, low=0, high=1),
        Hyperparameter("one_drop", "integer", "1: at least one tree is dropped.", default=0, low=0, high=1),
        Hyperparameter("skip_drop", "real", "The probability that none is dropped.", default=0, low=0, high=1),
        Hyperparameter("lambda_bias", "real", "L2 regularization of `gblinear`'s bias.", default=0, low=0, high=1),
        Hyperparameter(
            "sketch_eps", "real", "The accuracy of `approx`.", default=0.03, low=0, high=1, above=True, below=True
        ),
        Hyperparameter("dsplit", "choice", "How data are divided.", default="row", choices=("row", "col")),
        Hyperparameter(
            "aft_loss_distribution",
            "choice",
            "The distribution of `survival:aft`.",
            default="normal",
            choices=("normal", "logistic", "extreme"),
        ),
        Hyperparameter("aft_loss_distribution_scale", "real", "Its scale.", default=1, low=0),
        Hyperparameter(
            "sampling_method",
            "choice",
            "How rows are sampled.",
            default="uniform",
            choices=("uniform", "gradient_based"),
        ),
        Hyperparameter("nthread", "integer", "The number of threads.", low=1, chosen="all"),
        Hyperparameter("verbosity", "integer", "How much XGBoost says of itself.", default=1, low=0, high=3),
        Hyperparameter("silent", "integer", "1: XGBoost says nothing of itself.", default=0, low=0, high=1),
        Hyperparameter(
            "predictor",
            "choice",
            "The way of predicting; has no effect here.",
            default="auto",
            choices=("auto", "cpu_predictor", "gpu_predictor"),
        ),
        Hyperparameter("single_precision_histogram", "boolean", "Single precision in histograms.", default=False),
        Hyperparameter("deterministic_histogram", "boolean", "Always so on CPUs.", default=True),
        Hyperparameter("prob_buffer_row", "real", "Of an updater that is gone.", low=1, above=True, chosen="none"),
        Hyperparameter("use_dask_gpu_training", "boolean", "Training on several GPUs.", default=False),
        Hyperparameter(
            "save_model_on_termination",
            "boolean",
            "Keep the model there is when the job is stopped; here that is always done.",
            default=False,
        ),
        Hyperparameter(
            "_kfold",
            "integer",
            "Cross validation: the number of parts, each of which is left out once. All models are kept, and answer "
            "together.",
            low=2,
            chosen="none",
        ),
        Hyperparameter("_num_cv_round", "integer", "How often cross validation is done.", default=1, low=1),
    ),
    rules=(
        Rule(
            lambda values: values["objective"] not in ("multi:softmax", "multi:softprob") or bool(values["num_class"]),
            "Require input for parameter 'num_class' for multi-classification",
        ),
        Rule(
            lambda values: values["objective"] != "reg:quantileerror" or values["quantile_alpha"] is not None,
            "Require input for parameter 'quantile_alpha' for quantile regression",
        ),
        Rule(
            _updater_fits,
            "updater '{updater}' does not go with booster '{booster}' and process_type '{process_type}': gblinear "
            "takes one of 'shotgun' and 'coord_descent'; process_type 'update' can only be used with updater 'refresh' "
            "and 'prune'; only one tree grow plugin can be selected",
        ),
        Rule(
            lambda values: _of_kind(values, "auc", "binary:", "rank:"),
            "Metric 'auc' can only be applied for classification and ranking problems.",
        ),
        Rule(
            lambda values: _of_kind(values, "aft-nloglik", "survival:aft"),
            "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.",
        ),
        Rule(
            lambda values: values["monotone_constraints"] is None or values["tree_method"] in ("exact", "hist"),
            "monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'.",
        ),
        Rule(
            lambda values: (
                values["interaction_constraints"] is None or values["tree_method"] in ("exact", "hist", "approx")
            ),
            "interaction_constraints can be used only when the tree_method parameter is set to either 'exact', 'hist' "
            "or 'approx'.",
        ),
        Rule(
            lambda values: not values["use_dask_gpu_training"],
            "use_dask_gpu_training: Dask GPU training needs GPUs, and there are none; leave it out",
        ),
    ),
)
