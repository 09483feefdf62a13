"""The computational model that AWS published for its streaming algorithms: a state apart from the model.

The state is of a fixed size, whatever the number of rows. Each batch updates it; states of several instances merge into
one; it is saved, and goes on later, with new data too. The model is made from it at the end. A state may serve several
candidates in one pass (several k, several learning rates): that is its own business.

Source: Liberty et al., "Elastic Machine Learning Algorithms in Amazon SageMaker", SIGMOD 2020, section 3.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from sagesmith.algorithms.data.batch import Batch


class State(Protocol):
    """What an algorithm knows of the rows that it has seen. Not thread safe.

    `arrays` and `restore` are each other's inverse, and have all of it: a state that was saved and restored goes on as
    if nothing had happened, to the last bit.
    """

    def update(self, batch: Batch) -> None:
        """Take in some rows.

        Raises:
            CustomerError: they are none that the algorithm can learn from.
        """
        ...

    def merge(self, others: list[Self]) -> None:
        """Take in what other instances know, each of its own rows. All began the pass with the same state.

        What all knew when the pass began must count once: a state that adds up over passes keeps that apart. The
        result depends on nothing but the states and their order.
        """
        ...

    def arrays(self) -> Mapping[str, Any]:
        """Everything, as arrays (and numbers) by name. No objects."""
        ...

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Become the state that `arrays` came from."""
        ...


def pack(arrays: Mapping[str, Any]) -> bytes:
    """Arrays by name as bytes, without pickle."""
    data = io.BytesIO()
    np.savez(data, **{name: np.asarray(value) for name, value in arrays.items()})  # type: ignore[arg-type]
    return data.getvalue()


def unpack(data: bytes) -> dict[str, Any]:
    """What `pack` packed.

    Raises:
        ValueError: it is something else.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, KeyError) as error:
        raise ValueError(f"it is not an archive of arrays: {error}") from error
    except Exception as error:  # zipfile's errors, which it does not export as one
        raise ValueError(f"it is not an archive of arrays: {error}") from error


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Replace a file by these arrays, in one step: whoever reads finds the former ones or these."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(pack(arrays))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
