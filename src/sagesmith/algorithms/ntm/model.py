"""An NTM model: topics, and the encoder that finds them in a document."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse, special

from sagesmith.algorithms import catalogue, ndarrays, serving
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.state import unpack, write

FILE, ARRAYS = "model.json", "model.npz"
_PARAMS, _PROJECTION = "params", "arg:projection_weight"
_LEAST = 1e-30
# So many documents go through the encoder at a time: short ones of a request would take gigabytes together.
_ROWS = 1024
_ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = {
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "relu": lambda values: np.maximum(values, 0),
}


@dataclass(frozen=True, slots=True)
class Topics:
    """Weights of topics of documents.

    Attributes:
        layers: weights, of shape (before, after), and offsets of each layer of the encoder; the last makes the topics.
        words: each topic's distribution of words, shape (topics, words).
    """

    layers: tuple[tuple[Any, Any], ...]
    activation: str
    words: Any
    sparse: bool = True

    @classmethod
    def of(cls, arrays: Mapping[str, Any], activation: str) -> "Topics":
        """What `arrays` came from.

        Raises:
            KeyError, ValueError: they came from nothing of the kind.
        """
        count = sum(name.startswith("weights_") for name in arrays)
        # BLAS adds in another order for another number of rows: what that changes of doubles, singles do not show.
        layers = tuple(
            (arrays[f"weights_{number}"].astype(np.float64), arrays[f"offsets_{number}"].astype(np.float64))
            for number in range(count)
        )
        if not layers or layers[-1][0].shape[1] != len(arrays["topics"]):
            raise ValueError("the layers do not fit each other")
        return cls(layers, activation, arrays["topics"])

    @property
    def columns(self) -> int:
        return int(self.words.shape[1])

    def weights(self, batch: Batch) -> Any:
        """Each document's weights of topics, which sum to 1; of a document without words, those of an average one."""
        values: Any = sparse.csr_matrix(batch.features, dtype=np.float64)
        lengths = np.sqrt(np.asarray(values.multiply(values).sum(axis=1)))
        activate = _ACTIVATIONS[self.activation]
        for number, (weights, offsets) in enumerate(self.layers):
            values = values @ weights
            if not number:
                values = values / np.maximum(lengths, 1e-12)
            values = values + offsets
            if number < len(self.layers) - 1:
                values = activate(values)
        return special.softmax(values, axis=1).astype(np.float32)

    def predict(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        parts = (self.weights(part) for part in batch.pieces(_ROWS))
        return [{"topic_weights": weights} for part in parts for weights in part.tolist()]

    def save(self, folder: Path, host: str) -> None:
        arrays: dict[str, Any] = {"topics": self.words}
        for number, (weights, offsets) in enumerate(self.layers):
            arrays[f"weights_{number}"] = weights.astype(np.float32)
            arrays[f"offsets_{number}"] = offsets.astype(np.float32)
        write(folder / ARRAYS, arrays)
        about = {"algorithm": "ntm", "activation": self.activation, "feature_dim": self.columns}
        (folder / FILE).write_text(json.dumps(about | {"num_topics": len(self.words)}))
        # Programs look for the topics where AWS's has them, and take the softmax of a column.
        projection = np.log(np.maximum(self.words.T, _LEAST))
        with zipfile.ZipFile(folder / f"model_{host}", "w") as archive:
            archive.writestr(zipfile.ZipInfo(_PARAMS), ndarrays.packed([projection], [_PROJECTION]))


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        about = json.loads((model_dir / FILE).read_text())
        if about["algorithm"] != "ntm" or about["activation"] not in _ACTIVATIONS:
            raise ValueError(f"it is a model of {about['algorithm']}")
        model = Topics.of(unpack((model_dir / ARRAYS).read_bytes()), about["activation"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise CustomerError(f"The model artifact is not one of NTM: {error}") from error
    return serving.Rows(catalogue.algorithm("ntm"), model)
