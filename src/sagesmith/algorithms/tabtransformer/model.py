"""Models of TabTransformer that answer requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sagesmith.algorithms import serving
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.state import unpack
from sagesmith.algorithms.tabtransformer.network import Network
from sagesmith.algorithms.tabular.model import Tabular, both, read_meta

FILE = "network.npz"
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Encoding:
    """How rows become what the network gets.

    Attributes:
        categories: the columns that are categories.
        vocabularies: for each of them its values, in order.
        means, deviations: of the other columns.
    """

    categories: tuple[int, ...]
    vocabularies: tuple[Any, ...]
    means: Any
    deviations: Any

    @classmethod
    def of(cls, rows: Any, categories: Sequence[int]) -> "Encoding":
        """As the training data are."""
        numbers = np.delete(rows, list(categories), axis=1)
        vocabularies = (np.unique(rows[:, at]) for at in categories)
        known = tuple(each[~np.isnan(each)] for each in vocabularies)
        # A column of nothing but missing values has no mean.
        counts = np.maximum((~np.isnan(numbers)).sum(axis=0), 1)
        means = np.nansum(numbers, axis=0, dtype=np.float64) / counts
        deviations = np.sqrt(np.nansum((numbers - means) ** 2, axis=0) / counts)
        deviations[deviations == 0] = 1
        return cls(tuple(categories), known, means.astype(np.float32), deviations.astype(np.float32))

    def tensors(self, rows: Any) -> tuple[Any, Any]:
        """The numbers of the categories, 0 for strange ones, and the others on one scale, 0 for what is missing."""
        numbers = (np.delete(rows, list(self.categories), axis=1) - self.means) / self.deviations
        found = np.zeros((len(rows), len(self.categories)), np.int64)
        for at, (column, known) in enumerate(zip(self.categories, self.vocabularies, strict=True)):
            if len(known):
                places = np.searchsorted(known, rows[:, column]).clip(0, len(known) - 1)
                found[:, at] = np.where(known[places] == rows[:, column], places + 1, 0)
        return torch.from_numpy(found), torch.from_numpy(np.nan_to_num(numbers, nan=0.0).astype(np.float32))

    def arrays(self) -> dict[str, Any]:
        known = {f"vocabulary {at}": each for at, each in enumerate(self.vocabularies)}
        return {"means": self.means, "deviations": self.deviations, **known}


def network(options: Mapping[str, Any], encoding: Encoding) -> Network:
    """A network for rows that are encoded so.

    Args:
        options: `outputs`, and the network's options by name.
    """
    sizes = [len(each) for each in encoding.vocabularies]
    return Network(sizes, len(encoding.means), **options)


def apply(net: Network, encoding: Encoding, rows: Any) -> Any:
    """What the network says of rows, as an array of shape (rows, outputs)."""
    net.eval()
    with torch.inference_mode():
        parts = [net(*encoding.tensors(rows[at : at + _ROWS])).numpy() for at in range(0, len(rows), _ROWS)]
    return np.concatenate(parts)


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    meta = read_meta(model_dir, "tabtransformer")
    try:
        arrays = unpack((model_dir / FILE).read_bytes())
        known = tuple(arrays.pop(f"vocabulary {at}") for at in range(len(meta["categories"])))
        encoding = Encoding(tuple(meta["categories"]), known, arrays.pop("means"), arrays.pop("deviations"))
        net = network(meta["network"], encoding)
        net.load_state_dict({name: torch.from_numpy(each) for name, each in arrays.items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CustomerError(f"The model artifact is not one of tabtransformer: {FILE}: {error}") from error

    def predict(rows: Any) -> Any:
        found = apply(net, encoding, rows)
        if meta["classes"] is None:
            return found[:, 0] * meta["scale"] + meta["centre"]
        if found.shape[1] == 1:
            return both(1 / (1 + np.exp(-found[:, 0].astype(np.float64))))
        powers = np.exp(found - found.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    return Tabular("tabtransformer", meta["columns"], meta["classes"], predict, meta["numbers"])
