"""The life of an endpoint: model servers are started, watched, replaced, and ended; routers are told where they listen.

An endpoint's document has its fleet (what is wanted), perhaps the next one, and its instances (what was started). The
instances' ids are stored before their tasks are started, so that a crash leaves no task that nobody knows.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sagesmith import logging
from sagesmith.compute.base import Resources, TaskObservation, TaskSpec
from sagesmith.compute.instances import resources_of
from sagesmith.images.base import ImageNotRunnable, NotOurs
from sagesmith.images.registry import resolve
from sagesmith.routes import EndpointRoute
from sagesmith.services.base import Home
from sagesmith.services.cloudwatch import alarms
from sagesmith.services.sagemaker import deployments, fleet, retirement, tasks
from sagesmith.services.sagemaker.endpoint_routes import Addresses, route_of
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.fleet import Instance
from sagesmith.services.sagemaker.route_table import RouteTable
from sagesmith.services.sagemaker.task_metrics import Measured, collect_metrics
from sagesmith.store import Document

LOG_GROUP = "/aws/sagemaker/Endpoints"
STARTING_LOOK_SECONDS = 0.05
SERVING_LOOK_SECONDS = 1.0
CREDENTIALS_SECONDS = 7 * 86_400.0
"""How long the credentials of a model server live; it is replaced before they end."""
DEFAULT_STARTUP_TIMEOUT_SECONDS = 600.0
SCALING_ATTEMPTS = 3
"""How often another instance of what serves already may fail before an endpoint stays as it was."""
KIND = ENDPOINT.id

_UNHEALTHY = (
    "The primary container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint. "
)

log = logging.get("serving")

Observations = Mapping[str, TaskObservation]


class EndpointReconciler:
    """Keeps every endpoint's model servers running.

    Args:
        max_instances: how many model servers a variant may have on this machine, whatever its instance count.
        credentials_seconds: how long the credentials of a model server live.
    """

    kind = KIND
    _routes: RouteTable

    def __init__(self, max_instances: int, credentials_seconds: float = CREDENTIALS_SECONDS) -> None:
        self._max_instances = max_instances
        self._credentials_seconds = credentials_seconds

    def recover(self, home: Home) -> None:
        """End model servers of endpoints that are gone, drop their routes, and look at the endpoints that are there."""
        self._routes = RouteTable(home.platform.dir.routes_file)
        named: set[str] = set()
        present: set[tuple[str, str]] = set()
        with home.store.write() as tx:
            for document in tasks.all_documents(tx, KIND):
                named.update(each.id for each in _instances(document))
                present.add((document.region, document.key))
                tx.schedule(KIND, document.region, document.key, time.time())
        self._routes.keep(present)
        tasks.discard_orphans(home, fleet.TASK_PREFIX, named)

    def step(self, home: Home, document: Document) -> float | None:
        """Bring the endpoint one step on."""
        if document.status in ("Deleting", "Failed"):
            return self._end(home, document)
        now = time.time()
        planned = fleet.plan(_instances(document), deployments.wanted(document, self._max_instances), now)
        planned = fleet.renew(planned, self._credentials_seconds, now)
        if planned != _instances(document):
            document = _store(home, _with(document, planned), touch=False)
        observed = dict(self._observe(home, document))
        failure = _failure(document, observed, now) or _alarm(home, document) or _unscalable(document, observed)
        if failure is not None:
            return self._fail(home, document, failure)
        return self._settle(home, document, observed)

    def _observe(self, home: Home, document: Document) -> Iterator[tuple[str, TaskObservation]]:
        """Start what was not started, take in logs, and see what runs."""
        for instance in _instances(document):
            task = tasks.observe(home.backend, instance.id)
            if task is None and instance.wanted and instance.start_at <= time.time():
                home.backend.start([_task_spec(home, document, instance, self._credentials_seconds)])
                task = home.backend.inspect(instance.id)
            if task is not None:
                _collect(home, document, instance, task)
                yield instance.id, task

    def _settle(self, home: Home, document: Document, observed: Observations) -> float | None:
        """Tell the routers, store what became of the endpoint, and end what is no longer needed, in this order."""
        now = time.time()
        kept = _advance(document, observed, now)
        settled = _with(document, kept)
        serving = Counter((each.fleet, each.variant) for each in kept if each.serving)
        settled = deployments.move(settled, serving, self._max_instances, now)
        self._routes.put(document.region, route_of(settled, _addresses(settled, observed)))
        if settled != document:
            settled = _store(home, settled, touch=settled.status != document.status)
        if settled.status != document.status:
            log.info("endpoint changed", endpoint=document.name, status=settled.status)
        left = retirement.end_due(home.backend, _instances(settled), observed, now)
        if left != _instances(settled):
            _store(home, _with(settled, left), touch=False)
        at_rest = settled.status == "InService" and all(each.serving for each in kept if each.wanted)
        return SERVING_LOOK_SECONDS if at_rest else STARTING_LOOK_SECONDS

    def _fail(self, home: Home, document: Document, failure: str) -> float | None:
        """An endpoint that cannot be created is Failed; one that cannot be changed turns back to what it was."""
        failure = failure[: tasks.MAX_FAILURE_REASON]
        if "_next" in document.body:
            _store(home, deployments.turn_back(document, failure))
            log.warning("update of an endpoint turns back", endpoint=document.name, reason=failure)
            return STARTING_LOOK_SECONDS
        if deployments.FORMER in document.body:
            _store(home, deployments.undo_rescaling(document, failure))
            log.warning("an endpoint keeps its instances as they were", endpoint=document.name, reason=failure)
            return STARTING_LOOK_SECONDS
        body = {**document.body, "FailureReason": failure}
        failed = _store(home, replace(document, status="Failed", body=body))
        log.warning("endpoint failed", endpoint=document.name, reason=failure)
        return self._end(home, failed)

    def _end(self, home: Home, document: Document) -> float | None:
        """End the model servers of an endpoint that was deleted or has failed, and then what was deleted itself."""
        deleted = document.status == "Deleting"
        if deleted:
            self._routes.remove(document.region, document.name)
        else:
            self._routes.put(document.region, EndpointRoute(document.name, "Failed"))
        now = time.time()
        ending = _with(document, [fleet.dismiss(each, now) for each in _instances(document)])
        left = retirement.end_due(home.backend, _instances(ending), dict(self._observe(home, ending)), now)
        if left or not deleted:
            if left != _instances(document):
                _store(home, _with(document, left), touch=False)
            return retirement.look_seconds(left, now) if left else None
        with home.store.write() as tx:
            tx.delete(KIND, document.region, document.key)
        log.info("endpoint deleted", endpoint=document.name)
        return None


def _instances(document: Document) -> list[Instance]:
    return fleet.load(document.body["_instances"])


def _with(document: Document, instances: Sequence[Instance]) -> Document:
    return replace(document, body={**document.body, "_instances": fleet.dump(instances)})


def _over(task: TaskObservation | None) -> bool:
    return task is not None and (task.ended or task.lost)


def _failure(document: Document, observed: Observations, now: float) -> str | None:
    """Why the fleet that is being started cannot be, None while it can."""
    coming = document.body.get("_next")
    if document.status != "Creating" and (coming is None or coming["back"]):
        return None
    target = (coming or document.body["_fleet"])["id"]
    for instance in _instances(document):
        if instance.fleet == target and instance.wanted and _over(observed.get(instance.id)):
            return _why_not_started(instance.variant, observed[instance.id])
    return deployments.too_late(coming, now) if coming else None


def _unscalable(document: Document, observed: Observations) -> str | None:
    """Why the instances that weights and counts ask for cannot be, None while they can: one failed again and again."""
    if document.status != "Updating" or deployments.FORMER not in document.body:
        return None
    for instance in _instances(document):
        never_served = instance.wanted and instance.serving_since is None and instance.attempt >= SCALING_ATTEMPTS - 1
        if never_served and _over(observed.get(instance.id)):
            return _why_not_started(instance.variant, observed[instance.id])
    return None


def _alarm(home: Home, document: Document) -> str | None:
    """Which alarms make a deployment turn back, None if none does."""
    coming = document.body.get("_next")
    names = deployments.policy(coming["deployment"]).alarms if coming and not coming["back"] else ()
    if not names:
        return None
    with home.store.read() as tx:
        tripped = alarms.tripped(tx, document.region, names)
    return f"The deployment was rolled back, for these alarms are in ALARM: {', '.join(tripped)}." if tripped else None


def _advance(document: Document, observed: Observations, now: float) -> list[Instance]:
    """The instances after what was observed, with those that take a dead one's place."""
    kept: list[Instance] = []
    for instance in _instances(document):
        task = observed.get(instance.id)
        if not instance.wanted:
            kept.append(instance)
        elif task is not None and _over(task):
            log.warning("model server ended", endpoint=document.name, variant=instance.variant, reason=_why(task))
            kept += [fleet.dismiss(instance, now), fleet.successor(instance, now)]
        else:
            state = task.events[-1].state if task is not None and task.events else instance.state
            since = instance.serving_since or (now if state == "Serving" else None)
            kept.append(replace(instance, state=state, serving_since=since))
    return kept


