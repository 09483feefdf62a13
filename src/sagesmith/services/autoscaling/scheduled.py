"""Scheduled actions: a target gets other bounds at a time. They lie within the target's document, with their next time.

Source: https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-policy-overview.html
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sagesmith.identifiers import random_uuid
from sagesmith.services.autoscaling import activities, schedules, targets
from sagesmith.services.autoscaling.schedules import BadSchedule, Schedule
from sagesmith.store import Document, Store
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, ValidationException

_MEMBERS = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
_BOUNDS = ("MinCapacity", "MaxCapacity")


@dataclass(frozen=True, slots=True)
class Due:
    """An action whose time has come; of several times that were missed the last one."""

    name: str
    at: float
    bounds: Params


def put_scheduled_action(store: Store, context: RequestContext, params: Params) -> Params:
    """Make an action, or replace one; what is not given again stays."""
    now = time.time()
    with store.write() as tx:
        target = targets.require(tx, context, params)
        name = params["ScheduledActionName"]
        before = _actions(target).get(name)
        action = _action(context, params, before, now)
        body = {**target.body, "_scheduled": {**_actions(target), name: action}}
        tx.update(replace(target, body=body))
        tx.schedule(targets.KIND, context.region, target.key, now)
    return {}


def describe_scheduled_actions(store: Store, context: RequestContext, params: Params) -> Params:
    names = params.get("ScheduledActionNames")
    with store.read() as tx:
        found = [
            {**targets.named(target), **{member: value for member, value in action.items() if member[0] != "_"}}
            for target in targets.every_target(tx, context.region)
            if targets.is_asked(target, params)
            for name, action in _actions(target).items()
            if not names or name in names
        ]
    page, token = targets.paged(found, params, "scheduled")
    return {"ScheduledActions": page, "NextToken": token}


def delete_scheduled_action(store: Store, context: RequestContext, params: Params) -> Params:
    with store.write() as tx:
        target = targets.require(tx, context, params)
        name = params["ScheduledActionName"]
        left = {each: action for each, action in _actions(target).items() if each != name}
        if len(left) == len(_actions(target)):
            raise AwsError(
                "ObjectNotFoundException",
                f"No scheduled action found for service namespace: {params['ServiceNamespace']}, resource ID: "
                f"{params['ResourceId']}, scalable dimension: {params['ScalableDimension']}, scheduled action name: "
                f"{name}",
            )
        tx.update(replace(target, body={**target.body, "_scheduled": left}))
    return {}


def next_at(target: Document) -> float | None:
    """When the next of a target's actions is due."""
    return min((at for each in _actions(target).values() if (at := each["_next_at"]) is not None), default=None)


def taken(target: Document, now: float) -> Document:
    """The target after its due actions set its bounds, each once, in the order of their times.

    Times that were missed, because nothing ran here, are made up for: of each action the last one.
    """
    due = sorted(_due(target, now), key=lambda each: each.at)
    if not due:
        return target
    names = {each.name for each in due}
    moved = {
        name: {**action, "_next_at": _next(action, now)} if name in names else action
        for name, action in _actions(target).items()
    }
    target = replace(target, body={**target.body, "_scheduled": moved})
    if target.body["SuspendedState"].get("ScheduledScalingSuspended"):
        return target
    for each in due:
        bounds = {**{member: target.body[member] for member in _BOUNDS}, **each.bounds}
        problem = ""
        if bounds["MaxCapacity"] < bounds["MinCapacity"]:
            problem = "Maximum capacity cannot be less than minimum capacity"
        else:
            # Below, or above, its bounds it is brought to them without a policy's wanting it.
            target = replace(target, body={**target.body, **bounds, "_bring": True})
        target = activities.bounded(target, each.name, each.bounds, problem, now)
    return target


def _due(target: Document, now: float) -> Iterator[Due]:
    for name, action in _actions(target).items():
        since = action["_next_at"]
        if since is not None and since <= now:
            yield Due(name, schedules.last_before(_schedule(action), since, now), action["ScalableTargetAction"])


def _action(context: RequestContext, params: Params, before: Params | None, now: float) -> Params:
    arn = (
        f"arn:aws:autoscaling:{context.region}:{context.account_id}:scheduledAction:{random_uuid()}:"
        f"resource/{params['ServiceNamespace']}/{params['ResourceId']}:"
        f"scheduledActionName/{params['ScheduledActionName']}"
    )
    made = before or {"ScheduledActionName": params["ScheduledActionName"], "ScheduledActionARN": arn}
    action = {"CreationTime": now, **made, **{member: params[member] for member in _MEMBERS if member in params}}
    if not action.get("Schedule"):
        raise ValidationException("Schedule is required for a new scheduled action.")
    bounds = action.get("ScalableTargetAction") or {}
    if not any(member in bounds for member in _BOUNDS):
        raise ValidationException("ScalableTargetAction must have a MinCapacity, a MaxCapacity, or both.")
    if min(bounds.values()) < 0 or bounds.get("MaxCapacity", 1 << 31) < bounds.get("MinCapacity", 0):
        raise ValidationException("Maximum capacity cannot be less than minimum capacity")
    if action.get("EndTime", 1 << 62) <= action.get("StartTime", 0.0):
        raise ValidationException("EndTime must be later than StartTime.")
    try:
        action["_next_at"] = _next(action, now)
    except BadSchedule as error:
        raise ValidationException(f"Invalid schedule expression {action['Schedule']}: {error}.") from error
    return action


def _next(action: Params, after: float) -> float | None:
    """When an action is due next, between its start and its end."""
    # Whatever is due at its start is still due.
    after = max(after, action.get("StartTime", 0.0) - 1e-3)
    found = _schedule(action).next_after(after)
    return found if found is not None and found <= action.get("EndTime", found) else None


def _schedule(action: Params) -> Schedule:
    begins_at = action.get("StartTime")
    return schedules.parse(
        action["Schedule"],
        action.get("Timezone"),
        action["CreationTime"] if begins_at is None else begins_at,
        at_once=begins_at is not None,
    )


def _actions(target: Document) -> dict[str, Params]:
    found: dict[str, Params] = target.body.get("_scheduled") or {}
    return found
