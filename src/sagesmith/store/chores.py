"""What the store does beside the transactions of its users."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Chore:
    """Something to be done when it is due, by a thread of its own that begins when it is due for the first time.

    Args:
        name: the thread's.
        do: does it, for all reasons why it was due until now.
        pause_seconds: it is done when no new reason came for so long,
        latest_seconds: or after this time, if they do not cease to come.
    """

    def __init__(
        self, name: str, do: Callable[[], None], pause_seconds: float = 0.0, latest_seconds: float = 0.0
    ) -> None:
        self._name = name
        self._do = do
        self._pause_seconds = pause_seconds
        self._latest_seconds = latest_seconds
        self._due = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def due(self) -> None:
        """Say that it is due. Does not block."""
        if self._due.is_set():
            return
        self._due.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._ended.is_set():
                    self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Let it be done to its end if it has begun, and not again."""
        with self._lock:
            self._ended.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._due.wait():
            latest = time.monotonic() + self._latest_seconds
            while self._due.is_set():
                # In this order: whoever ends it says so before it becomes due for the last time.
                self._due.clear()
                if self._ended.wait(self._pause_seconds):
                    return
                if time.monotonic() >= latest:
                    break
            try:
                self._do()
            except Exception:
                log.warning("%s failed; it will be tried again when it is due", self._name, exc_info=True)
