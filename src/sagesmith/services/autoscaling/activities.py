"""Scaling activities: what was done to a target and what became of it, in AWS's words.

Source: https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html
"""

from dataclasses import replace

from sagesmith.identifiers import random_uuid
from sagesmith.services.autoscaling.scalables import Dimension, Scalable
from sagesmith.store import Document
from sagesmith.wire.context import Params

MOST = 100
"""How many are kept of each target."""
_WANTED = "_wanted"
"""The member of one under way: the capacity that it is to bring."""


def begun(target: Document, dimension: Dimension, capacity: int, cause: str, now: float) -> Document:
    """The target with the activity of bringing it to a capacity."""
    said = f"desired {dimension.called} to {capacity}."
    return _with(
        target,
        {
            "ActivityId": random_uuid(),
            "Description": f"Setting {said}",
            "Cause": cause,
            "StartTime": now,
            "StatusCode": "InProgress",
            "StatusMessage": f"Successfully set {said} Waiting for change to be fulfilled by sagemaker.",
            _WANTED: capacity,
        },
    )


def bounded(target: Document, action: str, bounds: Params, problem: str, now: float) -> Document:
    """The target with the activity of a scheduled action.

    Args:
        bounds: MinCapacity, MaxCapacity or both, as the action has them.
        problem: why they cannot be; empty if they were set.
    """
    said = " and ".join(
        f"{name} capacity to {bounds[member]}"
        for name, member in (("min", "MinCapacity"), ("max", "MaxCapacity"))
        if member in bounds
    )
    failed = {"StatusCode": "Failed", "StatusMessage": f"Failed to set {said}. Reason: {problem}"}
    return _with(
        target,
        {
            "ActivityId": random_uuid(),
            "Description": f"Setting {said}",
            "Cause": f"scheduled action name {action} was triggered",
            "StartTime": now,
            "EndTime": now,
            **(failed if problem else {"StatusCode": "Successful", "StatusMessage": f"Successfully set {said}"}),
        },
    )


def settled(target: Document, dimension: Dimension, scalable: Scalable, now: float) -> Document:
    """The target after what it scales came to rest: what was under way was done, or it stayed as it was."""
    found = [
        {**each, **_ended(each, dimension, scalable), "EndTime": now} if each["StatusCode"] == "InProgress" else each
        for each in target.body["_activities"]
    ]
    return replace(target, body={**target.body, "_activities": found})


def shown(activity: Params) -> Params:
    """An activity as clients see it."""
    return {member: value for member, value in activity.items() if not member.startswith("_")}


def _ended(activity: Params, dimension: Dimension, scalable: Scalable) -> Params:
    # One that was begun by an earlier version has its capacity in its description alone.
    wanted = activity.get(_WANTED, int(activity["Description"].rstrip(".").split()[-1]))
    said = f"set desired {dimension.called} to {wanted}."
    if wanted == scalable.count:
        return {
            "StatusCode": "Successful",
            "StatusMessage": f"Successfully {said} Change successfully fulfilled by sagemaker.",
        }
    why = scalable.document.body.get("FailureReason") or "It was changed meanwhile."
    return {"StatusCode": "Failed", "StatusMessage": f"Failed to {said} Reason: {why}"}


def _with(target: Document, activity: Params) -> Document:
    return replace(target, body={**target.body, "_activities": [*target.body["_activities"], activity][-MOST:]})
