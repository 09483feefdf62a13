"""The life of a scalable target: it gets the capacity that its schedule and its policies want, within its bounds."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sagesmith import logging
from sagesmith.services.autoscaling import activities, decisions, policies, scheduled, targets
from sagesmith.services.autoscaling.scalables import DIMENSIONS, Dimension, Scalable
from sagesmith.services.base import Home
from sagesmith.services.cloudwatch import alarms, watching
from sagesmith.services.cloudwatch.alarm_rules import ALARM
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params

LOOK_SECONDS = 5.0

log = logging.get("autoscaling")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a policy wants, and because of which alarm."""

    policy: Params
    alarm: str
    capacity: int


class TargetWatch:
    """`services.reconcile.Reconciler` of scalable targets."""

    kind = targets.KIND

    def recover(self, home: Home) -> None:
        """Every target is looked at from now on."""
        with home.store.write() as tx:
            for region in tx.regions():
                for document in targets.every_target(tx, region):
                    tx.schedule(self.kind, region, document.key, time.time())

    def step(self, home: Home, document: Document) -> float | None:
        now = time.time()
        with home.store.write() as tx:
            scalable = targets.scalable_of(tx, document.region, document.body)
            if scalable is None:
                # As at AWS a target goes with what it is a target of.
                targets.remove(tx, document)
                return None
            target = scheduled.taken(document, now)
            if scalable.document.status == "InService":
                target = activities.settled(target, _dimension(target), scalable, now)
                target = _scaled(tx, target, scalable, now)
            if target.body != document.body:
                tx.update(target)
            if target.body["_activities"] != document.body["_activities"]:
                log.info("scaling", **_newest(target))
        next_at = scheduled.next_at(target)
        return LOOK_SECONDS if next_at is None else min(LOOK_SECONDS, max(0.0, next_at - now))


def _scaled(tx: Transaction, target: Document, scalable: Scalable, now: float) -> Document:
    """The target after what it scales was given another capacity, if a scheduled action or a policy wants it."""
    body = target.body
    if body.get("_bring"):
        target = replace(target, body={name: value for name, value in body.items() if name != "_bring"})
        least, most = scalable.within(body)
        if scalable.count < least:
            cause = f"minimum capacity was set to {body['MinCapacity']}"
            return _brought(tx, target, scalable, least, cause, now)
        if scalable.count > most:
            cause = f"maximum capacity was set to {body['MaxCapacity']}"
            return _brought(tx, target, scalable, most, cause, now)
    return _followed(tx, target, scalable, now)


def _followed(tx: Transaction, target: Document, scalable: Scalable, now: float) -> Document:
    """The target after its policies had their way."""
    body, current = target.body, scalable.count
    wishes = [wish for policy in body["_policies"].values() for wish in _wishes(tx, target, policy, current, now)]
    capacity = decisions.chosen(current, [wish.capacity for wish in wishes], *scalable.within(body))
    suspended = body["SuspendedState"].get(
        "DynamicScalingOutSuspended" if capacity > current else "DynamicScalingInSuspended"
    )
    if capacity == current or suspended or (capacity < current and _is_needed(body["_policies"], wishes)):
        return target
    # A bound may have made it more, or less, than any of them wanted.
    cause = next((wish for wish in wishes if wish.capacity >= capacity), wishes[0])
    side = "_out_at" if capacity > current else "_in_at"
    changed = {**body["_policies"], cause.policy["PolicyName"]: {**cause.policy, side: now}}
    target = replace(target, body={**body, "_policies": changed})
    said = f"monitor alarm {cause.alarm} in state ALARM triggered policy {cause.policy['PolicyName']}"
    return _brought(tx, target, scalable, capacity, said, now)


def _brought(tx: Transaction, target: Document, scalable: Scalable, capacity: int, cause: str, now: float) -> Document:
    """The target with the activity of giving another capacity to what it scales, which is begun."""
    changed = tx.update(scalable.with_count(capacity))
    tx.schedule(changed.kind, changed.region, changed.key, now)
    return activities.begun(target, _dimension(target), capacity, cause, now)


def _dimension(target: Document) -> Dimension:
    return DIMENSIONS[target.body["ScalableDimension"]]


def _newest(target: Document) -> Params:
    """What a line of the log says of the last activity."""
    last = target.body["_activities"][-1]
    return {"resource": target.body["ResourceId"], "cause": last["Cause"], "status": last["StatusMessage"]}


def _is_needed(every: Mapping[str, Params], wishes: Sequence[_Wish]) -> bool:
    """Whether a target tracking policy does not want less: capacity is taken away only if none needs it."""
    wishing = {wish.policy["PolicyName"] for wish in wishes}
    return any(
        policy["PolicyType"] == "TargetTrackingScaling"
        and not policy["TargetTrackingScalingPolicyConfiguration"].get("DisableScaleIn")
        and name not in wishing
        for name, policy in every.items()
    )


def _wishes(tx: Transaction, target: Document, policy: Params, current: int, now: float) -> list[_Wish]:
    found = []
    for alarm in _alarms_of(tx, target, policy):
        if alarm.status != ALARM or not alarm.body["ActionsEnabled"]:
            continue
        value = watching.latest(tx, alarm, now)
        if value is None:
            continue
        capacity = _capacity(policy, alarm, current, value)
        if capacity is not None and capacity != current and not _is_cooling(policy, capacity > current, now):
            found.append(_Wish(policy, alarm.name, capacity))
    return found


def _capacity(policy: Params, alarm: Document, current: int, value: float) -> int | None:
    if policy["PolicyType"] == "StepScaling":
        settings = policy["StepScalingPolicyConfiguration"]
        return decisions.stepped(settings, current, value - alarm.body["Threshold"])
    capacity = decisions.tracked(current, value, policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"])
    is_high = f"-{policies.HIGH}-" in alarm.name
    return capacity if (capacity > current) == is_high else None


def _is_cooling(policy: Params, outwards: bool, now: float) -> bool:
    """Whether it is too early after what the policy did last. Growth waits for growth alone; less waits for both."""
    if policy["PolicyType"] == "StepScaling":
        seconds = policy["StepScalingPolicyConfiguration"].get("Cooldown", policies.DEFAULT_COOLDOWN_SECONDS)
        out_seconds = in_seconds = seconds
    else:
        settings = policy["TargetTrackingScalingPolicyConfiguration"]
        out_seconds = settings.get("ScaleOutCooldown", policies.DEFAULT_COOLDOWN_SECONDS)
        in_seconds = settings.get("ScaleInCooldown", policies.DEFAULT_COOLDOWN_SECONDS)
    after_out = bool(now < policy["_out_at"] + out_seconds)
    return after_out if outwards else after_out or bool(now < policy["_in_at"] + in_seconds)


def _alarms_of(tx: Transaction, target: Document, policy: Params) -> list[Document]:
    """The alarms whose action the policy is: those that were made for it, and of step scaling those of users."""
    if policy["PolicyType"] != "StepScaling":
        named = (tx.get(alarms.KIND, target.region, each["AlarmName"]) for each in policy["Alarms"])
        return [alarm for alarm in named if alarm is not None]
    return [
        alarm
        for alarm in alarms.every_alarm(tx, target.region)
        if policy["PolicyARN"] in alarm.body.get("AlarmActions", ())
    ]
