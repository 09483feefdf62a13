"""How much of a cluster's nodes a task's host reserves: its instance's size, clamped to what there is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sagesmith.compute.base import Resources, TaskSpec
from sagesmith.config import RayStrategy

Bundle = dict[str, float]
"""Amounts by Ray's name of a resource: `CPU`, `GPU`, `memory` (bytes)."""

_LEAST_CPUS = 0.0001


@dataclass(frozen=True, slots=True)
class Node:
    """A living node of the cluster, as it is when nothing runs there."""

    id: str
    cpus: float
    memory_bytes: float
    gpus: float


class NeverFits(Exception):
    """A gang that could wait for ever; the message says what is missing."""


def bundles(specs: Sequence[TaskSpec], nodes: Sequence[Node], strategy: RayStrategy, slots: int | None) -> list[Bundle]:
    """What to reserve for each task of a gang.

    A job never waits for more than there is: each host is clamped to a node, and hosts that do not fit beside each
    other share. So a job for a machine that nobody has runs on the one that there is, as it does without Ray.

    Args:
        nodes: those that can take tasks; not empty.
        slots: into how many parts the one machine is divided, where the platform's own line decides how many hosts run
            at once; then a model server, which does not stand in that line, reserves nothing. None: sizes count as
            they are.

    Raises:
        NeverFits: the strategy asks for more nodes than there are, or for GPUs where there are none.
    """
    if strategy == "STRICT_SPREAD" and len(specs) > len(nodes):
        raise NeverFits(
            f"the job has {len(specs)} instances, each on a node of its own (STRICT_SPREAD), and the cluster has "
            f"{len(nodes)} nodes"
        )
    if slots is not None and all(spec.kind == "serve" for spec in specs):
        return [{} for _ in specs]
    places = [place for node in nodes for place in _parts(node, slots or 1)]
    return [_largest(spec.resources, len(specs), places, strategy) for spec in specs]


def _largest(wanted: Resources, count: int, places: Sequence[Node], strategy: RayStrategy) -> Bundle:
    """The largest bundle, up to what is wanted, of which so many fit at once.

    What could be the largest is a whole fraction of some node: its CPUs, its memory and its GPUs together, for what
    one node has of the one and another of the other fits on neither.
    """
    fractions = range(1, 2 if strategy == "STRICT_SPREAD" else count + 1)
    possible = [_clamped(wanted, _part(place, each)) for place in places for each in fractions]
    return max(
        (bundle for bundle in possible if _holds(bundle, count, places, strategy)),
        key=lambda bundle: (bundle.get("GPU", 0), bundle["CPU"], bundle.get("memory", 0)),
    )


def _holds(bundle: Bundle, count: int, places: Sequence[Node], strategy: RayStrategy) -> bool:
    """Whether so many bundles fit on the places at once, as the strategy wants them."""
    fits = [
        min(
            int(has / wants + 1e-9)
            for has, wants in (
                (place.cpus, bundle["CPU"]),
                (place.memory_bytes, bundle.get("memory", 0)),
                (place.gpus, bundle.get("GPU", 0)),
            )
            if wants > 0
        )
        for place in places
    ]
    return sum(min(each, 1) if strategy == "STRICT_SPREAD" else each for each in fits) >= count


def _clamped(wanted: Resources, place: Node) -> Bundle:
    bundle: Bundle = {"CPU": max(_rounded(min(wanted.cpus or 1, place.cpus)), _LEAST_CPUS)}
    if wanted.memory_bytes:
        bundle["memory"] = float(int(min(wanted.memory_bytes, place.memory_bytes)))
    if wanted.gpus and place.gpus >= 1:
        bundle["GPU"] = float(min(wanted.gpus, int(place.gpus)))
    return bundle


def _parts(node: Node, count: int) -> list[Node]:
    """A node in equal parts; its GPUs, which have no parts, are all of the first: whoever needs them waits for them."""
    part = _part(node, count)
    return [replace(part, gpus=0.0 if number else node.gpus) for number in range(count)]


def _part(node: Node, parts: int) -> Node:
    return Node(node.id, node.cpus / parts, node.memory_bytes / parts, node.gpus // parts)


def _rounded(cpus: float) -> float:
    """Down to what Ray can count, ten-thousandths."""
    return int(cpus * 10_000) / 10_000
