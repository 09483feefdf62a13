"""The artifact of one network: its hyperparameters as JSON, and its weights."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from sagesmith.algorithms import networks
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.text import loads

FILE = "model.json"
WEIGHTS = "weights.npz"
N = TypeVar("N", bound=nn.Module)


def save(job: Job, values: Mapping[str, Any], network: nn.Module) -> None:
    """Write it, on the instance that leads."""
    if job.leads:
        (job.model / FILE).write_text(json.dumps(values), encoding="utf-8")
        networks.save_weights(network, job.model / WEIGHTS)


def parts(model_dir: Path, title: str) -> tuple[dict[str, Any], Path]:
    """The hyperparameters, and the file of the weights.

    Raises:
        CustomerError: it is not one of the algorithm of that title.
    """
    try:
        return dict(loads((model_dir / FILE).read_text(encoding="utf-8"))), model_dir / WEIGHTS
    except (OSError, ValueError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of {title}: {FILE}: {error}") from error


def load(model_dir: Path, title: str, make: Callable[[Mapping[str, Any]], N]) -> tuple[dict[str, Any], N]:
    """The hyperparameters, and the network that answers.

    Raises:
        CustomerError: it is not one of the algorithm of that title.
    """
    values, weights = parts(model_dir, title)
    try:
        network = make(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CustomerError(f"The model artifact is not one of {title}: {FILE}: {error}") from error
    networks.load_weights(network, weights, title)
    return values, network
