"""What a task may use of its node: CPU time and memory, by control groups where this machine lets us, else as well as
it goes without: the cores that its processes may run on, and a look at their memory now and then.

A batch task's processes are nice beside: whoever waits for an answer of the platform, or of a model server, does not
wait for them. The control group says it of all of them together, whatever sessions they make; without one it is said
of each process, and of the first session (`BE_BATCH`).

A user who is not root has control groups where systemd delegates them (version 2). Source: cgroups(7), sched(7),
https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sagesmith.compute.base import Resources
from sagesmith.priority import LAST

CGROUPS = Path("/sys/fs/cgroup")

_PERIOD_US = 100_000
_KEPT_FREE_BYTES = 1 << 30
_KEPT_FREE_PART = 0.1
"""Of the machine's memory tasks get all but this, or but a tenth: it must go on running whatever they do."""
_KILLED_FIRST = "500"
"""oom_score_adj: where the whole machine is out of memory, user code goes before the platform."""
_NICE = LAST
"""Of batch tasks. The kernel's weight for it is about a ninth of what a process without one has (sched(7)), which the
two below say of control groups: enough to be out of the way, and to get on beside whatever else this machine does."""
_SHARES = 110
_WEIGHT = 11
BE_BATCH = f"echo {_NICE} 2>/dev/null >/proc/self/autogroup"
"""What a shell says for its session. Where the kernel groups processes by session, how nice each is counts among them
only (sched(7), "The autogroup feature"). An ordinary user may say it ten times a second; after that it is not heard."""


@dataclass(slots=True)
class Limits:
    """The limits of one task.

    Attributes:
        memory_bytes: None if there is no limit.
        groups: the control groups that its processes are to join.
        watched: whether there is no control group for memory, so that somebody has to look.
        cores: those that it may run on; None: all.
        batch: whether its processes give way to others.
    """

    memory_bytes: int | None = None
    groups: list[Path] = field(default_factory=list)
    watched: bool = False
    cores: frozenset[int] | None = None
    batch: bool = False
    exceeded: bool = False

    def enter(self, pids: Iterable[int]) -> None:
        """Put processes under the limits; what they start is as well."""
        for pid in pids:
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/oom_score_adj").write_text(_KILLED_FIRST, encoding="ascii")
            if self.cores is not None:
                # Cores are a thread's: a program that runs already may have several.
                with contextlib.suppress(OSError):
                    for thread in Path(f"/proc/{pid}/task").iterdir():
                        os.sched_setaffinity(int(thread.name), self.cores)
            if self.batch:
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, pid, _NICE)
            for group in self.groups:
                try:
                    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
                except ProcessLookupError:
                    pass
                except OSError:
                    # We may make groups here, and not move processes into them.
                    self.watched = self.memory_bytes is not None

    def is_over(self, used_bytes: float) -> bool:
        """Whether processes that use so much memory, and whom no control group holds, are to be ended."""
        if self.watched and self.memory_bytes is not None and used_bytes > self.memory_bytes:
            self.exceeded = True
        return self.exceeded

    def ran_out_of_memory(self) -> bool:
        """Whether a process was ended because of the limit of memory."""
        return self.exceeded or any(_oom_kills(group) for group in self.groups)

    def remove(self) -> None:
        """Remove the control groups; the task's processes are gone."""
        self.exceeded = self.ran_out_of_memory()
        for group in self.groups:
            with contextlib.suppress(OSError):
                group.rmdir()


def threads(resources: Resources) -> int:
    """How many threads a program may keep busy: its vCPUs, as far as this machine has them."""
    cores = len(os.sched_getaffinity(0))
    return math.ceil(min(resources.cpus or cores, cores))


def impose(resources: Resources, name: str, record: Path, *, batch: bool = False) -> Limits:
    """Make the limits of a task, whose processes `Limits.enter` then puts under them.

    Args:
        resources: what it may use; what the node does not have is taken off.
        name: unique, safe as a file name.
        record: where to write which control groups were made.
        batch: whether its processes give way to others.
    """
    cores = sorted(os.sched_getaffinity(0))
    cpus = resources.cpus if resources.cpus is not None and resources.cpus < len(cores) else None
    memory = None if resources.memory_bytes is None else min(resources.memory_bytes, usable_memory_bytes())
    limits = Limits(memory, batch=batch)
    # A group that only limits is better than none.
    for make, weighed in ((_version_2, batch), (_version_1, batch), (_version_2, False), (_version_1, False)):
        groups = make(name, cpus, memory, weighed)
        if groups:
            limits.groups = groups
            limits.watched = memory is not None and not any(_holds_memory(each) for each in groups)
            record.write_text(json.dumps([str(each) for each in groups]), encoding="utf-8")
            return limits
    limits.watched = memory is not None
    if cpus is not None:
        first = int.from_bytes(name.encode()[-2:], "big") % len(cores)
        limits.cores = frozenset((cores[first:] + cores[:first])[: math.ceil(cpus)])
    return limits


