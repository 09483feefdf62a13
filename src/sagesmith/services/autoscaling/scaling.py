"""The life of a scalable target: its variant gets as many instances as its policies want, within its bounds."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sagesmith import logging
from sagesmith.identifiers import random_uuid
from sagesmith.services.autoscaling import decisions, policies, targets
from sagesmith.services.base import Home
from sagesmith.services.cloudwatch import alarms, watching
from sagesmith.services.cloudwatch.alarm_rules import ALARM
from sagesmith.services.sagemaker.endpoints import ENDPOINT, with_count
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
            found = targets.variant_of(tx, document.region, document.body["ResourceId"])
            if found is None:
                # As at AWS a target goes with what it is a target of.
                targets.remove(tx, document)
                return None
            endpoint, variant = found
            if endpoint.status == "InService":
                settled = _settled(document, endpoint, variant["count"], now)
                _scale(tx, settled, endpoint, variant["name"], variant["count"], now)
                if settled != document and settled.body["_activities"] != document.body["_activities"]:
                    log.info("scaling done", resource=document.body["ResourceId"])
        return LOOK_SECONDS


def _scale(tx: Transaction, target: Document, endpoint: Document, variant: str, current: int, now: float) -> None:
    """Change the variant's count if the policies want it, and keep what was done."""
    body = target.body
    wishes = [wish for policy in body["_policies"].values() for wish in _wishes(tx, target, policy, current, now)]
    capacity = decisions.chosen(current, [wish.capacity for wish in wishes], body["MinCapacity"], body["MaxCapacity"])
    suspended = body["SuspendedState"].get(
        "DynamicScalingOutSuspended" if capacity > current else "DynamicScalingInSuspended"
    )
    if capacity == current or suspended or (capacity < current and _is_needed(body["_policies"], wishes)):
        stored = tx.get(target.kind, target.region, target.key)
        if stored is not None and stored.body != body:
            tx.update(target)
        return
    # A bound may have made it more, or less, than any of them wanted.
    cause = next((wish for wish in wishes if wish.capacity >= capacity), wishes[0])
    activity = {
        "ActivityId": random_uuid(),
        "Description": f"Setting desired instance count to {capacity}.",
        "Cause": f"monitor alarm {cause.alarm} in state ALARM triggered policy {cause.policy['PolicyName']}",
        "StartTime": now,
        "StatusCode": "InProgress",
        "StatusMessage": f"Successfully set desired instance count to {capacity}. Waiting for change to be fulfilled "
        "by sagemaker.",
    }
    side = "_out_at" if capacity > current else "_in_at"
    changed = {**body["_policies"], cause.policy["PolicyName"]: {**cause.policy, side: now}}
    activities = [*body["_activities"], activity][-targets.MOST_ACTIVITIES :]
    tx.update(replace(target, body={**body, "_policies": changed, "_activities": activities}))
    tx.update(with_count(endpoint, variant, capacity))
    tx.schedule(ENDPOINT.id, endpoint.region, endpoint.key, now)
    log.info("scaling", resource=body["ResourceId"], before=current, after=capacity, cause=activity["Cause"])


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


def _settled(target: Document, endpoint: Document, count: int, now: float) -> Document:
    """The target after its endpoint came to rest: what was in progress was done, or the endpoint stayed as it was."""
    activities = [
        {**each, **_ended(each, endpoint, count), "EndTime": now} if each["StatusCode"] == "InProgress" else each
        for each in target.body["_activities"]
    ]
    return replace(target, body={**target.body, "_activities": activities})


def _ended(activity: Params, endpoint: Document, count: int) -> Params:
    wanted = int(activity["Description"].rstrip(".").split()[-1])
    if wanted == count:
        message = f"Successfully set desired instance count to {wanted}. Change successfully fulfilled by sagemaker."
        return {"StatusCode": "Successful", "StatusMessage": message}
    why = endpoint.body.get("FailureReason") or "It was changed meanwhile."
    return {
        "StatusCode": "Failed",
        "StatusMessage": f"Failed to set desired instance count to {wanted}. Reason: {why}",
    }
