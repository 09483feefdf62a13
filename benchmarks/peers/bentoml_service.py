"""BentoML with adaptive batching: `bentoml serve bentoml_service:Predictor`."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(traffic={"timeout": 60, "max_concurrency": 256})
class Predictor:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(route="/invocations", batchable=True, max_batch_size=64, max_latency_ms=1000)
    def invocations(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict(rows)
