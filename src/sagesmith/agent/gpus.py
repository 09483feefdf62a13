"""Which GPUs of this machine are a task's.

A backend that gives out GPUs itself names them in `CUDA_VISIBLE_DEVICES`, in the agent's own environment. Otherwise an
agent holds a lock on a file for each of its GPUs, which ends with it whatever happens. There is no waiting: where fewer
are free than the instance type has, the task shares the others.
"""

import fcntl
import os
from pathlib import Path

_DEVICES = Path("/dev")
_COMMON = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps")


def present() -> list[int]:
    """The GPUs that there are, by number."""
    return sorted(int(path.name[6:]) for path in _DEVICES.glob("nvidia[0-9]*") if path.name[6:].isdecimal())


def take(count: int, locks: Path) -> list[str]:
    """The GPUs of a task that wants so many, as `CUDA_VISIBLE_DEVICES` names them; none if there are none.

    The locks are held until this process ends.

    Args:
        locks: a directory that all agents of this machine share.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if count == 0:
        return []
    if given is not None:
        return [each for each in given.split(",") if each][:count]
    numbers = present()
    if not numbers:
        return []
    locks.mkdir(parents=True, exist_ok=True)
    free: list[int] = []
    for number in numbers:
        if len(free) < count and _lock(locks / f"{number}.lock"):
            free.append(number)
    shared = [number for number in numbers if number not in free]
    return [str(number) for number in sorted((free + shared)[:count])]


def devices(gpus: list[str]) -> list[Path]:
    """The device files that a task with these GPUs needs, those that are there."""
    if not gpus:
        return []
    names = [*(f"nvidia{each}" for each in gpus if each.isdecimal()), *_COMMON]
    return [path for name in names if (path := _DEVICES / name).exists()]


def _lock(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True
