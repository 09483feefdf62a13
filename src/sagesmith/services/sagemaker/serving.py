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
from sagesmith.compute.base import ModelContainer, Models, Resources, TaskObservation, TaskSpec
from sagesmith.compute.instances import resources_of
from sagesmith.images.base import ImageNotRunnable, NotOurs
from sagesmith.images.registry import resolve
from sagesmith.routes import EndpointRoute
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import deployments, fleet, retirement, serverless, serverless_variants, tasks
from sagesmith.services.sagemaker.component_specs import KIND as COMPONENT
from sagesmith.services.sagemaker.endpoint_routes import route_of
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.fleet import Instance
from sagesmith.services.sagemaker.model_servers import (
    Observations,
    addresses_of,
    advanced,
    failure,
    instances_of,
    is_over,
    tripped,
    unscalable,
    with_instances,
)
from sagesmith.services.sagemaker.models import is_multi_model
from sagesmith.services.sagemaker.route_table import RouteTable
from sagesmith.services.sagemaker.task_metrics import Measured, collect_metrics
from sagesmith.store import Document

LOG_GROUP = "/aws/sagemaker/Endpoints"
STARTING_LOOK_SECONDS = 0.05
SERVING_LOOK_SECONDS = 1.0
CREDENTIALS_SECONDS = 7 * 86_400.0
"""How long the credentials of a model server live; it is replaced before they end."""
DEFAULT_STARTUP_TIMEOUT_SECONDS = 600.0
EXPECT_SECONDS = 20.0
"""After so long it is said again what may soon be started."""
KIND = ENDPOINT.id

_OF_INVOCATIONS = dict.fromkeys(
    ("ModelDownloadingTime", "ModelLoadingTime", "ModelUnloadingTime"), ("AWS/SageMaker", "Microseconds")
)
"""Metrics of multi-model endpoints that stand beside those of their invocations, where LoadedModelCount does not
(https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html)."""

log = logging.get("serving")