def remove_recorded(record: Path) -> None:
    """Remove the control groups of a task whose agent did not come to do it."""
    with contextlib.suppress(OSError, ValueError):
        for group in json.loads(record.read_text(encoding="utf-8")):
            with contextlib.suppress(OSError):
                Path(group).rmdir()


def usable_memory_bytes() -> int:
    """How much memory tasks may have: the machine's, or our own control group's, less what the rest needs."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    total = min([total, *_own_limits()])
    return int(max(total * (1 - _KEPT_FREE_PART), total - _KEPT_FREE_BYTES))


def _own_limits() -> Iterator[int]:
    for controller, name in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        group = _own_group(controller)
        if group is not None:
            with contextlib.suppress(OSError, ValueError):
                yield int((group / name).read_text(encoding="ascii"))


def _own_group(controller: str) -> Path | None:
    """The directory of the control group that we are in; `controller` is empty for version 2."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            root = CGROUPS / controller if controller else CGROUPS
            return root / path.lstrip("/")
    return None


def _version_2(name: str, cpus: float | None, memory: int | None, weighed: bool) -> list[Path]:
    """A control group beside or above ours: one that has processes of its own can hand nothing on to others."""
    own = _own_group("")
    if own is None or not (CGROUPS / "cgroup.controllers").exists():
        return []
    wanted = [("memory.max", str(memory))] if memory is not None else []
    wanted += [("cpu.max", f"{int(cpus * _PERIOD_US)} {_PERIOD_US}")] if cpus is not None else []
    wanted += [("cpu.weight", str(_WEIGHT))] if weighed else []
    if not wanted:
        return []
    controllers = " ".join({f"+{file.partition('.')[0]}": None for file, _ in wanted})
    parents = [own, *(each for each in own.parents if each.is_relative_to(CGROUPS))]
    for parent in parents:
        made = _made(parent / f"sagesmith-{name}", wanted, partial(_hand_on, parent, controllers))
        if made is not None:
            return [made]
    return []


def _hand_on(parent: Path, controllers: str) -> None:
    (parent / "cgroup.subtree_control").write_text(controllers, encoding="ascii")


def _version_1(name: str, cpus: float | None, memory: int | None, weighed: bool) -> list[Path]:
    groups: list[Path] = []
    quota = [("cpu.cfs_period_us", str(_PERIOD_US)), ("cpu.cfs_quota_us", str(int(cpus * _PERIOD_US)))] if cpus else []
    for controller, values in (
        ("memory", [("memory.limit_in_bytes", str(memory))] if memory is not None else []),
        ("cpu", [*quota, *([("cpu.shares", str(_SHARES))] if weighed else [])]),
    ):
        own = _own_group(controller)
        if own is None or not values or (CGROUPS / "cgroup.controllers").exists():
            continue
        made = _made(own / f"sagesmith-{name}", values, lambda: None)
        if made is None:
            for group in groups:
                group.rmdir()
            return []
        groups.append(made)
    return groups


def _made(group: Path, values: Sequence[tuple[str, str]], prepare: Callable[[], None]) -> Path | None:
    """A new control group with these values; None, and nothing, if it cannot be made."""
    try:
        prepare()
        group.mkdir()
    except OSError:
        return None
    try:
        for file, value in values:
            (group / file).write_text(value, encoding="ascii")
    except OSError:
        group.rmdir()
        return None
    return group


def _holds_memory(group: Path) -> bool:
    return any((group / file).exists() for file in ("memory.max", "memory.limit_in_bytes"))


def _oom_kills(group: Path) -> int:
    for file in ("memory.events", "memory.oom_control"):
        with contextlib.suppress(OSError, ValueError):
            for line in (group / file).read_text(encoding="ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return 0
