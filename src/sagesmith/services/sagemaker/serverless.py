"""Serverless variants: how many model servers they are to have now, from none at all.

A variant that is on demand is woken by a request (`wakes`) and goes to sleep when it has had none for a while: when no
slot of its endpoint (`slots`) was taken. Provisioned concurrency is a number of model servers that always stay.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sagesmith import slots, wakes
from sagesmith.compute import watching
from sagesmith.services.sagemaker import fleet
from sagesmith.services.sagemaker.fleet import Instance
from sagesmith.services.sagemaker.model_servers import Observations, instances_of, is_over, why_not_started
from sagesmith.store import Document, Store

IDLE_SECONDS = 300.0
ASLEEP_LOOK_SECONDS = 5.0
Variant = dict[str, Any]


def stood_up(document: Document, now: float) -> Document:
    """A new endpoint whose model has shown that it serves: its model server is to end, for nobody has asked yet."""
    ready = {each.variant for each in instances_of(document) if each.serving}
    names = {each["name"] for each in _of(document) if each["name"] in ready and not each["count"] and each["awake"]}
    if document.status != "Creating" or not names:
        return document
    instances = [fleet.dismiss(each, now) if each.variant in names else each for each in instances_of(document)]
    return _with(document, {name: {"awake": 0} for name in names}, instances)


def is_leaving(document: Document) -> bool:
    """Whether a new endpoint still has the model server by which it was tried."""
    asleep = {each["name"] for each in _of(document) if not each["count"] and not each["awake"]}
    return document.status == "Creating" and any(each.variant in asleep for each in instances_of(document))


def is_asleep(document: Document) -> bool:
    """Whether nothing of an endpoint runs, nor is to run."""
    return bool(_of(document)) and document.status == "InService" and not document.body["_instances"]


def after_failures(document: Document, before: Document, observed: Observations, now: float) -> Document:
    """The endpoint after those of its model servers that could not be started: who waits for them is told why, and the
    next request tries again.

    Args:
        before: the document before what else follows from the same observations.
    """
    if document.status == "Creating":
        return document
    changes: dict[str, Variant] = {}
    for instance in instances_of(before):
        task = observed.get(instance.id)
        never_served = instance.wanted and instance.serving_since is None
        if never_served and task is not None and is_over(task) and instance.fleet == document.body["_fleet"]["id"]:
            changes[instance.variant] = {
                "awake": 0,
                "failed": {"at": now, "reason": why_not_started(instance.variant, task)},
            }
    on_demand = {each["name"] for each in _of(document) if not each["count"]}
    return _with(document, {name: change for name, change in changes.items() if name in on_demand})


@dataclass(frozen=True, slots=True)
class Demand:
    """Decides from what is asked and what is under way. Reads files of the data directory.

    Args:
        wakes_folder, slots_folder: those of the data directory.
        idle_seconds: how long a variant stays awake after its last request.
        limit: how many model servers a variant may have on this machine.
    """

    wakes_folder: Path
    slots_folder: Path
    idle_seconds: float
    limit: int

    def is_asked(self, document: Document) -> bool:
        """Whether somebody waits for a model server of a serverless endpoint."""
        return bool(_of(document)) and wakes.is_asked(self.wakes_folder, document.region, document.name)

    def applied(self, document: Document, asked: bool, now: float) -> Document:
        """The endpoint with as many model servers wanted as its requests want.

        Args:
            asked: what `is_asked` said before.
        """
        if document.status == "Creating":
            return document
        changes = {}
        for variant in _of(document):
            awake = self._awake(document, variant, now) if variant["awake"] else int(asked)
            if awake != variant["awake"]:
                began = now if not variant["awake"] else variant.get("woken_at", now)
                changes[variant["name"]] = {"awake": awake, "woken_at": began}
        return _with(document, changes)

    def answered(self, document: Document) -> None:
        """What `applied` made of being asked is in the store."""
        wakes.answered(self.wakes_folder, document.region, document.name)

    def hurried(self, document: Document, instances: Sequence[Instance], now: float) -> list[Instance]:
        """The instances, of which those that retire end at once if no request can be on its way to them.

        Routers know of the document as it is: one that takes a slot now asks nobody who retires.
        """
        names = {each["name"] for each in _of(document)}
        retiring = any(not each.wanted and each.stopping_at is None and each.variant in names for each in instances)
        if not retiring or document.status != "InService" or self._use(document).now:
            return list(instances)
        return [fleet.dismiss(each, now) if not each.wanted and each.variant in names else each for each in instances]

    def forget(self, document: Document) -> None:
        """Remove what there is of an endpoint that is gone."""
        wakes.answered(self.wakes_folder, document.region, document.name)
        slots.path_of(self.slots_folder, document.region, document.name).unlink(missing_ok=True)

    def _awake(self, document: Document, variant: Variant, now: float) -> int:
        """How many model servers a variant that is awake is to have, 0 to let it sleep."""
        awake = int(variant["awake"])
        use = self._use(document)
        if not use.now:
            quiet = now - max(use.last, variant.get("woken_at", 0.0))
            return 0 if quiet >= self.idle_seconds else awake
        serving = sum(each.serving for each in instances_of(document) if each.variant == variant["name"])
        if serving < max(awake, min(variant["count"], self.limit)):
            return awake
        return max(awake, min(use.now, int(variant["serverless"]["MaxConcurrency"]), self.limit))

    def _use(self, document: Document) -> slots.Use:
        most = max((each["serverless"]["MaxConcurrency"] for each in _of(document)), default=0)
        return slots.use(slots.path_of(self.slots_folder, document.region, document.name), most)


class WakeListener:
    """Schedules endpoints for which a model server is asked, as soon as it is.

    Where the kernel does not tell of files, an endpoint is looked at when its reconciler wanted to anyway.
    """

    def __init__(self, store: Store, folder: Path, kind: str) -> None:
        self._store = store
        self._folder = folder
        self._kind = kind
        self._watcher = watching.shared()

    def start(self) -> None:
        """Listen from now on, and hear what was asked while nobody listened."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._heard()

    def _heard(self) -> None:
        # Watched first: what is asked while this looks is told of again.
        self._watcher.watch(self._folder, self._heard)
        found = list(wakes.asked(self._folder))
        if not found:
            return
        with self._store.write() as tx:
            for region, endpoint in found:
                tx.schedule(self._kind, region, endpoint, time.time())


def _of(document: Document) -> list[Variant]:
    """The serverless variants of the fleet that serves."""
    return [each for each in document.body["_fleet"]["variants"] if each.get("serverless")]


def _with(document: Document, changes: Mapping[str, Variant], instances: Sequence[Instance] | None = None) -> Document:
    """The document with other members of some variants; itself if there are none."""
    if not changes and instances is None:
        return document
    present = document.body["_fleet"]
    variants = [{**each, **changes.get(each["name"], {})} for each in present["variants"]]
    body = {**document.body, "_fleet": {**present, "variants": variants}}
    if instances is not None:
        body["_instances"] = fleet.dump(instances)
    return replace(document, body=body)