def _addresses(document: Document, observed: Observations) -> Addresses:
    """Where the instances listen that answer."""
    found: Addresses = {}
    for instance in _instances(document):
        task = observed.get(instance.id)
        if instance.serving and task is not None and task.address:
            found.setdefault((instance.fleet, instance.variant), []).append(task.address)
    return found


def _why(task: TaskObservation) -> str:
    if not task.ended:
        return "InternalServerError: the node agent of a model server ended without a report."
    last = task.events[-1]
    return str(last.detail.get("failure_reason") or last.message or "The model server ended.")


def _why_not_started(variant: str, task: TaskObservation) -> str:
    """In AWS's words where the container ran, and then in those of the node agent, which quotes the container's."""
    ran = task.ended and "exit_code" in task.events[-1].detail
    return _UNHEALTHY.format(variant=variant) + _why(task) if ran else _why(task)


def _collect(home: Home, document: Document, instance: Instance, task: TaskObservation) -> None:
    group = f"{LOG_GROUP}/{document.name}"
    stream = f"{instance.variant}/i-{instance.id.removeprefix(fleet.TASK_PREFIX)[:17]}"
    while tasks.collect_log(home, instance.id, document.region, group, stream) and _over(task):
        pass
    of = {"EndpointName": document.name, "VariantName": instance.variant}
    measured = Measured(document.region, LOG_GROUP, host=of, program=of)
    while collect_metrics(home, instance.id, measured) and _over(task):
        pass


