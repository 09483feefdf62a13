"""Models of XGBoost that answer requests."""

import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.errors import BadRequest, CustomerError
from sagesmith.algorithms.xgboost import answers, requests

FILE = "xgboost-model"
_PICKLE = b"\x80"


@dataclass(frozen=True, slots=True)
class Boosters:
    """One model, or several whose answers are averaged.

    Attributes:
        objective: what it was trained for.
        predict: from rows, an array (rows, columns) or a csr_matrix of so many, to answers.
        selected: what `SAGEMAKER_INFERENCE_OUTPUT` wants of each row, in its order; empty for the answer alone.
        batch: rows are answered in a line each, as batch transform needs them.
    """

    columns: int
    objective: str
    classes: int
    predict: Callable[[Any], Any]
    selected: tuple[str, ...]
    batch: bool

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm("xgboost")
        kind = serving.readable(content_type, algorithm)
        chosen = serving.writable(accept, algorithm)
        rows = requests.rows(body, kind, content_type, self.columns)
        try:
            predictions = self.predict(rows)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise BadRequest(f"Unable to evaluate payload provided: {error}") from error
        if self.selected:
            found = answers.select(predictions, self.selected, self.objective, self.classes)
            return answers.encode_selected(found, self.selected, chosen, self.batch), chosen
        return answers.encode(predictions, chosen, self.batch), chosen


def load(model_dir: Path) -> serving.Predictor:
    """The model, or the models of cross validation, that a job has left.

    Raises:
        CustomerError: there is none that XGBoost loads.
    """
    paths = sorted(path for path in model_dir.iterdir() if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise CustomerError(f"The model artifact has no model: a file such as '{FILE}' is expected.")
    together = os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() == "true"
    boosters = [_booster(path) for path in (paths if together else paths[:1])]
    config = json.loads(boosters[0].save_config())["learner"]
    wanted = os.environ.get("SAGEMAKER_INFERENCE_OUTPUT", "").replace(" ", "").lower()
    objective = config["objective"]["name"]
    selected = tuple(filter(None, wanted.split(",")))
    if selected:
        answers.check(objective)
    return Boosters(
        columns=boosters[0].num_features(),
        objective=objective,
        classes=int(config["learner_model_param"].get("num_class", "0")),
        predict=_ensemble([_predictor(each) for each in boosters]),
        selected=selected,
        batch=os.environ.get("SAGEMAKER_BATCH") == "true",
    )


def save(booster: Any, path: Path) -> None:
    """Write a model, or a checkpoint, in one step; in the form that XGBoost's version prefers."""
    # XGBoost chooses the form by the name, and warns of one without an ending. Before 1.6 there was no UBJSON.
    form = ".ubj" if hasattr(xgboost, "collective") else ".model"
    temporary = path.with_name(f".{path.name}{form}")
    booster.save_model(temporary)
    temporary.replace(path)


def restored(path: Path) -> Any:
    """A model that `save` has written, or that bare XGBoost has.

    Raises:
        XGBoostError: it is none.
    """
    booster = xgboost.Booster()
    with warnings.catch_warnings():
        # It guesses the form from the content, rightly.
        warnings.filterwarnings("ignore", message=".*Unknown file format")
        booster.load_model(path)
    return booster


def _booster(path: Path) -> Any:
    with path.open("rb") as file:
        begins = file.read(1)
    if begins == _PICKLE:
        raise CustomerError(
            f"The model file '{path.name}' is a pickle, which could run any code and is not loaded. Load it with the "
            "XGBoost that wrote it, and save it by Booster.save_model."
        )
    try:
        booster = restored(path)
    except (xgboost.core.XGBoostError, ValueError, UnicodeDecodeError) as error:
        raise CustomerError(
            f"The model file '{path.name}' is none that XGBoost {xgboost.__version__} loads: it is another "
            f"algorithm's, or of another version, or not whole ({str(error).strip().splitlines()[0]})."
        ) from error
    if not os.environ.get("SAGEMAKER_BATCH"):
        # A request has few rows: threads would cost more than they save.
        booster.set_param("nthread", 1)
    return booster


def _predictor(booster: Any) -> Callable[[Any], Any]:
    def by_matrix(rows: Any) -> Any:
        return booster.predict(xgboost.DMatrix(rows), validate_features=False)

    def in_place(rows: Any) -> Any:
        return booster.inplace_predict(rows, validate_features=False)

    probe = np.array([np.linspace(-1, 1, booster.num_features(), dtype=np.float32)])
    try:
        same = np.array_equal(in_place(probe), by_matrix(probe))
    except (xgboost.core.XGBoostError, ValueError):
        # Linear models are not asked so.
        same = False
    return in_place if same else by_matrix


def _ensemble(predictors: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    if len(predictors) == 1:
        return predictors[0]
    return lambda rows: np.mean([predict(rows) for predict in predictors], axis=0)
