"""Where copies of inference components go: an instance has what its type has, and they are placed until that is used.

An instance that holds copies is no process, it is a number (a host) and a size; the copies are processes. Pure
functions of values.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-deploy-models.html
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sagesmith.compute.instances import size_of

BINPACK, SPREAD = "BINPACK", "SPREAD"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a copy takes of its instance, or what an instance has.

    Attributes:
        memory_mb: in MiB, as the API's `Mb` is.
        gpus: whole ones; the API's type for them is a float.
    """

    cpus: float
    memory_mb: float
    gpus: float

    def fits(self, into: "Needs") -> bool:
        """Whether it fits into what is free."""
        return self.cpus <= into.cpus and self.memory_mb <= into.memory_mb and self.gpus <= into.gpus

    def less(self, other: "Needs") -> "Needs":
        """What is left when another takes its part; below zero where it takes more than there is."""
        return Needs(self.cpus - other.cpus, self.memory_mb - other.memory_mb, self.gpus - other.gpus)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that has its place.

    Attributes:
        component: the key of the inference component that it is of.
    """

    component: str
    host: int
    needs: Needs


_UNKNOWN = Needs(float("inf"), float("inf"), float("inf"))


def whole(instance_type: str) -> Needs:
    """What an instance of this type has; of a type that nobody knows as much as anybody asks for."""
    size = size_of(instance_type)
    return _UNKNOWN if size is None else Needs(size.vcpus, size.memory_gib * 1024, size.gpus)


def hosts_of(variant: Mapping[str, Any]) -> list[int]:
    """The instances of a variant as an endpoint's document has it, by number: those that are told, and as many more as
    its count says. Where it says fewer the last ones are gone."""
    kept: list[int] = list(variant.get("hosts") or ())[: variant["count"]]
    return kept + _unused(kept, variant["count"] - len(kept))


def with_host(hosts: list[int], held: Collection[int]) -> list[int]:
    """The hosts and one more.

    Args:
        held: the hosts of copies, gone ones too: who has not looked yet would take a new one of that number for them.
    """
    return hosts + _unused([*hosts, *held], 1)


def choose(instance_type: str, hosts: Iterable[int], copies: Iterable[Copy], asks: Copy, strategy: str) -> int | None:
    """The host for one more copy; None if there is room on none.

    Args:
        copies: all that have their place on these hosts, of whatever component.
        asks: the copy; its host does not matter.
        strategy: BINPACK fills the fullest host first, SPREAD takes one that has the fewest copies of the component.
    """
    present = list(copies)
    found: list[tuple[float, float, float, int]] = []
    for host in hosts:
        free = free_on(instance_type, host, present)
        if asks.needs.fits(free):
            same = sum(each.host == host and each.component == asks.component for each in present)
            filled = (free.cpus, free.memory_mb) if strategy == BINPACK else (-free.cpus, -free.memory_mb)
            found.append((same if strategy == SPREAD else 0, *filled, host))
    return min(found)[-1] if found else None


def free_on(instance_type: str, host: int, copies: Iterable[Copy]) -> Needs:
    """What copies leave free of a host."""
    free = whole(instance_type)
    for each in copies:
        if each.host == host:
            free = free.less(each.needs)
    return free


def _unused(hosts: Iterable[int], count: int) -> list[int]:
    """So many of the smallest numbers that are none of `hosts`."""
    taken, number = set(hosts), 0
    found: list[int] = []
    while len(found) < count:
        if number not in taken:
            found.append(number)
        number += 1
    return found
