"""The life of an inference experiment: its endpoint gets a shadow variant, and afterwards what it is to have.

The endpoint is changed as UpdateEndpoint changes it, so that no request is dropped. What was asked of it is stored in
the transaction that asks (`_deploying`), so that a crash asks nothing twice; what it was before is kept in the
experiment's document (`_former`), so that it comes back although its configuration may have been deleted meanwhile.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-complete.html
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sagesmith import logging
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.endpoint_configs import ENDPOINT_CONFIG
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.engine import Call, changed
from sagesmith.services.sagemaker.inference_experiments import (
    ENDED,
    ENDING,
    EXPERIMENT,
    FORMER,
    IN_USE,
    RESTS_IN,
    deployed,
    other_on,
)
from sagesmith.services.sagemaker.on_behalf import call_for
from sagesmith.services.sagemaker.shadow_configs import CONFIGS, final_config, former_config, test_config
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError, ConflictException

KIND = EXPERIMENT.id
LOOK_SECONDS = 0.1
RUNNING_LOOK_SECONDS = 5.0
"""How soon it is noticed that a running experiment's endpoint was deleted, or updated by somebody else."""

_DEPLOYING, _DEPLOYED = "_deploying", "_deployed"
_UPDATE = "UpdateEndpoint"
_UNDER_WAY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})

log = logging.get("shadow-tests")


@dataclass(frozen=True, slots=True)
class _Look:
    """An experiment and its endpoint, which may be gone, at one time (seconds since the epoch)."""

    document: Document
    endpoint: Document | None
    now: float

    @property
    def body(self) -> Mapping[str, Any]:
        return self.document.body


@dataclass(frozen=True, slots=True)
class _Deployment:
    """How far the endpoint is on its way to a configuration: the experiment's document after this step, and why it
    cannot get there."""

    state: Literal["going", "done", "failed"]
    document: Document
    reason: str = ""


class ShadowTestReconciler:
    """Begins and ends inference experiments, each by its schedule or earlier."""

    kind = KIND

    def recover(self, home: Home) -> None:
        """Look at every experiment that has not ended."""
        with home.store.write() as tx:
            for document in tasks.all_documents(tx, KIND):
                if document.status not in ENDED:
                    tx.schedule(KIND, document.region, document.key, time.time())

    def step(self, home: Home, document: Document) -> float | None:
        """Bring the experiment one step on."""
        if document.status in ENDED:
            return None
        with home.store.read() as tx:
            endpoint = tx.get(ENDPOINT.id, document.region, document.body["_endpoint"])
        return _STEPS[document.status](home, _Look(document, endpoint, time.time()))


def _create(home: Home, look: _Look) -> float | None:
    """An experiment waits for an endpoint that is being made."""
    if reason := _unusable(look):
        return _end(home, look.document, "Cancelled", reason)
    if look.endpoint is None or look.endpoint.status != "InService":
        return LOOK_SECONDS
    return _move(home, look.document, "Created")


def _wait(home: Home, look: _Look) -> float | None:
    """An experiment that was created begins at its time."""
    seconds = float(look.body["Schedule"]["StartTime"]) - look.now
    return seconds if seconds > 0 else _move(home, look.document, "Starting")


def _start(home: Home, look: _Look) -> float | None:
    deployment = _deploy(home, look, "test", test_config)
    if deployment.state == "failed":
        return _end(home, deployment.document, "Cancelled", f"The experiment did not start. {deployment.reason}")
    return _running(home, deployment)


def _run(home: Home, look: _Look) -> float | None:
    if reason := _unusable(look):
        return _end(home, look.document, "Cancelled", reason)
    endpoint = look.endpoint
    if endpoint is not None and endpoint.status == "InService":
        config = endpoint.body["EndpointConfigName"]
        if config != look.body[_DEPLOYED]["config"]:
            return _end(home, look.document, "Cancelled", f"The endpoint was updated to {config} by somebody else.")
    left = float(look.body["Schedule"]["EndTime"]) - look.now
    if left > 0:
        return min(left, RUNNING_LOOK_SECONDS)
    return _move(home, _with(look.document, **{ENDING: {"status": "Completed"}}), "Stopping")


