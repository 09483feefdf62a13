"""Going on from an earlier job's model, the channel `model`.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/incremental-training.html
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.state import unpack


def hyperparameters(path: Path, title: str) -> dict[str, Any]:
    """An earlier model's, of the JSON file that it has of them.

    Raises:
        CustomerError: it is another algorithm's.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CustomerError(f"The model in channel 'model' is not one of {title}: {path.name}: {error}") from error


def check(earlier: Mapping[str, Any], values: Mapping[str, Any], names: Sequence[str]) -> None:
    """See whether an earlier model is of the same kind as the job.

    Args:
        names: the hyperparameters that must be the same.

    Raises:
        CustomerError: one of `names` differs.
    """
    for name in names:
        if earlier.get(name) != values[name]:
            raise CustomerError(
                f"The model in channel 'model' has another network: its {name} is {earlier.get(name)}, the job's "
                f"{values[name]}. They must be the same."
            )


def load(network: nn.Module, path: Path, title: str, without: str | None = None) -> None:
    """Begin with an earlier network's weights.

    Args:
        without: how the names of those begin that are not taken.

    Raises:
        CustomerError: the file is another network's.
    """
    try:
        weights = {name: torch.from_numpy(value) for name, value in unpack(path.read_bytes()).items()}
        kept = {name: value for name, value in weights.items() if without is None or not name.startswith(without)}
        network.load_state_dict(network.state_dict() | kept)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise CustomerError(f"The model in channel 'model' is not one of {title}: {path.name}: {error}") from error