class EndpointReconciler:
    """Keeps every endpoint's model servers running.

    Args:
        routes: what routers know, for this and for who serves inference components.
        max_instances: how many model servers a variant may have on this machine, whatever its instance count.
        credentials_seconds: how long the credentials of a model server live.
        idle_seconds: how long a serverless endpoint keeps its model server after its last request.
    """

    kind = KIND
    _demand: serverless.Demand
    _listener: serverless.WakeListener

    def __init__(
        self,
        routes: RouteTable,
        max_instances: int,
        credentials_seconds: float = CREDENTIALS_SECONDS,
        idle_seconds: float = serverless.IDLE_SECONDS,
    ) -> None:
        self._routes = routes
        self._max_instances = max_instances
        self._credentials_seconds = credentials_seconds
        self._idle_seconds = idle_seconds
        self._expected: dict[str, float] = {}

    def recover(self, home: Home) -> None:
        """End model servers of endpoints that are gone, drop their routes, and look at the endpoints that are there."""
        named: set[str] = set()
        present: list[tuple[str, EndpointRoute]] = []
        with home.store.write() as tx:
            for document in tasks.all_documents(tx, COMPONENT):
                named.update(each.id for each in instances_of(document))
            for document in tasks.all_documents(tx, KIND):
                named.update(each.id for each in instances_of(document))
                if document.status != "Deleting":
                    present.append((document.region, _first_route(document)))
                tx.schedule(KIND, document.region, document.key, time.time())
        self._routes.keep(present)
        tasks.discard_orphans(home, fleet.TASK_PREFIX, named)
        folders = home.platform.dir
        self._demand = serverless.Demand(folders.wakes, folders.slots, self._idle_seconds, self._max_instances)
        self._listener = serverless.WakeListener(home.store, folders.wakes, KIND)
        self._listener.start()

    def step(self, home: Home, document: Document) -> float | None:
        """Bring the endpoint one step on."""
        if document.status in ("Deleting", "Failed"):
            return self._end(home, document)
        now = time.time()
        asked = self._demand.is_asked(document)
        demanded = self._demand.applied(document, asked, now)
        planned = fleet.plan(instances_of(document), deployments.wanted(demanded, self._max_instances), now)
        planned = fleet.renew(planned, self._credentials_seconds, now)
        if demanded is not document or planned != instances_of(document):
            document = _store(home, with_instances(demanded, planned), touch=False)
        if asked:
            self._demand.answered(document)
        observed = dict(self._observe(home, document))
        why_not = failure(document, observed, now) or tripped(home, document) or unscalable(document, observed)
        if why_not is not None:
            return self._fail(home, document, why_not)
        return self._settle(home, document, observed)

    def _observe(self, home: Home, document: Document) -> Iterator[tuple[str, TaskObservation]]:
        """Start what was not started, take in logs, and see what runs."""
        for instance in instances_of(document):
            task = tasks.observe(home.backend, instance.id)
            if task is None and instance.wanted and instance.start_at <= time.time():
                variant = variant_of(document, instance)
                home.backend.start([task_spec(home, document, variant, instance.id, self._credentials_seconds)])
                task = home.backend.inspect(instance.id)
            if task is not None:
                of = {"EndpointName": document.name, "VariantName": instance.variant}
                stream = f"{instance.variant}/{stream_of(instance)}"
                measured = Measured(document.region, LOG_GROUP, of, of, elsewhere=_OF_INVOCATIONS, by_container=True)
                collect(home, task, f"{LOG_GROUP}/{document.name}", stream, measured)
                yield instance.id, task

    def _settle(self, home: Home, document: Document, observed: Observations) -> float | None:
        """Tell the routers, store what became of the endpoint, and end what is no longer needed, in this order."""
        now = time.time()
        kept = advanced(document, observed, now)
        settled = serverless.after_failures(with_instances(document, kept), document, observed, now)
        settled = serverless.stood_up(settled, now)
        serving = Counter((each.fleet, each.variant) for each in kept if each.serving)
        if not serverless.is_leaving(settled):
            settled = deployments.move(settled, serving, self._max_instances, now)
        self._routes.put(document.region, route_of(settled, addresses_of(settled, observed)))
        if settled != document:
            settled = _store(home, settled, touch=settled.status != document.status)
        if settled.status != document.status:
            log.info("endpoint changed", endpoint=document.name, status=settled.status)
        hurried = self._demand.hurried(settled, instances_of(settled), now)
        left = retirement.end_due(home.backend, hurried, observed, now)
        if left != instances_of(settled):
            settled = _store(home, with_instances(settled, left), touch=False)
        if settled.status == "InService":
            self._expect(home, settled, now)
        if serverless.is_asleep(settled):
            return serverless.ASLEEP_LOOK_SECONDS
        at_rest = settled.status == "InService" and all(each.serving for each in kept if each.wanted)
        return SERVING_LOOK_SECONDS if at_rest else STARTING_LOOK_SECONDS

    def _expect(self, home: Home, document: Document, now: float) -> None:
        """Say to the backend every now and then what it may soon have to start."""
        if now < self._expected.get(document.arn, 0.0):
            return
        self._expected[document.arn] = now + EXPECT_SECONDS
        for variant in document.body["_fleet"]["variants"]:
            if variant.get("container"):
                home.backend.expect(task_spec(home, document, variant, "", self._credentials_seconds))

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
        ending = with_instances(document, [fleet.dismiss(each, now) for each in instances_of(document)])
        left = retirement.end_due(home.backend, instances_of(ending), dict(self._observe(home, ending)), now)
        if left or not deleted:
            if left != instances_of(document):
                _store(home, with_instances(document, left), touch=False)
            return retirement.look_seconds(left, now) if left else None
        with home.store.write() as tx:
            tx.delete(KIND, document.region, document.key)
        self._demand.forget(document)
        self._expected.pop(document.arn, None)
        log.info("endpoint deleted", endpoint=document.name)
        return None


def _first_route(document: Document) -> EndpointRoute:
    """The route of an endpoint before anybody has looked where its model servers listen."""
    return EndpointRoute(document.name, "Failed") if document.status == "Failed" else route_of(document, {})


