"""The life of an inference component: its copies get places, are started, watched, replaced and ended.

As an endpoint's (`serving`), of which it is a part: the endpoint's instances hold the copies, and its route has theirs.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from sagesmith import logging
from sagesmith.compute.base import TaskObservation, TaskSpec
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import (
    capacity,
    component_specs,
    concurrency_metrics,
    deployments,
    fleet,
    placement,
    retirement,
    serving,
    tasks,
)
from sagesmith.services.sagemaker.endpoint_routes import component_route
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.inference_components import INFERENCE_COMPONENT
from sagesmith.services.sagemaker.model_servers import (
    Observations,
    addresses_of,
    advanced,
    failure,
    instances_of,
    tripped,
    unscalable,
    with_instances,
)
from sagesmith.services.sagemaker.route_table import RouteTable
from sagesmith.services.sagemaker.task_metrics import Measured
from sagesmith.store import Datum, Document, Metric, StatisticSet

LOG_GROUP = "/aws/sagemaker/InferenceComponents"
KIND = INFERENCE_COMPONENT.id
_SHARED = ("InvocationsPerCopy", concurrency_metrics.NAME)
"""The metrics that policies track."""
_AS_MANY_AS_THERE_IS_ROOM_FOR = 1 << 30

log = logging.get("components")


class ComponentReconciler:
    """Keeps the copies of every inference component running.

    Args:
        routes: what routers know.
        credentials_seconds: how long the credentials of a model server live.
    """

    kind = KIND

    def __init__(self, routes: RouteTable, credentials_seconds: float = serving.CREDENTIALS_SECONDS) -> None:
        self._routes = routes
        self._credentials_seconds = credentials_seconds
        self._noted: dict[str, int] = {}

    def recover(self, home: Home) -> None:
        """Look at all of them; their endpoints' reconciler ends model servers that nobody knows."""
        with home.store.write() as tx:
            for document in tasks.all_documents(tx, KIND):
                tx.schedule(KIND, document.region, document.key, time.time())

    def step(self, home: Home, document: Document) -> float | None:
        """Bring the component one step on."""
        if document.status in ("Deleting", "Failed"):
            return self._end(home, document)
        now = time.time()
        with home.store.read() as tx:
            endpoint = tx.get(ENDPOINT.id, document.region, document.parent)
        if endpoint is None or endpoint.status == "Creating":
            return serving.SERVING_LOOK_SECONDS
        if endpoint.status == "Failed" and document.status == "Creating":
            return self._fail(home, document, f"ClientError: endpoint {endpoint.name} is Failed.")
        wanted = deployments.wanted(document, _AS_MANY_AS_THERE_IS_ROOM_FOR)
        planned = fleet.renew(fleet.plan(instances_of(document), wanted, now), self._credentials_seconds, now)
        if not placement.is_settled(endpoint, document, planned):
            with home.store.write() as tx:
                document = placement.place(tx, document, planned, now)
        observed = dict(self._observe(home, document))
        why_not = (
            failure(document, observed, now)
            or tripped(home, document)
            or unscalable(document, observed)
            or _no_room(document)
        )
        if why_not is not None:
            return self._fail(home, document, why_not[: tasks.MAX_FAILURE_REASON])
        return self._settle(home, endpoint, document, observed)

    def _observe(self, home: Home, document: Document) -> Iterator[tuple[str, TaskObservation]]:
        """Start the copies that have a place and were not started, take in logs, and see what runs."""
        for instance in instances_of(document):
            task = tasks.observe(home.backend, instance.id)
            placed = instance.wanted and instance.host is not None
            if task is None and placed and instance.start_at <= time.time():
                home.backend.start([_task_spec(home, document, instance, self._credentials_seconds)])
                task = home.backend.inspect(instance.id)
            if task is not None:
                of = {"InferenceComponentName": document.name}
                stream = f"{instance.variant}/{serving.stream_of(instance)}"
                busy = _normalized(document, instance)
                measured = Measured(document.region, LOG_GROUP, of, of, normalized=busy)
                serving.collect(home, task, f"{LOG_GROUP}/{document.name}", stream, measured)
                yield instance.id, task

    def _settle(self, home: Home, endpoint: Document, document: Document, observed: Observations) -> float | None:
        """Tell the routers, store what became of the component, and end what is no longer needed, in this order."""
        now = time.time()
        kept = advanced(document, observed, now)
        settled = with_instances(document, kept)
        answering = Counter((each.fleet, each.variant) for each in kept if each.serving)
        settled = deployments.move(settled, answering, _AS_MANY_AS_THERE_IS_ROOM_FOR, now)
        if "_next" in document.body and "_next" not in settled.body:
            settled = placement.unsettled(settled)
        if settled.status != "Creating":
            self._tell(endpoint, settled, observed)
        if settled != document:
            settled = _store(home, settled, touch=settled.status != document.status)
        if settled.status != document.status:
            log.info("inference component changed", component=document.name, status=settled.status)
        left = retirement.end_due(home.backend, instances_of(settled), observed, now)
        if left != instances_of(settled):
            _store(home, with_instances(settled, left), touch=False)
        if any(each.serving for each in kept):
            self._note_rest(home, settled, now)
        # A copy for which there is no room waits for others to go.
        placed = [each for each in kept if each.wanted and each.host is not None]
        at_rest = settled.status == "InService" and all(each.serving for each in placed)
        return serving.SERVING_LOOK_SECONDS if at_rest else serving.STARTING_LOOK_SECONDS

    def _note_rest(self, home: Home, document: Document, now: float) -> None:
        """Say once a minute that nobody asked, so that a policy sees it: what is asked adds to it."""
        minute = int(now) // 60 * 60
        if self._noted.get(document.arn) == minute:
            return
        self._noted[document.arn] = minute
        dimensions = (("InferenceComponentName", document.name),)
        nothing = StatisticSet.of([0.0])
        with home.store.write() as tx:
            data = [Datum(Metric("AWS/SageMaker", name, dimensions), minute, "None", nothing) for name in _SHARED]
            tx.put_statistics(document.region, data)

    def _tell(self, endpoint: Document, document: Document, observed: Observations) -> None:
        """Requests go to the copies of both fleets while one takes over from the other."""
        found = addresses_of(document, observed)
        coming = document.body.get("_next")
        shown = {document.body["_fleet"]["id"]}
        if coming is not None and coming["shifted"]:
            shown = {coming["id"]} if deployments.share(coming) >= 1.0 else shown | {coming["id"]}
        addresses = [each for (number, _), several in found.items() if number in shown for each in several]
        served = any(each.wanted and each.serving_since is not None for each in instances_of(document))
        route = component_route(endpoint, document, addresses, idle=not addresses and not served)
        self._routes.put_component(document.region, document.parent, route)

    def _fail(self, home: Home, document: Document, why_not: str) -> float | None:
        """One that cannot be created is Failed; one that cannot be changed turns back to what it was."""
        log.warning("an inference component cannot be what it is to be", component=document.name, reason=why_not)
        if "_next" in document.body:
            _store(home, replace(deployments.turn_back(document, why_not), status="Updating"))
            return serving.STARTING_LOOK_SECONDS
        if deployments.FORMER in document.body:
            _store(home, deployments.undo_rescaling(document, why_not))
            return serving.STARTING_LOOK_SECONDS
        body = {**document.body, "FailureReason": why_not}
        return self._end(home, _store(home, replace(document, status="Failed", body=body)))

    def _end(self, home: Home, document: Document) -> float | None:
        """End the copies of a component that was deleted or has failed, and then what was deleted itself."""
        self._routes.remove_component(document.region, document.parent, document.name)
        now = time.time()
        ending = with_instances(document, [fleet.dismiss(each, now) for each in instances_of(document)])
        left = retirement.end_due(home.backend, instances_of(ending), dict(self._observe(home, ending)), now)
        if left != instances_of(document):
            document = _store(home, with_instances(document, left), touch=False)
        if left:
            return retirement.look_seconds(left, now)
        self._noted.pop(document.arn, None)
        with home.store.write() as tx:
            placement.leave(tx, document)
            if document.status == "Deleting":
                tx.delete(KIND, document.region, document.key)
                log.info("inference component deleted", component=document.name)
        return None


