"""Models of CatBoost that answer requests."""

from pathlib import Path
from typing import Any

import catboost

from sagesmith.algorithms import serving
from sagesmith.algorithms.catboost.tables import pool
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.tabular.model import Tabular, read_meta

FILE = "catboost.cbm"


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    meta = read_meta(model_dir, "catboost")
    model = catboost.CatBoost()
    try:
        model.load_model(str(model_dir / FILE))
    except (catboost.CatBoostError, OSError) as error:
        raise CustomerError(f"The model artifact is not one of catboost: {FILE}: {error}") from error
    kind = "RawFormulaVal" if meta["classes"] is None else "Probability"

    def predict(rows: Any) -> Any:
        data = pool(rows, meta["categories"]) if meta["categories"] else rows
        return model.predict(data, prediction_type=kind, thread_count=1 if len(rows) < 1000 else -1)

    return Tabular("catboost", meta["columns"], meta["classes"], predict, meta["numbers"])
