"""User code's process: started in the sandbox, read from, stopped, and never left behind."""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sagesmith.agent.isolation import Isolation, Running
from sagesmith.agent.limits import Limits
from sagesmith.agent.output import Output
from sagesmith.agent.signals import Signals
from sagesmith.agent.usage import Processes, Usage, of_processes
from sagesmith.process_identity import ProcessIdentity, write_identity

# AWS: "SIGTERM … a 120-second window" (StopTrainingJob).
GRACE_SECONDS = 120.0
_READ_BYTES = 1 << 16
_WATCH_SECONDS = 0.5
_SIGTERM_BIT = 1 << (signal.SIGTERM - 1)


@dataclass(frozen=True, slots=True)
class Ended:
    """How user code ended.

    Attributes:
        exit_code: as a shell gives it: 128 + the signal that ended it.
        stopped: it was asked to end.
        timed_out: its time was over.
    """

    exit_code: int
    stopped: bool
    timed_out: bool


class UserProcess:
    """Runs one command apart from the rest of the machine. Main thread only.

    Args:
        measure: given what tells the processes that run, makes what samples how busy they are; None: nobody wants that.
        limits: what the processes may use; None: whatever is there.
    """

    def __init__(
        self,
        signals: Signals,
        output: Output,
        identity_file: Path,
        measure: Callable[[Processes], Usage] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._signals = signals
        self._output = output
        self._identity_file = identity_file
        self._measure = measure
        self._limits = limits or Limits()
        self._next_look = 0.0
        self._usage: Usage | None = None
        self._started: Running | None = None
        self._pipe = -1

    def start(self, isolation: Isolation, title: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._pipe, write_end = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._started = isolation.start(title, command, environment, write_end)
        finally:
            os.close(write_end)
        # Its first process ends only when all others of its namespace have: whoever waits for it waits for all.
        first = self._started.first_pid()
        identity = ProcessIdentity.of(first) if first is not None else None
        if identity is not None:
            write_identity(self._identity_file, identity)
        if self._measure is not None:
            self._usage = self._measure(self._processes)
        self._limit(self._started)
        self._started.release()

    def run(
        self,
        max_seconds: float | None = None,
        grace_seconds: float = GRACE_SECONDS,
        tick: Callable[[], float | None] | None = None,
    ) -> Ended:
        """Read its output until it has ended.

        Args:
            max_seconds: when to ask it to end, from now; None: never.
            grace_seconds: how long it may take then until it is killed.
            tick: called at every turn; returns in how many seconds it wants to be called again, None: not by itself.
        """
        assert self._started is not None
        started = self._started
        deadline = None if max_seconds is None else time.monotonic() + max_seconds
        kill_at: float | None = None
        timed_out = stopped = killed = False
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            selector.register(self._signals.descriptor, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                timed_out = timed_out or (deadline is not None and now >= deadline and not stopped)
                stopped = stopped or (self._signals.stop_requested and not timed_out)
                if (stopped or timed_out) and kill_at is None:
                    kill_at = now + grace_seconds
                    self.terminate()
                if kill_at is not None and now >= kill_at and not killed:
                    killed = True
                    self._output.say(f"The job did not end within {grace_seconds:.0f} seconds of SIGTERM: killed.")
                    started.kill()
                if self._pipe < 0 and started.exit_code() is not None:
                    break
                waits = [
                    each - now
                    for each in (deadline if kill_at is None else None, None if killed else kill_at)
                    if each is not None
                ]
                wanted = tick() if tick is not None else None
                if wanted is not None:
                    waits.append(wanted)
                if self._usage is not None:
                    waits.append(self._usage.tick())
                if self._limits.watched:
                    waits.append(self._watch(now))
                for key, _ in selector.select(max(0.0, min(waits)) if waits else None):
                    if key.fd == self._pipe:
                        self._read(selector)
                    else:
                        self._signals.drain()
                # Nothing that user code left behind lives longer than the sandbox, so the pipe's end comes soon.
        started.wait_for_all()
        if self._usage is not None:
            self._usage.end()
        return Ended(started.exit_code() or 0, stopped, timed_out)

    def _limit(self, started: Running) -> None:
        """Put all of its processes under the limits. One that forks meanwhile may leave a child outside, so this looks
        until there is none."""
        within: set[int] = set()
        while outside := {*started.pids(), *self._processes()} - within:
            self._limits.enter(outside)
            within |= outside

    def kill(self) -> None:
        """End it at once and collect it."""
        if self._started is not None:
            self._started.kill()
            self._started.wait_for_all()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def terminate(self) -> None:
        """SIGTERM to those of its processes that have a handler for it; to the first one if none has.

        A container engine would signal the first process alone. That is often a launcher that knows nothing of signals
        and would take the script, which wants to save its work, with it.
        """
        assert self._started is not None
        first = self._started.first_pid()
        if first is None:
            self._started.kill()
            return
        processes = [*([first] if self._started.first_is_users else []), *descendants(first)]
        for pid in [pid for pid in processes if _catches_sigterm(pid)] or processes[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _processes(self) -> Iterator[int]:
        first = self._started.first_pid() if self._started is not None else None
        if first is not None:
            yield first
            yield from descendants(first)

    def _watch(self, now: float) -> float:
        """End it if it uses more memory than it may; in how many seconds to look again."""
        assert self._started is not None
        if now >= self._next_look:
            self._next_look = now + _WATCH_SECONDS
            if self._limits.is_over(of_processes(self._processes())[1]):
                self._started.kill()
        return self._next_look - now

    def _read(self, selector: selectors.BaseSelector) -> None:
        try:
            data = os.read(self._pipe, _READ_BYTES)
        except BlockingIOError:
            return
        self._output.feed(data)
        if not data:
            selector.unregister(self._pipe)
            os.close(self._pipe)
            self._pipe = -1


def descendants(pid: int) -> Iterator[int]:
    """All processes below one, parents first; any of them may end while this looks."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return
    for thread in threads:
        try:
            children = [int(each) for each in (thread / "children").read_text(encoding="ascii").split()]
        except OSError:
            continue
        yield from children
        for child in children:
            yield from descendants(child)


def _catches_sigterm(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(mask, 16) & _SIGTERM_BIT)
