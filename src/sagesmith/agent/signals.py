"""The agent's signals: SIGTERM asks the task to end, SIGCHLD wakes whoever waits for user code."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from sagesmith.agent.failures import TaskStopped


class Signals:
    """Turns signals into a readable descriptor and, where it is safe, into `TaskStopped`. Main thread only."""

    def __init__(self) -> None:
        self.stop_requested = False
        self._interruptible = False
        self.descriptor, self._write_end = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._write_end, False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        # Sent to who has a lease on a file that is to be written to; a handler, unlike SIG_IGN, ends with an exec.
        signal.signal(signal.SIGIO, lambda _number, _frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)

    def drain(self) -> None:
        """Empty the descriptor."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.descriptor, 4096):
                pass

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """While this is entered, a request to stop raises `TaskStopped` wherever the main thread is."""
        if self.stop_requested:
            raise TaskStopped
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True
        if self._interruptible:
            self._interruptible = False
            raise TaskStopped