def _update(home: Home, look: _Look) -> float | None:
    if look.body[RESTS_IN] == "Created":
        return _move(home, look.document, "Created")
    if _DEPLOYING not in look.body and deployed(look.body) == look.body[_DEPLOYED]["members"]:
        return _move(home, look.document, "Running")
    deployment = _deploy(home, look, "test", test_config)
    if deployment.state == "failed":
        kept = _with(deployment.document, **look.body[_DEPLOYED]["members"], StatusReason=deployment.reason)
        return _move(home, kept, "Running")
    return _running(home, deployment)


def _stop(home: Home, look: _Look) -> float | None:
    """The endpoint gets what is to be left of the variants; if it cannot, it gets back what it had."""
    ending = look.body[ENDING]
    if FORMER not in look.body or look.endpoint is None:
        return _end(home, look.document, ending["status"], _unusable(look))
    variants = ending.get("variants")
    deployment = _deploy(home, look, "end", final_config if variants else former_config)
    if deployment.state == "done":
        return _end(home, deployment.document, ending["status"], ending.get("reason", ""))
    if deployment.state == "going":
        return LOOK_SECONDS
    if variants is None:
        return _end(home, deployment.document, "Cancelled", f"The endpoint stays as it is. {deployment.reason}")
    reason = f"The endpoint has its former variants again. {deployment.reason}"
    document = _with(deployment.document, **{ENDING: {"status": "Cancelled", "reason": reason}})
    return _store(home, document)


_STEPS: Mapping[str, Callable[[Home, _Look], float | None]] = {
    "Creating": _create,
    "Created": _wait,
    "Starting": _start,
    "Running": _run,
    "Updating": _update,
    "Stopping": _stop,
}


def _unusable(look: _Look) -> str:
    """Why nothing more can be done with the endpoint, empty if it can."""
    name = look.body["EndpointName"]
    if look.endpoint is None or look.endpoint.status == "Deleting":
        return f"Endpoint {name} was deleted."
    return f"Endpoint {name} is Failed." if look.endpoint.status == "Failed" else ""


def _running(home: Home, deployment: _Deployment) -> float | None:
    """What follows while the endpoint goes to a configuration with a shadow, and once it is there."""
    document = deployment.document
    if deployment.state == "going":
        return LOOK_SECONDS
    config = document.body[CONFIGS][-1]
    done = _with(document, **{_DEPLOYED: {"config": config, "members": deployed(document.body)}})
    return _move(home, done, "Running", keep=config)


def _deploy(
    home: Home, look: _Look, purpose: str, config_of: Callable[[Call, Document, Document], tuple[str, bool]]
) -> _Deployment:
    """Bring the endpoint to a configuration, one step.

    Args:
        purpose: what for; what is under way for another purpose is waited for first.
        config_of: makes sure that the configuration exists: of a call, the experiment and the endpoint → its name, and
            whether the endpoint's variants are to have the sizes that they had before the experiment.
    """
    document, endpoint = look.document, look.endpoint
    if reason := _unusable(look):
        return _Deployment("failed", _without(document, _DEPLOYING), reason)
    if endpoint is None or endpoint.status in _UNDER_WAY:
        return _Deployment("going", document)
    if (arrived := _arrived(document, endpoint, purpose)) is not None:
        return arrived
    try:
        with home.store.write() as tx:
            return _ask(home, tx, document, purpose, config_of)
    except AwsError as error:
        return _Deployment("failed", _without(document, _DEPLOYING), error.message)


def _arrived(document: Document, endpoint: Document, purpose: str) -> _Deployment | None:
    """What came of asking an endpoint, which is in service, for a configuration; None if it was not asked yet."""
    over, config = _without(document, _DEPLOYING), endpoint.body["EndpointConfigName"]
    asked = document.body.get(_DEPLOYING)
    if asked is not None and asked["purpose"] == purpose:
        if config == asked["config"]:
            return _Deployment("done", over)
        return _Deployment("failed", over, str(endpoint.body.get("FailureReason") or f"It was updated to {config}."))
    is_back = purpose == "end" and "variants" not in document.body[ENDING] and config == document.body[FORMER]["config"]
    return _Deployment("done", over) if is_back else None


