"""How an endpoint goes from one fleet to the next: in which steps, and when it turns back. Pure functions of documents.

The next fleet (`_next` of an endpoint's document) takes over in steps. For each, the instances that it needs are
started, then requests are sent to them (`shifted`), then the step is watched for a while (`baked`). A blue/green
deployment starts the whole next fleet first and keeps the whole present one to the end; a rolling one starts and ends
as many instances as a step has.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sagesmith.services.sagemaker import fleet
from sagesmith.store import Document
from sagesmith.wire.context import Params

Wanted = dict[tuple[int, str], int]
"""How many instances there are to be, by the number of a fleet and a variant's name."""

ROLLING_BACK = "RollingBack"
_KEPT = ("id", "config", "capture", "asynchronous", "variants", "started_at")
"""Members of the next fleet that it still has as the present one."""
FORMER = "_former"
"""The member of an endpoint whose weights or counts are being changed: its variants as they were."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a DeploymentConfig says, with its defaults.

    Attributes:
        size: of a step, as the API has it: Type and Value; None for all at once.
        canary: there are two steps: one of this size, and the rest.
        rolling: instances are exchanged step by step; else the fleets stand side by side.
        wait_seconds: how long a step is watched before the next.
        termination_seconds: how long the former fleet stays when all is done.
        timeout_seconds: after which the deployment turns back.
        alarms: the names of those that make it turn back.
    """

    size: Params | None = None
    canary: bool = False
    rolling: bool = False
    wait_seconds: float = 0.0
    termination_seconds: float = 0.0
    timeout_seconds: float = math.inf
    alarms: tuple[str, ...] = ()


