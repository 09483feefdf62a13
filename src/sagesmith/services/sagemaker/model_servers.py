"""What is observed of the model servers of one document, an endpoint or an inference component, and what follows.

Such a document has its fleet (what is wanted), perhaps the next one, and its instances (what was started).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sagesmith import logging
from sagesmith.compute.base import TaskObservation
from sagesmith.services.base import Home
from sagesmith.services.cloudwatch import alarms
from sagesmith.services.sagemaker import deployments, fleet
from sagesmith.services.sagemaker.endpoint_routes import Addresses
from sagesmith.services.sagemaker.fleet import Instance
from sagesmith.store import Document

SCALING_ATTEMPTS = 3
"""How often another instance of what serves already may fail before a document stays as it was."""

_UNHEALTHY = (
    "The {container} container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint. "
)

log = logging.get("serving")

Observations = Mapping[str, TaskObservation]
"""By the id of an instance."""


def instances_of(document: Document) -> list[Instance]:
    """What was started for it, and is not removed yet."""
    return fleet.load(document.body["_instances"])


def with_instances(document: Document, instances: Sequence[Instance]) -> Document:
    """The document with other instances."""
    return replace(document, body={**document.body, "_instances": fleet.dump(instances)})


def is_over(task: TaskObservation | None) -> bool:
    """Whether a task has ended, or will never say how."""
    return task is not None and (task.ended or task.lost)


def failure(document: Document, observed: Observations, now: float) -> str | None:
    """Why the fleet that is being started cannot be, None while it can."""
    coming = document.body.get("_next")
    if document.status != "Creating" and (coming is None or coming["back"]):
        return None
    target = (coming or document.body["_fleet"])["id"]
    for instance in instances_of(document):
        if instance.fleet == target and instance.wanted and is_over(observed.get(instance.id)):
            return why_not_started(instance.variant, observed[instance.id])
    return deployments.too_late(coming, now) if coming else None


def unscalable(document: Document, observed: Observations) -> str | None:
    """Why the instances that weights and counts ask for cannot be, None while they can: one failed again and again."""
    if document.status != "Updating" or deployments.FORMER not in document.body:
        return None
    for instance in instances_of(document):
        never_served = instance.wanted and instance.serving_since is None and instance.attempt >= SCALING_ATTEMPTS - 1
        if never_served and is_over(observed.get(instance.id)):
            return why_not_started(instance.variant, observed[instance.id])
    return None


def tripped(home: Home, document: Document) -> str | None:
    """Which alarms make a deployment turn back, None if none does."""
    coming = document.body.get("_next")
    names = deployments.policy(coming["deployment"]).alarms if coming and not coming["back"] else ()
    if not names:
        return None
    with home.store.read() as tx:
        found = alarms.tripped(tx, document.region, names)
    return f"The deployment was rolled back, for these alarms are in ALARM: {', '.join(found)}." if found else None


def advanced(document: Document, observed: Observations, now: float) -> list[Instance]:
    """The instances after what was observed, with those that take a dead one's place."""
    kept: list[Instance] = []
    for instance in instances_of(document):
        task = observed.get(instance.id)
        if not instance.wanted:
            kept.append(instance)
        elif task is not None and is_over(task):
            log.warning("model server ended", serving=document.name, variant=instance.variant, reason=_why(task))
            kept += [fleet.dismiss(instance, now), fleet.successor(instance, now)]
        else:
            state = task.events[-1].state if task is not None and task.events else instance.state
            since = instance.serving_since or (now if state == "Serving" else None)
            kept.append(replace(instance, state=state, serving_since=since))
    return kept


def addresses_of(document: Document, observed: Observations) -> Addresses:
    """Where the instances listen that answer."""
    found: Addresses = {}
    for instance in instances_of(document):
        task = observed.get(instance.id)
        if instance.serving and task is not None and task.address:
            found.setdefault((instance.fleet, instance.variant), []).append(task.address)
    return found


def _why(task: TaskObservation) -> str:
    if not task.ended:
        return "InternalServerError: the node agent of a model server ended without a report."
    last = task.events[-1]
    return str(last.detail.get("failure_reason") or last.message or "The model server ended.")


def why_not_started(variant: str, task: TaskObservation) -> str:
    """In AWS's words where the container ran, and then in those of the node agent, which quotes the container's."""
    detail = task.events[-1].detail if task.ended else {}
    if "exit_code" not in detail:
        return _why(task)
    return _UNHEALTHY.format(container=detail.get("container", "primary"), variant=variant) + _why(task)