def _ask(
    home: Home,
    tx: Transaction,
    document: Document,
    purpose: str,
    config_of: Callable[[Call, Document, Document], tuple[str, bool]],
) -> _Deployment:
    """Update the endpoint, and note in the same transaction that it was asked to."""
    endpoint = tx.lock(ENDPOINT.id, document.region, document.body["_endpoint"], exclusive=True)
    if endpoint is None or endpoint.status != "InService":
        return _Deployment("going", document)
    call = call_for(home, tx, document, _UPDATE)
    if FORMER not in document.body:
        if other := other_on(tx, document):
            raise ConflictException(IN_USE.format(name=endpoint.name, arn=other.arn))
        document = _with(document, **{FORMER: _as_it_is(call, endpoint)})
    config, resized = config_of(call, document, endpoint)
    sizes = document.body[FORMER]["sizes"] if resized else {}
    changed(call, ENDPOINT, _UPDATE, endpoint, {"EndpointConfigName": config}, _updater(sizes))
    configs = [*document.body.get(CONFIGS, ()), *([] if resized else [config])]
    document = _with(document, **{_DEPLOYING: {"config": config, "purpose": purpose}, CONFIGS: configs})
    return _Deployment("going", _put(tx, document))


def _updater(sizes: Mapping[str, Params]) -> Callable[[Call, Document, Params], Document]:
    """UpdateEndpoint, whose variants get these weights and counts, by their names."""

    def update(call: Call, document: Document, params: Params) -> Document:
        made = ENDPOINT.changes[_UPDATE](call, document, params)
        coming = made.body["_next"]
        variants = [{**each, **sizes.get(each["name"], {})} for each in coming["variants"]]
        return replace(made, body={**made.body, "_next": {**coming, "variants": variants}})

    return update


def _as_it_is(call: Call, endpoint: Document) -> Params:
    """What brings an endpoint back to what it is now."""
    name = endpoint.body["EndpointConfigName"]
    config = ENDPOINT_CONFIG.find(call.tx, call.context, name).body
    sizes = {each["name"]: {of: each[of] for of in ("weight", "count")} for each in endpoint.body["_fleet"]["variants"]}
    return {"config": name, "body": config, "sizes": sizes}


def _end(home: Home, document: Document, status: str, reason: str = "") -> float | None:
    """Store the last status, and remove the configurations that were made for the experiment alone."""
    now = time.time()
    schedule = {**document.body["Schedule"], "EndTime": now}
    body: Params = {
        "CompletionTime": now,
        "Schedule": schedule if _DEPLOYED in document.body else document.body["Schedule"],
    }
    if reason:
        body["StatusReason"] = reason[: tasks.MAX_FAILURE_REASON]
    log.info("inference experiment ended", name=document.name, status=status, reason=reason)
    return _move(home, _with(document, **body), status)


def _move(home: Home, document: Document, status: str, keep: str = "") -> float | None:
    """Store an experiment in another status, less the configurations that the endpoint does not have."""
    with home.store.write() as tx:
        endpoint = tx.get(ENDPOINT.id, document.region, document.body["_endpoint"])
        used = {keep, endpoint.body["EndpointConfigName"] if endpoint else ""}
        if endpoint is not None and "_next" in endpoint.body:
            used.add(endpoint.body["_next"]["config"])
        for name in document.body.get(CONFIGS, ()):
            key = ENDPOINT_CONFIG.key(name)
            if name not in used and tx.get(ENDPOINT_CONFIG.id, document.region, key) is not None:
                tx.delete(ENDPOINT_CONFIG.id, document.region, key)
        _put(tx, replace(document, status=status))
    return None if status in ENDED else 0.0


def _store(home: Home, document: Document) -> float:
    with home.store.write() as tx:
        _put(tx, document)
    return 0.0


def _put(tx: Transaction, document: Document) -> Document:
    return tx.update(replace(document, facets=EXPERIMENT.facets(document.body)))


def _with(document: Document, **members: Any) -> Document:
    return replace(document, body={**document.body, **members})


def _without(document: Document, member: str) -> Document:
    return replace(document, body={name: value for name, value in document.body.items() if name != member})
