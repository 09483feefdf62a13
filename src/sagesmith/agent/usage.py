"""How busy a task keeps its host: CPU, memory, disk and GPUs, as the instances' metrics at AWS show it.

Sampled every few seconds, written once a minute and at the task's end. Source:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html ("jobs metrics"): percent, of the CPU and of
GPUs for each one of them, so that two busy cores are 200.
"""

import contextlib
import os
import resource
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sagesmith.agent.metrics import MetricFile
from sagesmith.compute.base import Resources

FIRST_SECONDS = 1.0
INTERVAL_SECONDS = 5.0
_LEAST_SECONDS = 0.5
"""The time since the last sample from which on the end is one more."""
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
        self._sampled = False
        self._cpu_seconds = 0.0
        self._before = _children()
        self._last = time.monotonic()
        self._next = self._last + FIRST_SECONDS

    def tick(self) -> float:
        """Take a sample if it is time for one; in how many seconds that will be next."""
        now = time.monotonic()
        if now >= self._next:
            self._sample(now)
            took = time.monotonic() - now
            self._next = now + max(INTERVAL_SECONDS, took * _COST)
        return self._next - now

    def end(self) -> None:
        """Take the last sample, of what the kernel counted until the last process had ended, and write what is left."""
        now = time.monotonic()
        if not self._sampled or now - self._last >= _LEAST_SECONDS:
            after = _children()
            used = after.ru_utime + after.ru_stime - self._before.ru_utime - self._before.ru_stime
            self._keep("CPUUtilization", self._cpu_percent(used, now))
            if not self._sampled:
                # The largest process that there was, for a task that was too quick to be looked at.
                if after.ru_maxrss > self._before.ru_maxrss:
                    self._keep("MemoryUtilization", 100 * after.ru_maxrss * 1024 / self._memory_bytes)
                self._keep("DiskUtilization", _disk_percent(self._disk))
        self._flush()
        if self._gpus is not None:
            self._gpus.end()

    def _sample(self, now: float) -> None:
        minute = int(time.time()) // 60 * 60
        if minute != self._minute:
            self._flush()
            self._minute = minute
        cpu_seconds, memory_bytes = _of_processes(self._processes())
        self._keep("CPUUtilization", self._cpu_percent(cpu_seconds, now))
        self._keep("MemoryUtilization", 100 * memory_bytes / self._memory_bytes)
        self._keep("DiskUtilization", _disk_percent(self._disk))
        if self._gpus is not None:
            for name, value in self._gpus.look().items():
                self._keep(name, value)
        self._sampled = True

    def _cpu_percent(self, cpu_seconds: float, now: float) -> float:
        percent = 100 * max(0.0, cpu_seconds - self._cpu_seconds) / max(now - self._last, 0.001)
        self._cpu_seconds, self._last = max(cpu_seconds, self._cpu_seconds), now
        return percent

    def _keep(self, name: str, value: float) -> None:
        self._found[name].append(round(value, 4))

    def _flush(self) -> None:
        if self._found:
            self._file.write(self._minute or int(time.time()) // 60 * 60, self._found, of_host=True)
            self._found = defaultdict(list)


def _children() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_CHILDREN)


def _of_processes(pids: Iterable[int]) -> tuple[float, float]:
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
    """Asks nvidia-smi, without waiting for its answer: that is looked at when it is asked again."""

    def __init__(self, devices: str) -> None:
        self._command = ["nvidia-smi", *_GPU_QUERY, f"--id={devices}"]
        self._asked: subprocess.Popen[str] | None = None
        self._ask()

    def look(self) -> Mapping[str, float]:
        """What was answered since the last call, nothing if there is no answer yet."""
        if self._asked is None or self._asked.poll() is None:
            return {}
        said, _ = self._asked.communicate()
        self._ask()
        return _gpu_percent(said)

    def end(self) -> None:
        if self._asked is not None:
            self._asked.kill()
            self._asked.communicate()

    def _ask(self) -> None:
        try:
            self._asked = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError:
            self._asked = None


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
