"""What the model server of a multi-model endpoint has beside that of any other one: a place for models, and who brings
them there."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from sagesmith.agent.engine import OwnImage
from sagesmith.agent.limits import usable_memory_bytes
from sagesmith.agent.task import Task

CONTAINER_SOCKET_NAME = "container.sock"
"""What leads to a container, whose models are loaded by who listens at the model server's own socket."""
WAIT_VARIABLE = "SAGESMITH_MODEL_WAIT_SECONDS"


@dataclass(frozen=True, slots=True)
class Further:
    """What a model server gets: nothing, if it has one model.

    Attributes:
        mounts: (host path, path inside), read-only.
    """

    mounts: list[tuple[Path, str]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def for_ours(task: Task, sockets: Path, room_bytes: int) -> Further:
    """Let a model server of ours ask for models.

    Args:
        sockets: the directory of its socket, to which it and this process have access.
        room_bytes: what all models may take of the disk.
    """
    models = task.spec.models
    if models is None:
        return Further()
    from sagesmith.agent.models import INSIDE, ModelStore, listen

    _make_places(task)
    listen(ModelStore(task, models, room_bytes), sockets)
    memory = min(task.spec.resources.memory_bytes or sys.maxsize, usable_memory_bytes())
    variables = {"SAGEMAKER_MULTI_MODEL": "true", "SAGESMITH_MEMORY_BYTES": str(memory)}
    if not models.cached:
        variables["SAGESMITH_MODEL_CACHE"] = "Disabled"
    return Further([(task.directory.models, INSIDE)], variables)


def for_container(task: Task, image: OwnImage, socket: Path, room_bytes: int) -> Further:
    """Have a container load its models when they are asked for.

    Args:
        socket: where requests come; the container's own is beside it.
        room_bytes: what all models may take of the disk.

    Raises:
        TaskFailed: the image does not say that it can.
    """
    models = task.spec.models
    if models is None:
        return Further()
    from sagesmith.agent import container_models
    from sagesmith.agent.models import INSIDE, ModelStore

    container_models.require_capable(image)
    _make_places(task)
    wait = task.spec.environment.get(WAIT_VARIABLE)
    container_models.start(
        ModelStore(task, models, room_bytes),
        socket,
        socket.with_name(CONTAINER_SOCKET_NAME),
        keeps=models.cached,
        wait_seconds=float(wait) if wait else None,
    )
    return Further([(task.directory.models, INSIDE)], {"SAGEMAKER_MULTI_MODEL": "true"})


def _make_places(task: Task) -> None:
    for directory in (task.directory.models, task.directory.opt_ml / "models"):
        directory.mkdir(exist_ok=True)
