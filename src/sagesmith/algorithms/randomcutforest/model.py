"""A Random Cut Forest model: trees that cut samples of the training data at random."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import krcf
import numpy as np

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import BadRequest, CustomerError

FILE, FOREST = "model.json", "forest.msgpack"
_DIGEST = "sha256"
_SEED = 1
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees, of which each has its own sample."""

    trees: Any
    columns: int
    sparse: bool = False

    @classmethod
    def grown(
        cls, rows: Any, trees: int, samples: int, progress: Callable[[float], bool] = lambda _share: False
    ) -> "Forest":
        """A forest of the rows of a sample, which come in random order.

        Args:
            rows: of shape (rows, columns).
            samples: how many rows each tree has, at most.
            progress: told which share of the rows is in, often enough to end within seconds; True ends it there.
        """
        forest = krcf.RandomCutForest(
            {
                "dimensions": rows.shape[1],
                "shingle_size": 1,
                "num_trees": trees,
                "sample_size": samples,
                "output_after": 1,
                "random_seed": _SEED,
                # All rows count alike, and a tree takes all that it has room for.
                "lambda": 0.0,
                "initial_accept_fraction": 1.0,
                "bounding_box_cache_fraction": 1.0,
                "parallel_execution_enabled": True,
            }
        )
        for start in range(0, len(rows), _CHUNK):
            for row in rows[start : start + _CHUNK].tolist():
                forest.update(row)
            if progress(min(1.0, (start + _CHUNK) / len(rows))):
                break
        return cls(forest, rows.shape[1])

    def scores(self, rows: Any) -> list[float]:
        """How unusual each row is: about 1 where it is usual, and the greater the more unusual it is.

        Raises:
            BadRequest: a row's values are so large that it has no score.
        """
        score = self.trees.score
        found = [score(row) for row in rows.tolist()]
        if not all(map(math.isfinite, found)):
            raise BadRequest("A row has values that are together too large for 32 bits. Scale the features.")
        return found

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        return [{"score": score} for score in self.scores(batch.dense())]

    def save(self, folder: Path) -> None:
        data = self.trees.to_msgpack()
        (folder / FOREST).write_bytes(data)
        about = {"algorithm": "randomcutforest", "feature_dim": self.columns, _DIGEST: sha256(data).hexdigest()}
        (folder / FILE).write_text(json.dumps(about))


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        about = json.loads((model_dir / FILE).read_text())
        if about["algorithm"] != "randomcutforest":
            raise ValueError(f"it is a model of {about['algorithm']}")
        data = (model_dir / FOREST).read_bytes()
        # The library goes wherever a broken forest leads, out of its memory too.
        if about.get(_DIGEST, sha256(data).hexdigest()) != sha256(data).hexdigest():
            raise ValueError(f"{FOREST} is broken")
        trees = _sound(lambda: krcf.RandomCutForest.from_msgpack(data))
        if trees.dimensions() != about["feature_dim"]:
            raise ValueError("its files do not belong together")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CustomerError(f"The model artifact is not one of Random Cut Forest: {reason}") from error
    return serving.Rows(catalogue.algorithm("randomcutforest"), Forest(trees, about["feature_dim"]), name="scores")


def _sound(do: Callable[[], Any]) -> Any:
    """What a call of the library comes to.

    Raises:
        ValueError: it panics, as Rust does where it would go on with something broken.
    """
    try:
        return do()
    except BaseException as error:
        # It is no Exception, and has no name to catch it by.
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"{FOREST} is broken: {error}") from error


def threshold(scores: Sequence[float]) -> float:
    """The score from which on a row counts as anomalous, given scores of usual rows."""
    return float(np.mean(scores) + 3 * np.std(scores))
