"""Models of AutoGluon that answer requests.

Source: https://github.com/aws/amazon-sagemaker-examples (introduction_to_amazon_algorithms, autogluon_tabular)
"""

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autogluon.tabular import TabularPredictor

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.autogluon import data
from sagesmith.algorithms.declaration import JSON
from sagesmith.algorithms.errors import BadRequest, CustomerError, Unreadable
from sagesmith.algorithms.tabular.model import read_meta

FOLDER = "predictor"


def quiet() -> None:
    """Let AutoGluon not look for GPUs aloud before each model."""
    logging.getLogger("autogluon.common.utils.resource_utils").addFilter(
        lambda record: "Failed to import torch" not in record.getMessage()
    )


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers rows by a predictor.

    Attributes:
        kinds: of each feature, whether it is a `number` or a `text`.
        classes: the labels; None for a regression.
    """

    predictor: TabularPredictor
    kinds: Mapping[str, str]
    classes: tuple[Any, ...] | None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm("autogluon")
        serving.readable(content_type, algorithm)
        serving.writable(accept, algorithm)
        rows = self._rows(body)
        # AutoGluon does not say that threads may share a predictor.
        with self.lock:
            if self.classes is None:
                return json.dumps({"prediction": self.predictor.predict(rows).tolist()}).encode(), JSON
            found = self.predictor.predict_proba(rows)[list(self.classes)].to_numpy()
        said: dict[str, Any] = {"probabilities": found.tolist()}
        if "verbose" in accept.replace(" ", "").split(";")[1:]:
            said["labels"] = list(self.classes)
            said["predicted_label"] = [self.classes[each] for each in found.argmax(axis=1)]
        return json.dumps(said).encode(), JSON

    def _rows(self, body: bytes) -> Any:
        try:
            found = list(data.lines(body, "the request", len(self.kinds)))
        except Unreadable as error:
            raise BadRequest(f"Unable to evaluate payload provided: {error.place}: {error.why}") from None
        if not found:
            raise BadRequest("Unable to evaluate payload provided: the request has no rows")
        table = data.table([cells for _, cells in found], list(self.kinds))
        for number, (name, kind) in enumerate(self.kinds.items(), 1):
            if kind == "number":
                column = data.numbers(table[name])
                if column is None:
                    raise BadRequest(
                        f"Unable to evaluate payload provided: column {number} has text that is no number; in the "
                        "training data it has numbers alone"
                    )
                table[name] = column
        return table


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none, or it is of another Python or AutoGluon.
    """
    meta = read_meta(model_dir, "autogluon")
    quiet()
    try:
        predictor = TabularPredictor.load(str(model_dir / FOLDER), verbosity=0)
        predictor.persist()
    except Exception as error:  # whatever a pickle's classes raise
        raise CustomerError(f"The model artifact is not one of autogluon: {FOLDER}: {error}") from error
    return Answers(predictor, meta["kinds"], meta["classes"])
