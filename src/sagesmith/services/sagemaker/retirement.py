"""The end of model servers that are not wanted any more: they are asked to end, killed if they do not, and removed.

An instance stays in its endpoint's document until nothing of it is left, so that neither a crash nor a step that fails
leaves a model server that nobody knows.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sagesmith import logging
from sagesmith.compute.base import MODEL_SERVER_GRACE_SECONDS, Backend, TaskObservation
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.fleet import Instance

END_SECONDS = MODEL_SERVER_GRACE_SECONDS + 15.0
"""How long an instance may take to end once it was asked. Its node agent kills the model server before; what is left is
for the agent to see that and to say it."""
LOOK_SECONDS = 0.05
SLOW_LOOK_SECONDS = 1.0
_SLOW_AFTER_SECONDS = 5.0

log = logging.get("serving")


def end_due(
    backend: Backend, instances: Sequence[Instance], observed: Mapping[str, TaskObservation], now: float
) -> list[Instance]:
    """The instances after the next step of ending those that are due, less those of which nothing is left.

    One that cannot be ended now is logged and kept, to be tried again at the next step.

    Args:
        instances: as they are stored: of one that is not, a crash would leave a model server that nobody knows.
        observed: their tasks, as far as there are any.
    """
    left: list[Instance] = []
    for instance in instances:
        try:
            after = _after(backend, instance, observed.get(instance.id), now)
        except OSError as error:
            log.warning("a model server cannot be ended yet", task=instance.id, error=str(error))
            after = instance
        if after is not None:
            left.append(after)
    return left


def look_seconds(instances: Sequence[Instance], now: float) -> float:
    """In how many seconds to look again at instances that are all to end."""
    asked = [each.stopping_at for each in instances if each.stopping_at is not None]
    soon = asked and now - max(asked) < _SLOW_AFTER_SECONDS
    return LOOK_SECONDS if soon else SLOW_LOOK_SECONDS


def _after(backend: Backend, instance: Instance, task: TaskObservation | None, now: float) -> Instance | None:
    """An instance after its next step, None if nothing is left of it."""
    if instance.retire_at is None:
        return instance
    if task is None:
        return None
    if task.ended or task.lost:
        tasks.discard(backend, instance.id)
        return None
    if now < instance.retire_at:
        return instance
    if instance.stopping_at is None:
        backend.stop(instance.id)
        return replace(instance, stopping_at=now)
    if now - instance.stopping_at >= END_SECONDS:
        # What it still printed is taken in before it is removed, at the next step.
        log.warning("model server killed: it did not end when it was asked to", task=instance.id)
        backend.kill(instance.id)
    return instance