def policy(deployment: Params | None) -> Policy:
    """The policy of a DeploymentConfig, all at once if there is none."""
    deployment = deployment or {}
    alarms = tuple(each["AlarmName"] for each in (deployment.get("AutoRollbackConfiguration") or {}).get("Alarms", ()))
    if rolling := deployment.get("RollingUpdatePolicy"):
        return Policy(
            rolling["MaximumBatchSize"],
            rolling=True,
            wait_seconds=rolling["WaitIntervalInSeconds"],
            timeout_seconds=rolling.get("MaximumExecutionTimeoutInSeconds") or math.inf,
            alarms=alarms,
        )
    blue_green = deployment.get("BlueGreenUpdatePolicy") or {}
    routing = blue_green.get("TrafficRoutingConfiguration") or {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    size = {"CANARY": routing.get("CanarySize"), "LINEAR": routing.get("LinearStepSize")}.get(routing["Type"])
    return Policy(
        size,
        canary=routing["Type"] == "CANARY",
        wait_seconds=routing["WaitIntervalInSeconds"],
        termination_seconds=blue_green.get("TerminationWaitInSeconds") or 0.0,
        timeout_seconds=blue_green.get("MaximumExecutionTimeoutInSeconds") or math.inf,
        alarms=alarms,
    )


def portions(chosen: Policy, count: int) -> list[float]:
    """Which part of a variant of `count` instances has taken over after each step; 1.0 after the last."""
    if chosen.size is None:
        return [1.0]
    value = chosen.size["Value"]
    size = min(1.0, value / 100 if chosen.size["Type"] == "CAPACITY_PERCENT" else value / count)
    if chosen.rolling:
        size = max(1, math.floor(size * count)) / count
    if chosen.canary:
        return [size, 1.0] if size < 1.0 else [1.0]
    steps = math.ceil(1.0 / size - 1e-9)
    return [*(size * step for step in range(1, steps)), 1.0]


def begin(members: Params, now: float) -> Params:
    """The next fleet of an update that is asked for now.

    Args:
        members: its id, variants and deployment; its config, or in `becomes` what else the document then has.
    """
    return {**members, "started_at": now, "shifted": 0, "baked": 0, "shifted_at": None, "back": False}


def wanted(document: Document, limit: int) -> Wanted:
    """The instances that are to be there now.

    Args:
        limit: how many a variant may have on this machine, whatever it asks for.
    """
    present, coming = document.body["_fleet"], document.body.get("_next")
    found = {(present["id"], each["name"]): min(count_of(each), limit) for each in present["variants"]}
    if coming is None:
        return found
    chosen = policy(coming["deployment"])
    aim = min(coming["baked"] + 1, _steps(chosen, coming))
    for each in coming["variants"]:
        whole = min(count_of(each), limit)
        part = _portion(chosen, each, aim) if chosen.rolling else 1.0
        found[coming["id"], each["name"]] = math.ceil(part * whole - 1e-9)
    if chosen.rolling and not coming["back"]:
        left = 1.0 - share(coming, "baked")
        found |= {
            (present["id"], each["name"]): math.ceil(left * min(count_of(each), limit) - 1e-9)
            for each in present["variants"]
        }
    return found


def count_of(variant: Params) -> int:
    """How many model servers a variant asks for: an instance each, none if its instances hold inference components; a
    serverless one those that it is awake with, or that always stay."""
    if variant.get("components"):
        return 0
    return max(int(variant["count"]), int(variant.get("awake", 0)))


def share(coming: Params, of: str = "shifted") -> float:
    """Which part of the requests, or of what was watched already (`of="baked"`), is the next fleet's."""
    chosen, step = policy(coming["deployment"]), coming[of]
    if step == 0:
        return 0.0
    counts = [(each, max(1, each["count"])) for each in coming["variants"]]
    whole: int = sum(count for _, count in counts)
    return math.fsum(_portion(chosen, each, step) * count for each, count in counts) / whole


def move(document: Document, serving: Mapping[tuple[int, str], int], limit: int, now: float) -> Document:
    """The document after every step that can be taken now.

    Args:
        serving: how many instances answer, as `Wanted` has it.
    """
    while True:
        moved = _move(document, serving, limit, now)
        if moved is None:
            return document
        document = moved


def turn_back(document: Document, reason: str) -> Document:
    """The document of an endpoint whose update is given up: the present fleet is made whole again and stays."""
    coming = {**document.body["_next"], "back": True}
    return replace(document, status=ROLLING_BACK, body={**document.body, "_next": coming, "FailureReason": reason})


def rescaled(document: Document, variants: list[dict[str, Any]]) -> Document:
    """An endpoint in service whose variants are to have other weights or counts from now on."""
    present = document.body["_fleet"]
    kept = {member: value for member, value in document.body.items() if member != "FailureReason"}
    body = {**kept, "_fleet": {**present, "variants": variants}, FORMER: present["variants"]}
    return replace(document, status="Updating", body=body)


def undo_rescaling(document: Document, reason: str) -> Document:
    """The endpoint with the weights and counts that it had, for what was asked for cannot be."""
    body = dict(document.body)
    variants = body.pop(FORMER)
    body |= {"_fleet": {**body["_fleet"], "variants": variants}, "FailureReason": reason}
    return replace(document, status="InService", body=body)


def too_late(coming: Params, now: float) -> str | None:
    """Why the deployment takes too long, None if it does not."""
    limit = policy(coming["deployment"]).timeout_seconds
    if coming["back"] or now - coming["started_at"] <= limit:
        return None
    return f"The deployment did not end within MaximumExecutionTimeoutInSeconds ({limit:.0f} seconds)."


def stage(coming: Params) -> str:
    """A VariantStatus for the next fleet's variants."""
    if coming["back"]:
        return "Deleting"
    return "Baking" if coming["shifted"] > coming["baked"] else "Creating"


def _move(document: Document, serving: Mapping[tuple[int, str], int], limit: int, now: float) -> Document | None:
    """The document after one step, None if none can be taken."""
    there = wanted(document, limit)
    coming = document.body.get("_next")
    present = document.body["_fleet"]["id"]

    def whole(number: int) -> bool:
        return all(serving.get(each, 0) >= count for each, count in there.items() if each[0] == number)

    if coming is None:
        return _settled(document) if document.status != "InService" and whole(present) else None
    if coming["back"]:
        return _back(document, now) if whole(present) else None
    if coming["baked"] == _steps(policy(coming["deployment"]), coming):
        return _done(document, now)
    step = _next_step(coming, now, ready=whole(coming["id"]))
    return None if step is None else replace(document, body={**document.body, "_next": step})


def _next_step(coming: Params, now: float, *, ready: bool) -> Params | None:
    """The next fleet after it was given requests, or after it was watched long enough; None if it is not that far."""
    if coming["shifted"] == coming["baked"]:
        return {**coming, "shifted": coming["shifted"] + 1, "shifted_at": now} if ready else None
    baked = now - coming["shifted_at"] >= policy(coming["deployment"]).wait_seconds
    return {**coming, "baked": coming["shifted"]} if baked else None


def _settled(document: Document) -> Document:
    """An endpoint that has what it wanted: there is nothing to go back to any more."""
    body = {name: value for name, value in document.body.items() if name != FORMER}
    return replace(document, status="InService", body=body)


def _back(document: Document, now: float) -> Document:
    """The present fleet is whole and stays; what is left of the next one is retired."""
    body = dict(document.body)
    coming = body.pop("_next")
    instances = [
        fleet.retire(each, now) if each.wanted and each.fleet == coming["id"] else each
        for each in fleet.load(body["_instances"])
    ]
    return replace(document, status="InService", body={**body, "_instances": fleet.dump(instances)})


def _done(document: Document, now: float) -> Document:
    """The next fleet is the present one; what is left of the former stays for as long as was asked for."""
    body = dict(document.body)
    coming = body.pop("_next")
    wait = policy(coming["deployment"]).termination_seconds
    instances = [
        fleet.retire(each, now, wait) if each.wanted and each.fleet != coming["id"] else each
        for each in fleet.load(body["_instances"])
    ]
    body |= {
        "_fleet": {name: coming[name] for name in _KEPT if name in coming},
        "_instances": fleet.dump(instances),
        **(coming.get("becomes") or {"EndpointConfigName": coming["config"]}),
    }
    if coming["deployment"]:
        body["LastDeploymentConfig"] = coming["deployment"]
    return replace(document, status="InService", body=body)


def _steps(chosen: Policy, coming: Params) -> int:
    return max(len(portions(chosen, max(1, each["count"]))) for each in coming["variants"])


def _portion(chosen: Policy, variant: Params, step: int) -> float:
    found = portions(chosen, max(1, variant["count"]))
    return found[min(step, len(found)) - 1]


def problems(deployment: Params, variants: list[dict[str, Any]]) -> Iterator[str]:
    """What of a DeploymentConfig contradicts itself or the variants that it is to bring."""
    if deployment.get("BlueGreenUpdatePolicy") and deployment.get("RollingUpdatePolicy"):
        yield "Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be given."
        return
    if blue_green := deployment.get("BlueGreenUpdatePolicy"):
        routing = blue_green["TrafficRoutingConfiguration"]
        for kind, member, least in (("CANARY", "CanarySize", 1), ("LINEAR", "LinearStepSize", 10)):
            if routing["Type"] == kind and not routing.get(member):
                yield f"{member} is required when the type of TrafficRoutingConfiguration is {kind}."
            elif routing["Type"] != kind and routing.get(member):
                yield f"{member} can be given only when the type of TrafficRoutingConfiguration is {kind}."
            elif routing["Type"] == kind:
                yield from _size_problems(member, routing[member], least, variants)
    if rolling := deployment.get("RollingUpdatePolicy"):
        yield from _size_problems("MaximumBatchSize", rolling["MaximumBatchSize"], 5, variants)
        if back := rolling.get("RollbackMaximumBatchSize"):
            yield from _size_problems("RollbackMaximumBatchSize", back, 5, variants, most=100)
    chosen = policy(deployment)
    if chosen.timeout_seconds <= chosen.wait_seconds + chosen.termination_seconds:
        yield "MaximumExecutionTimeoutInSeconds must be larger than the waiting times together."


def _size_problems(
    member: str, size: Params, least: int, variants: list[dict[str, Any]], most: int = 50
) -> Iterator[str]:
    if size["Type"] == "CAPACITY_PERCENT":
        if not least <= size["Value"] <= most:
            yield f"{member} must be between {least} and {most} percent of the fleet's capacity."
        return
    for each in variants:
        if size["Value"] > max(1, each["count"] * most // 100):
            yield (
                f"{member} of {size['Value']} instances is more than {most} percent of variant {each['name']}, "
                f"which has {each['count']}."
            )
