"""Instance types as sizes: how many vCPUs, how much memory, how many GPUs an `ml.` type has at AWS.

Most families follow a rule: the size says the vCPUs, the family how much memory there is for each. What does not follow
stands in a table. Source: https://aws.amazon.com/ec2/instance-types/ and
https://docs.aws.amazon.com/ec2/latest/instancetypes/ (July 2026).
"""

import re
from dataclasses import dataclass
from functools import cache

from sagesmith.compute.base import Resources

_SIZE = re.compile(r"ml\.([a-z0-9-]+)\.(?:(medium|large)|(\d*)xlarge)")
_SMALL = {"medium": 1, "large": 2}

# GiB of memory for each vCPU: a family's own, or else that of its first letter.
_MEMORY = {"c": 2.0, "m": 4.0, "r": 8.0, "t": 4.0, "g": 4.0, "i": 4.0}
_FAMILY_MEMORY = {"c4": 1.875, "c5n": 2.625, "g6e": 8.0, "g7e": 8.0, "inf1": 2.0, "trn1": 4.0, "trn1n": 4.0}

# GPUs of a size, where a family has any; all other sizes of it have one.
_GPUS = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}
_WITH_GPUS = frozenset({"g4dn", "g5", "g6", "g6e", "g7", "g7e"})

# vCPUs, GiB, GPUs that CUDA knows.
_OTHERS: dict[str, tuple[int, float, int]] = {
    "ml.t2.medium": (2, 4, 0),
    "ml.t2.xlarge": (4, 16, 0),
    "ml.t2.2xlarge": (8, 32, 0),
    "ml.t3.medium": (2, 4, 0),
    "ml.c5n.18xlarge": (72, 192, 0),
    "ml.g7.8xlarge": (32, 128, 2),
    "ml.g7e.12xlarge": (48, 512, 2),
    "ml.g7e.24xlarge": (96, 1024, 4),
    "ml.g7e.48xlarge": (192, 2048, 8),
    "ml.p2.xlarge": (4, 61, 1),
    "ml.p2.8xlarge": (32, 488, 8),
    "ml.p2.16xlarge": (64, 732, 16),
    "ml.p3.2xlarge": (8, 61, 1),
    "ml.p3.8xlarge": (32, 244, 4),
    "ml.p3.16xlarge": (64, 488, 8),
    "ml.p3dn.24xlarge": (96, 768, 8),
    "ml.p4d.24xlarge": (96, 1152, 8),
    "ml.p4de.24xlarge": (96, 1152, 8),
    "ml.p5.4xlarge": (16, 256, 1),
    "ml.p5.48xlarge": (192, 2048, 8),
    "ml.p5e.48xlarge": (192, 2048, 8),
    "ml.p5en.48xlarge": (192, 2048, 8),
    "ml.p6-b200.48xlarge": (192, 2048, 8),
    "ml.p6-b300.48xlarge": (192, 4096, 8),
    "ml.p6e-gb200.36xlarge": (144, 960, 4),
    "ml.dl1.24xlarge": (96, 768, 0),
    "ml.trn2.48xlarge": (192, 2048, 0),
}


@dataclass(frozen=True, slots=True)
class InstanceSize:
    vcpus: int
    memory_gib: float
    gpus: int = 0


@cache
def size_of(instance_type: str) -> InstanceSize | None:
    """The size of an instance type such as `ml.m5.xlarge`, None if it is not known."""
    if instance_type in _OTHERS:
        return InstanceSize(*_OTHERS[instance_type])
    match = _SIZE.fullmatch(instance_type)
    if match is None:
        return None
    family, small, times = match.groups()
    vcpus = _SMALL[small] if small else 4 * int(times or 1)
    memory = _FAMILY_MEMORY.get(family, _MEMORY.get(family[0]))
    if memory is None:
        return None
    gpus = _GPUS.get(instance_type.rpartition(".")[2], 1) if family in _WITH_GPUS else 0
    return InstanceSize(vcpus, memory * vcpus, gpus)


def resources_of(instance_type: str) -> Resources:
    """What a task on an instance of this type may use; the node takes what it does not have off it."""
    size = size_of(instance_type)
    if size is None:
        return Resources()
    return Resources(size.vcpus, int(size.memory_gib * 2**30), size.gpus)
