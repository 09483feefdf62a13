"""Models of LightGBM that answer requests."""

from pathlib import Path
from typing import Any

import lightgbm

from sagesmith.algorithms import serving
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.tabular.model import Tabular, both, read_meta

FILE = "lightgbm.txt"


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    meta = read_meta(model_dir, "lightgbm")
    try:
        booster = lightgbm.Booster(model_file=model_dir / FILE)
    except (lightgbm.basic.LightGBMError, OSError) as error:
        raise CustomerError(f"The model artifact is not one of lightgbm: {FILE}: {error}") from error

    def predict(rows: Any) -> Any:
        found = booster.predict(rows, num_threads=1 if len(rows) < 1000 else 0)
        return both(found) if meta["classes"] is not None and found.ndim == 1 else found

    return Tabular("lightgbm", meta["columns"], meta["classes"], predict, meta["numbers"])
