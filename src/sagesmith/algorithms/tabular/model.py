"""Models of the tabular algorithms that answer requests.

Source: the notebooks of https://github.com/aws/amazon-sagemaker-examples (introduction_to_amazon_algorithms,
lightgbm_catboost_tabular)
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.data.decode import decode
from sagesmith.algorithms.declaration import JSON
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.tabular.words import Numbers, numbered, numbers_of

META = "model.json"


@dataclass(frozen=True, slots=True)
class Tabular:
    """Answers rows by a model.

    Attributes:
        classes: its classes' labels; None for a regression.
        predict: from rows to numbers, or to the probabilities of the classes, of shape (rows, classes).
        numbers: of the words of features whose categories are words.
    """

    algorithm: str
    columns: int
    classes: tuple[float, ...] | None
    predict: Callable[[Any], Any]
    numbers: Numbers

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm(self.algorithm)
        serving.readable(content_type, algorithm)
        serving.writable(accept, algorithm)
        rows = decode(numbered(body, self.numbers, labels=0), content_type, self.columns, missing=True).features
        verbose = "verbose" in accept.replace(" ", "").split(";")[1:]
        return json.dumps(self._said(self.predict(rows), verbose)).encode(), JSON

    def _said(self, found: Any, verbose: bool) -> dict[str, Any]:
        if self.classes is None:
            return {"prediction": found.tolist()}
        answer: dict[str, Any] = {"probabilities": found.tolist()}
        if verbose:
            answer["labels"] = list(self.classes)
            answer["predicted_label"] = [self.classes[each] for each in found.argmax(axis=1)]
        return answer


def plain(value: float) -> str:
    """A metric as AWS's regular expressions find it: without an exponent, of which they would take the mantissa."""
    return np.format_float_positional(value, precision=10, fractional=False, trim="-")


def both(positive: Any) -> Any:
    """The probabilities of both classes, given those of the second one."""
    return np.column_stack([1 - positive, positive])


def write_meta(folder: Path, algorithm: str, meta: dict[str, Any]) -> None:
    """Say beside a model what it is of."""
    (folder / META).write_text(json.dumps({"algorithm": algorithm, **meta}), encoding="utf-8")


def read_meta(folder: Path, algorithm: str) -> dict[str, Any]:
    """What `write_meta` has written.

    Raises:
        CustomerError: the model is none of the algorithm.
    """
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
        if meta["algorithm"] != algorithm:
            raise KeyError(f"it is one of {meta['algorithm']}")
        meta["classes"] = None if meta["classes"] is None else tuple(meta["classes"])
        # Earlier models have none.
        meta["numbers"] = numbers_of({int(feature): each for feature, each in meta.pop("words", {}).items()})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of {algorithm}: {META}: {error}") from error
    return meta
