"""The network that a job begins with: at random, pretrained, or that of an earlier job, the channel `model`.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/incremental-training.html
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from sagesmith.algorithms.data import archives
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.state import unpack
from sagesmith.algorithms.vision import pretrained


class Seeing(Protocol):
    """A network.

    Attributes:
        encoder: the part of it that sees the images, as `encoders` makes it.
    """

    @property
    def encoder(self) -> nn.Module: ...


N = TypeVar("N", bound=Seeing)


def begin(
    job: Job,
    values: Mapping[str, Any],
    make: Callable[[Mapping[str, Any]], N],
    artifact: Callable[[Path], tuple[Mapping[str, Any], Path]],
    same: Sequence[str],
    of_aws: Sequence[str] | None = None,
) -> tuple[dict[str, Any], N]:
    """The hyperparameters, whose `encoder` is now the one that is used, and the network.

    Args:
        values: the hyperparameters, whose `encoder` is the one that they ask for. `use_pretrained_model` means nothing
            to a job that has an earlier model.
        make: the network of hyperparameters.
        artifact: reads an earlier model's hyperparameters, and says where its weights are.
        same: the hyperparameters that an earlier job must have had too.
        of_aws: the encoders that AWS's algorithm has, where it begins with pretrained weights unless a job says no.

    Raises:
        CustomerError: the earlier model is none, or of another kind; or pretrained weights are wanted, and there are
            none.
    """
    if "model" not in job.sources:
        asked, wanted = values["encoder"], values["use_pretrained_model"]
        wanted = False if wanted is None and of_aws is not None and asked not in of_aws else wanted
        chosen = pretrained.choose(asked, wanted, job.log)
        changed = {"encoder": chosen.encoder} | ({"stem": True} if chosen.file else {})
        made = {**values, **changed}
        network = make(made)
        chosen.load(network.encoder)
        return made, network
    with archives.unpacked(job.sources["model"]) as folder:
        before, path = artifact(folder)
        check(before, values, same)
        made = {**values, **{name: before[name] for name in ("encoder", "stem") if name in before}}
        network = make(made)
        load(network, path, job.algorithm.title)
        return made, network


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


def load(network: Any, path: Path, title: str) -> None:
    """Begin with an earlier network's weights.

    Raises:
        CustomerError: the file is another network's.
    """
    try:
        network.load_state_dict({name: torch.from_numpy(value) for name, value in unpack(path.read_bytes()).items()})
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise CustomerError(f"The model in channel 'model' is not one of {title}: {path.name}: {error}") from error