def _no_room(document: Document) -> str | None:
    """Why what is asked for cannot be, for there is no room; what served already waits until there is room again."""
    asked = document.status == "Creating" or deployments.FORMER in document.body
    coming = document.body.get("_next")
    for each in instances_of(document):
        if each.wanted and each.host is None:
            of_coming = coming is not None and not coming["back"] and each.fleet == coming["id"]
            if asked or of_coming:
                return placement.NOT_ENOUGH
    return None


def _normalized(document: Document, instance: fleet.Instance) -> dict[str, tuple[str, float]]:
    """How busy a copy is, of what it asks for, or else of what its instance has; AWS's names and meaning.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html, inference component metrics.
    """
    fleets = [document.body["_fleet"], document.body.get("_next")]
    served = next((each for each in fleets if each and each["id"] == instance.fleet), None)
    if served is None:
        return {}  # of a former fleet, which is only being ended
    (variant,) = served["variants"]
    needs, instance_has = component_specs.needs_of(variant), capacity.whole(variant["instance_type"])
    gpus = max(1.0, needs.gpus)
    used_of = component_specs.memory_bytes(variant) or instance_has.memory_mb * 2**20
    factors = {
        "CPUUtilization": 1 / (needs.cpus or instance_has.cpus),
        "MemoryUtilization": used_of / (needs.memory_mb * 2**20),
        "GPUUtilization": 1 / gpus,
        "GPUMemoryUtilization": 1 / gpus,
    }
    return {name: (f"{name}Normalized", factor) for name, factor in factors.items() if 0 < factor < math.inf}


def _task_spec(home: Home, document: Document, instance: fleet.Instance, credentials_seconds: float) -> TaskSpec:
    """What the node agent is to do for one copy, which may use what its component asks for."""
    variant = serving.variant_of(document, instance)
    spec = serving.task_spec(home, document, variant, instance.id, credentials_seconds)
    needs, most = component_specs.needs_of(variant), component_specs.memory_bytes(variant)
    resources = replace(
        spec.resources,
        cpus=needs.cpus or spec.resources.cpus,
        memory_bytes=most or spec.resources.memory_bytes,
        gpus=min(spec.resources.gpus, int(needs.gpus)),
    )
    return replace(spec, resources=resources)


def _store(home: Home, document: Document, *, touch: bool = True) -> Document:
    with home.store.write() as tx:
        return tx.update(document, touch=touch)