def variant_of(document: Document, instance: Instance) -> dict[str, Any]:
    """What an instance serves."""
    fleets = [document.body["_fleet"], document.body.get("_next") or {"id": None}]
    present = next(each for each in fleets if each["id"] == instance.fleet)
    return next(each for each in present["variants"] if each["name"] == instance.variant)


def stream_of(instance: Instance) -> str:
    """What an instance is called in the name of its log stream."""
    return f"i-{instance.id.removeprefix(fleet.TASK_PREFIX)[:17]}"


def collect(home: Home, task: TaskObservation, group: str, stream: str, measured: Measured) -> None:
    """Take in what a model server has printed and measured; all of it, if it has ended."""
    first = task.containers[0] if task.containers else ""
    while tasks.collect_log(home, task.id, measured.region, group, stream, first) and is_over(task):
        pass
    while collect_metrics(home, task.id, measured) and is_over(task):
        pass


def task_spec(
    home: Home, document: Document, variant: dict[str, Any], task_id: str, credentials_seconds: float
) -> TaskSpec:
    """What the node agent is to do for one model server.

    Args:
        document: whose model server it is.
        variant: what it is to serve, as the document has it.
    """
    container = variant["container"]
    several = [_model_container(each, variant) for each in variant.get("containers") or ()]
    own = {} if several else _own_variables(container, variant)
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
        id=task_id,
        model_data=None if is_multi_model(container) else model_data(container),
        models=_models(container),
        code=source_archive(own),
        containers=several,
        resources=serverless_variants.resources_of(variant)
        if variant.get("serverless")
        else _resources([container["Image"], *(each.image for each in several)], variant["instance_type"]),
        volume_size_bytes=variant["volume_gb"] << 30 if variant.get("volume_gb") else None,
        startup_timeout_seconds=variant["startup_timeout_seconds"] or DEFAULT_STARTUP_TIMEOUT_SECONDS,
    )


def asynchronous_defaults(own: dict[str, str]) -> dict[str, str]:
    """What a model server of ours takes for granted where requests are large and take long: the limits of
    asynchronous inference, unless its user says otherwise.

    Args:
        own: what the user says.
    """
    if "SAGEMAKER_MODEL_SERVER_TIMEOUT" in own:
        return {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "1024"}
    return {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "1024", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "3600"}


def _models(container: dict[str, Any]) -> Models | None:
    """What the model servers of a multi-model container load at demand, None for any other one."""
    if not is_multi_model(container):
        return None
    setting = (container.get("MultiModelConfig") or {}).get("ModelCacheSetting")
    return Models(container["ModelDataUrl"], cached=setting != "Disabled")


def _own_variables(container: dict[str, Any], variant: dict[str, Any]) -> dict[str, str]:
    own = dict(container.get("Environment") or {})
    return {**asynchronous_defaults(own), **own} if variant.get("asynchronous") else own


def _model_container(container: dict[str, Any], variant: dict[str, Any]) -> ModelContainer:
    return model_container(container, _own_variables(container, variant))


def model_container(container: dict[str, Any], own: dict[str, str]) -> ModelContainer:
    """One of several containers of a model, which has its name.

    Args:
        own: its variables.
    """
    return ModelContainer(
        container["ContainerHostname"], container["Image"], model_data(container), source_archive(own), own
    )


def source_archive(environment: Mapping[str, str]) -> str | None:
    """Where the code lies that a container is to unpack, None if it needs none from elsewhere."""
    code = environment.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    return code if code.startswith("s3://") else None


def _resources(images: Sequence[str], instance_type: str) -> Resources:
    """What a model server may use: what its instance type has, GPUs if it is an image of the user's: ours need none."""
    of_instance = resources_of(instance_type)
    return of_instance if any(map(_is_users, images)) else replace(of_instance, gpus=0)


def _is_users(image: str) -> bool:
    try:
        resolve(image)
    except NotOurs:
        return True
    except ImageNotRunnable:
        pass
    return False


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
