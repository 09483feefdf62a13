"""An IP Insights model: what belongs to an entity and an address."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms import catalogue, serving
from sagesmith.algorithms.data.encode import encode
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.ipinsights.network import Network
from sagesmith.algorithms.ipinsights.pairs import Numbers, decode
from sagesmith.algorithms.run.state import unpack, write

FILE, ARRAYS = "model.json", "model.npz"
# Numbers of vectors that are computed at a time, so that many short rows take no more memory than their answer.
_CELLS = 1 << 21


@dataclass(slots=True)
class Insights:
    """Answers requests of pairs of an entity and an address."""

    network: Network
    numbers: Numbers = field(init=False)
    _layers: Network = field(init=False)

    def __post_init__(self) -> None:
        # A server that remembers what it is asked grows with every request.
        self.numbers = Numbers(len(self.network.entities), kept=0)
        # BLAS adds in another order for another number of rows: what that changes of doubles, singles do not show.
        self._layers = Network(
            self.network.entities,
            tuple(each.astype(np.float64) for each in self.network.weights),
            tuple(each.astype(np.float64) for each in self.network.offsets),
        )

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm("ipinsights")
        kind, chosen = serving.readable(content_type, algorithm), serving.writable(accept, algorithm)
        pairs = decode(body, kind, self.numbers)
        return encode(self.predict(pairs, verbose=serving.asks_for_more(accept)), chosen)

    def products(self, pairs: Any) -> Any:
        """How well each entity and address go together."""
        return np.concatenate([self._both(part)[0] for part in self._parts(pairs)])

    def predict(self, pairs: Any, *, verbose: bool) -> Sequence[Mapping[str, Any]]:
        if not verbose:
            return [{"dot_product": product} for product in self.products(pairs).tolist()]
        return [
            {"dot_product": product, "entity_embedding": entity, "ip_embedding": address}
            for part in self._parts(pairs)
            for product, entity, address in zip(*(each.tolist() for each in self._both(part)), strict=True)
        ]

    def _parts(self, pairs: Any) -> Iterator[Any]:
        rows = max(1, _CELLS // self.network.entities.shape[1])
        return (pairs[start : start + rows] for start in range(0, len(pairs), rows))

    def _both(self, pairs: Any) -> tuple[Any, Any, Any]:
        """The dot products, and the vectors that they are of."""
        mine = self.network.entities[pairs[:, 0]]
        theirs = self._layers.activations(pairs[:, 1])[-1]
        products = np.einsum("ij,ij->i", mine.astype(np.float64), theirs)
        return products.astype(np.float32), mine, theirs.astype(np.float32)

    def save(self, folder: Path) -> None:
        write(folder / ARRAYS, self.network.arrays())
        vectors, size = self.network.entities.shape
        about = {"algorithm": "ipinsights", "num_entity_vectors": vectors, "vector_dim": size}
        (folder / FILE).write_text(json.dumps(about))


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        about = json.loads((model_dir / FILE).read_text())
        if about["algorithm"] != "ipinsights":
            raise ValueError(f"it is a model of {about['algorithm']}")
        return Insights(Network.of(unpack((model_dir / ARRAYS).read_bytes())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CustomerError(f"The model artifact is not one of IP Insights: {error}") from error
