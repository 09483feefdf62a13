"""How much of a cluster's nodes a task's host reserves: its instance's size, clamped to what there is."""

from collections.abc import Sequence
from dataclasses import dataclass

from sagesmith.compute.base import TaskSpec
from sagesmith.config import RayStrategy

Bundle = dict[str, float]
"""Amounts by Ray's name of a resource: `CPU`, `GPU`, `memory` (bytes)."""


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
    parts = slots or 1
    alone = strategy == "STRICT_SPREAD"
    count = len(specs)
    cpu_share = _share([node.cpus / parts for node in nodes for _ in range(parts)], count, alone)
    memory_share = _share([node.memory_bytes / parts for node in nodes for _ in range(parts)], count, alone)
    gpu_share = _share([node.gpus for node in nodes], count, alone)
    return [_bundle(spec, cpu_share, memory_share, gpu_share) for spec in specs]


def _bundle(spec: TaskSpec, cpus: float, memory_bytes: float, gpus: float) -> Bundle:
    wanted = spec.resources
    bundle: Bundle = {"CPU": _rounded(min(wanted.cpus or 1, cpus))}
    if wanted.memory_bytes:
        bundle["memory"] = float(int(min(wanted.memory_bytes, memory_bytes)))
    if wanted.gpus and gpus >= 1:
        bundle["GPU"] = float(min(wanted.gpus, int(gpus)))
    return bundle


def _share(capacities: Sequence[float], count: int, alone: bool) -> float:
    """The most that each of `count` equal parts may have so that all fit on nodes of these capacities at once.

    Args:
        alone: whether no two may be on one node.
    """
    able = sorted((each for each in capacities if each > 0), reverse=True)
    if not able:
        return 0.0
    if alone:
        return able[min(count, len(able)) - 1]
    candidates = sorted({each / k for each in able for k in range(1, count + 1)}, reverse=True)
    return next(size for size in candidates if sum(int(each / size + 1e-9) for each in able) >= count)


def _rounded(cpus: float) -> float:
    """Down to what Ray can count, ten-thousandths."""
    return int(cpus * 10_000) / 10_000
