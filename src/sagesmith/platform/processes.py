"""Child processes of the supervisor: started, watched, restarted, ended, found again."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from sagesmith.files import replace_file
from sagesmith.priority import MIDDLE, rank_process
from sagesmith.process_identity import ProcessIdentity

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl

BACKOFF_MAX_SECONDS = 5.0
STEADY_AFTER_SECONDS = 30.0
LOG_LIMIT_BYTES = 20 << 20
KILL_SECONDS = 10.0
COLLECTED_SECONDS = 3.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Known:
    """A process as noted on disk, with the name that `sagesmith status` shows."""

    identity: ProcessIdentity
    name: str

    @property
    def pid(self) -> int:
        return self.identity.pid

    def find(self) -> psutil.Process | None:
        """The process, None if it has ended."""
        try:
            return psutil.Process(self.pid) if self.identity.runs() else None
        except psutil.NoSuchProcess:
            return None


@dataclass(slots=True)
class Child:
    """One program that must run for as long as the platform does.

    Attributes:
        name: as `sagesmith status` shows it.
        log: its standard output and error are appended there.
        stop_seconds: how long it may take to end by itself after SIGTERM.
        descriptors: what it inherits besides.
        nice: its place among all that want to run, see `priority`.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None
    stop_seconds: float = 10.0
    descriptors: Sequence[int] = ()
    nice: int = MIDDLE
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = field(default=0)

    def start(self) -> None:
        """Start it; it gets SIGTERM when the supervisor's main thread, from which this must be called, ends."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment) if self.environment is not None else None,
                # Out of reach of the terminal's Ctrl-C, yet in the supervisor's session, see `priority`.
                process_group=0,
                pass_fds=self.descriptors,
                preexec_fn=end_with_parent,  # noqa: PLW1509 one system call
            )
        rank_process(self.process.pid, self.nice)
        self.started_at = time.monotonic()

    def exited(self) -> int | None:
        """The exit code if it has ended, None while it runs."""
        return self.process.poll() if self.process else None

    def plan_restart(self, now: float) -> None:
        """Decide when to start it again: at once after a steady run, later and later after quick deaths."""
        self.failures = 0 if now - self.started_at > STEADY_AFTER_SECONDS else self.failures + 1
        self.restart_at = now + min(BACKOFF_MAX_SECONDS, 0.1 * 2 ** (self.failures - 1) if self.failures else 0.0)
        self.process = None

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; returns when it has ended."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log, for an error message."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def ends_of_logs(children: Iterable[Child]) -> str:
    """Which files their logs are and the last lines of each, for an error message."""
    return "\n".join(f"the end of {child.log}:\n{child.tail()}" for child in children)


def save(path: Path, children: Sequence[Child]) -> None:
    """Note the supervisor and its running children for `status` and `down`."""
    known = [(ProcessIdentity.own(), "supervisor")]
    known += [
        (identity, child.name)
        for child in children
        if child.process and (identity := ProcessIdentity.of(child.process.pid))
    ]
    replace_file(path, json.dumps([{**asdict(identity), "name": name} for identity, name in known]).encode())


def load(path: Path) -> list[Known]:
    """What was noted, whether it still runs or not."""
    try:
        entries = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    return [Known(ProcessIdentity(each["pid"], each["started"], each["boot"]), each["name"]) for each in entries]


def rotate(log: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
    """Move a log that has grown beyond a limit to `<name>.1`, over the one that is there.

    Its writer keeps it open, for appending, so it is copied and emptied; a line written between the two is lost.
    Without room for the copy the old one goes, for the disk matters more than what happened a while ago.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size < limit_bytes:
            return
        former = log.with_name(log.name + ".1")
        try:
            shutil.copyfile(log, former)
        except OSError:
            former.unlink(missing_ok=True)
        os.truncate(log, 0)


def end(processes: Sequence[psutil.Process], grace_seconds: float) -> None:
    """SIGTERM to all, SIGKILL to those that are left after the grace; returns when none runs.

    Then it waits a little until they are collected, for people who look for what is left see them. Nobody may ever do
    so: in a container the first process is often a program that knows nothing of children that are not its own.
    """
    for process in processes:
        _signal(process, signal.SIGTERM)
    for process in _wait(processes, grace_seconds, _runs):
        _signal(process, signal.SIGKILL)
    _wait(processes, KILL_SECONDS, _runs)
    _wait(processes, COLLECTED_SECONDS, psutil.Process.is_running)


def _wait(
    processes: Sequence[psutil.Process], seconds: float, is_there: Callable[[psutil.Process], bool]
) -> list[psutil.Process]:
    """Wait until none of the processes is there, at most so long; returns those that still are."""
    give_up = time.monotonic() + seconds
    while (left := [each for each in processes if is_there(each)]) and time.monotonic() < give_up:
        time.sleep(_POLL_SECONDS)
    return left


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and ProcessIdentity.of(process.pid) is not None


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def end_with_parent() -> None:
    """For a child, before it becomes its program: get SIGTERM when the thread that started it ends.

    One system call, which waits for nothing that another thread may have held at the fork.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