def _task_spec(home: Home, document: Document, instance: Instance, credentials_seconds: float) -> TaskSpec:
    """What the node agent is to do for one model server."""
    fleets = [document.body["_fleet"], document.body.get("_next") or {"id": None}]
    present = next(each for each in fleets if each["id"] == instance.fleet)
    variant = next(each for each in present["variants"] if each["name"] == instance.variant)
    container = variant["container"]
    own = container.get("Environment") or {}
    code = own.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    common = tasks.specification(
        home,
        document,
        "serve",
        image=container["Image"],
        instance_type=variant["instance_type"],
        role_arn=variant["role"],
        credentials_seconds=credentials_seconds,
        own=own,
        network_isolation=variant["network_isolation"],
    )
    return replace(
        common,
        id=instance.id,
        model_data=model_data(container),
        code=code if code.startswith("s3://") else None,
        resources=_resources(container["Image"], variant["instance_type"]),
        volume_size_bytes=variant["volume_gb"] << 30 if variant.get("volume_gb") else None,
        startup_timeout_seconds=variant["startup_timeout_seconds"] or DEFAULT_STARTUP_TIMEOUT_SECONDS,
    )


def _resources(image: str, instance_type: str) -> Resources:
    """What a model server may use: what its instance type has, GPUs if it is an image of the user's: ours need none."""
    of_instance = resources_of(instance_type)
    try:
        resolve(image)
    except NotOurs:
        return of_instance
    except ImageNotRunnable:
        pass
    return replace(of_instance, gpus=0)


def model_data(container: dict[str, Any]) -> str | None:
    """Where the model's artifacts lie: an archive, or a prefix that ends with `/` if they are not archived."""
    if url := container.get("ModelDataUrl"):
        return str(url)
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if not source:
        return None
    uri = str(source["S3Uri"])
    return uri.rstrip("/") + "/" if source["S3DataType"] == "S3Prefix" else uri


def _store(home: Home, document: Document, *, touch: bool = True) -> Document:
    with home.store.write() as tx:
        return tx.update(document, touch=touch)
