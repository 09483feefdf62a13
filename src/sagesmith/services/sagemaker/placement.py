"""Gives the copies of an inference component their instances, in one transaction that holds the endpoint.

Whoever places holds the endpoint's document, so that no two components take the same room.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sagesmith.services.sagemaker import capacity, component_specs, fleet, instance_scaling
from sagesmith.services.sagemaker.capacity import Copy, Needs
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.fleet import Instance
from sagesmith.services.sagemaker.model_servers import instances_of
from sagesmith.store import Document, Transaction

NOT_ENOUGH = (
    "There is not enough hardware resources on the instances for this endpoint to create a copy of the inference "
    "component. Please update resource requirements for this inference component, remove existing inference "
    "components, or increase the number of instances for this endpoint."
)


@dataclass(frozen=True, slots=True)
class Placement:
    """
    Attributes:
        instances: the component's copies; those that have no room have no host.
        hosts: the variant's instances, None if it has them no more.
    """

    instances: list[Instance]
    hosts: list[int] | None


def is_settled(endpoint: Document, document: Document, instances: Sequence[Instance]) -> bool:
    """Whether every copy has its place already, so that nobody need look for one."""
    variant = _variant(endpoint, document)
    if variant is None or document.body["_placed_on"] != endpoint.body["_fleet"]["id"]:
        return False
    hosts = capacity.hosts_of(variant)
    return list(instances) == instances_of(document) and all(each.host in hosts for each in instances if each.wanted)


def unsettled(document: Document) -> Document:
    """A component to look for places of again: with a fleet that ends, instances that are managed may become idle."""
    return replace(document, body={**document.body, "_placed_on": None})


def place(tx: Transaction, document: Document, instances: Sequence[Instance], now: float) -> Document:
    """The component as stored, with a place for each of these copies for which there is room.

    Where the variant's instances are managed there are more of them if copies need them, and fewer if they are idle.
    """
    endpoint = tx.lock(ENDPOINT.id, document.region, document.parent, exclusive=True)
    if endpoint is None:
        return document
    variant = _variant(endpoint, document)
    others = [each for each in component_specs.components_of(tx, endpoint) if each.key != document.key]
    taken = [
        copy for each in others if each.body["VariantName"] == document.body["VariantName"] for copy in _held(each)
    ]
    placement = _placement(variant, document, instances, taken, now)
    if variant is not None and placement.hosts is not None and placement.hosts != capacity.hosts_of(variant):
        tx.update(_with_hosts(endpoint, variant["name"], placement.hosts), touch=False)
    members = {"_instances": fleet.dump(placement.instances), "_placed_on": endpoint.body["_fleet"]["id"]}
    body = {**document.body, **members}
    # A copy that waits for room is looked at again and again, and mostly nothing has become of it.
    return document if body == document.body else tx.update(replace(document, body=body), touch=False)


def leave(tx: Transaction, document: Document) -> None:
    """Give back the managed instances that a component without copies leaves idle."""
    endpoint = tx.lock(ENDPOINT.id, document.region, document.parent, exclusive=True)
    variant = _variant(endpoint, document) if endpoint is not None else None
    if endpoint is None or variant is None:
        return
    hosts = capacity.hosts_of(variant)
    others = [each for each in component_specs.components_of(tx, endpoint) if each.key != document.key]
    used = {copy.host for each in others if each.body["VariantName"] == variant["name"] for copy in _held(each)}
    left = instance_scaling.released(variant, hosts, used)
    if left != hosts:
        tx.update(_with_hosts(endpoint, variant["name"], left), touch=False)


def _placement(
    variant: dict[str, Any] | None, document: Document, instances: Sequence[Instance], taken: list[Copy], now: float
) -> Placement:
    """
    Args:
        taken: the places of the copies of other components.
    """
    hosts = [] if variant is None else capacity.hosts_of(variant)
    placed: list[Instance] = []
    copies = {(each.host, n): each for n, each in enumerate(taken)}
    held: dict[tuple[int, int], int] = {}
    for instance in sorted(instances, key=lambda each: (each.host is None, each.start_at)):
        if not instance.wanted or variant is None:
            placed.append(instance)
            continue
        own = _of_fleet(document, instance.fleet)
        asks = Copy(document.key, -1, component_specs.needs_of(own))
        spot = (instance.fleet, instance.index)
        # What takes a copy's place, a day before its credentials end, has it together with it.
        host = held.get(spot)
        if host is None and instance.host in hosts and _has_room(variant, instance.host, copies.values(), asks.needs):
            host = instance.host
        if host is None:
            host = capacity.choose(variant["instance_type"], hosts, copies.values(), asks, own["strategy"])
        if host is None and asks.needs.fits(capacity.whole(variant["instance_type"])):
            more = instance_scaling.grown(variant, hosts, {each.host for each in taken})
            host, hosts = (None, hosts) if more is None else (more[-1], more)
        if host is not None and spot not in held:
            held[spot] = host
            copies[host, len(copies)] = replace(asks, host=host)
        placed += _moved(instance, host, now)
    if variant is None:
        return Placement(placed, None)
    waiting = any(each.wanted and each.host is None for each in placed)
    used = {each.host for each in copies.values()}
    return Placement(placed, hosts if waiting else instance_scaling.released(variant, hosts, used))


def _moved(instance: Instance, host: int | None, now: float) -> list[Instance]:
    """A copy on its host. All instances are on this machine, so that it need not be started again on another one; one
    that loses its place is ended, and another waits for room in its stead."""
    if host is None and instance.host is not None:
        waiting = replace(fleet.successor(instance, now), attempt=instance.attempt, host=None)
        return [fleet.retire(instance, now), waiting]
    return [replace(instance, host=host)]


def _has_room(variant: dict[str, Any], host: int | None, copies: Any, needs: Needs) -> bool:
    return host is not None and needs.fits(capacity.free_on(variant["instance_type"], host, copies))


def _held(component: Document) -> Iterator[Copy]:
    """The places that a component's copies have; what is being ended has none."""
    spots = {
        (each.fleet, each.index): each.host
        for each in instances_of(component)
        if each.wanted and each.host is not None and component.status not in ("Deleting", "Failed")
    }
    for (number, _), host in spots.items():
        yield Copy(component.key, host, component_specs.needs_of(_of_fleet(component, number)))


def _of_fleet(component: Document, number: int) -> dict[str, Any]:
    """What a component's fleet serves."""
    fleets = [component.body["_fleet"], component.body.get("_next") or {"id": None}]
    found: dict[str, Any] = next(each for each in fleets if each["id"] == number)["variants"][0]
    return found


def _variant(endpoint: Document, component: Document) -> dict[str, Any] | None:
    named = component.body["VariantName"]
    return next((each for each in component_specs.component_variants(endpoint) if each["name"] == named), None)


def _with_hosts(endpoint: Document, name: str, hosts: list[int]) -> Document:
    present = endpoint.body["_fleet"]
    variants = [
        {**each, "hosts": hosts, "count": len(hosts)} if each["name"] == name else each for each in present["variants"]
    ]
    return replace(endpoint, body={**endpoint.body, "_fleet": {**present, "variants": variants}})
