"""How busy a task keeps its host: CPU, memory, disk and GPUs, as the instances' metrics at AWS show it.

Sampled every few seconds, written once a minute and at the task's end. Source:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html ("jobs metrics"): percent, of the CPU and of
GPUs for each one of them, so that two busy cores are 200.
"""

import contextlib
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sagesmith.agent.metrics import MetricFile
from sagesmith.compute.base import Resources

INTERVAL_SECONDS = 5.0
FIRST_SECONDS = 0.05
"""A task may be over before the first interval is, so it is looked at early, and after ever longer pauses."""
_COST = 100
"""A look at thousands of processes takes its time; it is taken at most one part in so many."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_GPU_QUERY = ["--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits"]

Processes = Callable[[], Iterable[int]]
"""The pids of a task's processes that run now."""


class Usage:
    """Samples one task. Main thread only.

    Args:
        file: where to write.
        processes: those of the sandbox.
        resources: what the task may use; percent of memory are of this, or else of all there is.
        disk: a directory on the disk that the task works on.
        gpus: the GPUs that are the task's, as `CUDA_VISIBLE_DEVICES` names them.
    """

    def __init__(
        self, file: MetricFile, processes: Processes, resources: Resources, disk: Path, gpus: str = ""
    ) -> None:
        self._file = file
        self._processes = processes
        self._memory_bytes = resources.memory_bytes or os.sysconf("SC_PHYS_PAGES") * _PAGE
        self._disk = disk
        self._gpus = _Gpus(gpus) if gpus else None
        self._minute = 0
        self._found: dict[str, list[float]] = defaultdict(list)
        self._unfinished: Mapping[str, float] = {}
        self._any = False
        self._began = time.monotonic()
        self._cpu_before = 0.0
        self._pause = FIRST_SECONDS
        self._next = self._began + self._pause

    def tick(self) -> float:
        """Take a sample if it is time for one; in how many seconds that will be next."""
        now = time.monotonic()
        if now >= self._next:
            self._sample(now)
            took = time.monotonic() - now
            end = self._began + INTERVAL_SECONDS
            self._pause = max(min(self._pause * 2, end - now), took * _COST)
            self._next = now + self._pause
        return self._next - now

    def end(self) -> None:
        """Write what is left: of a task that did not live for one interval, what was seen of it."""
        if not self._any:
            self._keep(self._unfinished or {"DiskUtilization": _disk_percent(self._disk)})
        self._flush()
        if self._gpus is not None:
            self._gpus.end()

    def _sample(self, now: float) -> None:
        cpu_seconds, memory_bytes = of_processes(self._processes())
        # A process whose parent does not wait for it takes what it used with it.
        cpu_seconds = max(cpu_seconds, self._cpu_before)
        found = {
            "CPUUtilization": 100 * (cpu_seconds - self._cpu_before) / max(now - self._began, 0.001),
            "MemoryUtilization": 100 * memory_bytes / self._memory_bytes,
            "DiskUtilization": _disk_percent(self._disk),
            **(self._gpus.look() if self._gpus is not None else {}),
        }
        if now < self._began + INTERVAL_SECONDS:
            # What GPUs were seen to do before is not asked for again each time.
            self._unfinished = {**self._unfinished, **found}
            return
        self._keep({**self._unfinished, **found})
        if self._gpus is not None:
            self._gpus.ask()
        self._unfinished, self._began, self._cpu_before, self._pause = {}, now, cpu_seconds, INTERVAL_SECONDS

    def _keep(self, found: Mapping[str, float]) -> None:
        minute = int(time.time()) // 60 * 60
        if minute != self._minute:
            self._flush()
            self._minute = minute
        for name, value in found.items():
            self._found[name].append(round(value, 4))
        self._any = True

    def _flush(self) -> None:
        if self._found:
            self._file.write(self._minute, self._found, of_host=True)
            self._found = defaultdict(list)


def of_processes(pids: Iterable[int]) -> tuple[float, float]:
    """CPU seconds that processes and the children that they have waited for have used, and bytes of memory.

    Memory that is shared counts once, as far as the largest of them shows it.
    """
    ticks = private = shared = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name, in parentheses, may have anything in it.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            pages = Path(f"/proc/{pid}/statm").read_bytes().split()
            ticks += sum(map(int, fields[11:15]))
            private += int(pages[1]) - int(pages[2])
            shared = max(shared, int(pages[2]))
    return ticks / _TICKS, float((private + shared) * _PAGE)


def _disk_percent(path: Path) -> float:
    """How full the disk is, as df shows it."""
    found = os.statvfs(path)
    used = found.f_blocks - found.f_bfree
    return 100 * used / max(1, used + found.f_bavail)


class _Gpus:
    """Asks nvidia-smi, and looks later whether it has answered."""

    def __init__(self, devices: str) -> None:
        self._command = ["nvidia-smi", *_GPU_QUERY, f"--id={devices}"]
        self._asked: subprocess.Popen[str] | None = None
        self.ask()

    def ask(self) -> None:
        """Ask, unless it still has to answer."""
        if self._asked is not None:
            return
        try:
            self._asked = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError:
            self._asked = None

    def look(self) -> Mapping[str, float]:
        """What was answered since the last call, nothing if there is no answer yet."""
        if self._asked is None or self._asked.poll() is None:
            return {}
        said, _ = self._asked.communicate()
        self._asked = None
        return _gpu_percent(said)

    def end(self) -> None:
        if self._asked is not None:
            self._asked.kill()
            self._asked.communicate()


def _gpu_percent(said: str) -> Mapping[str, float]:
    utilization = memory = 0.0
    lines = said.splitlines()
    try:
        for line in lines:
            busy, used, total = map(float, line.split(","))
            utilization += busy
            memory += 100 * used / total
    except (ValueError, ZeroDivisionError):
        return {}
    return {"GPUUtilization": utilization, "GPUMemoryUtilization": memory} if lines else {}
