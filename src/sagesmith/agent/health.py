"""Whether a model server is well: what it answers to GET /ping.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

PING_SECONDS = 2.0
"""How long an answer may take, as AWS gives it."""
BETWEEN_PINGS_SECONDS = 5.0
"""From the beginning of one to that of the next, while the server serves."""
FAILURES = 3
"""So many in a row, and the server is taken for ill."""
BUSY_SECONDS = 60.0
"""How long a request may take at AWS. A server that answers one after the other does not answer pings meanwhile."""
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 1.0


class Watch(Protocol):
    """Who looks after a model server. Called from the agent's main thread."""

    @property
    def late(self) -> bool:
        """Whether it is to be ended: it did not become healthy in time, or is not any more."""
        ...

    @property
    def reason(self) -> str:
        """Why it is late."""
        ...

    def look(self) -> float | None:
        """See how it is; in how many seconds to look again, None if that is not needed any more."""
        ...

    def announce(self) -> bool:
        """Whether it has just become healthy."""
        ...


class Server(Protocol):
    """The server that is asked."""

    @property
    def busy_since(self) -> float | None:
        """Since when, by `time.monotonic`, it has owed an answer in silence; None if it owes none."""
        ...

    def connect(self, timeout_seconds: float) -> socket.socket:
        """A connection to it. Raises OSError."""
        ...


class Pings:
    """Asks a container for as long as it runs, in a thread of its own: it may take its time to answer.

    Args:
        timeout_seconds: how long it may take to become healthy.
        clock, sleep: `time.monotonic` and a wait.
    """

    def __init__(
        self,
        server: Server,
        timeout_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._sleep = sleep
        self._deadline = clock() + timeout_seconds
        self._healthy = threading.Event()
        self._announced = False
        self._last = "it never listened"
        self.late = False

    def start(self) -> None:
        """Begin; the thread ends with the process, or when the server is ill."""
        threading.Thread(target=self.run, name="pings", daemon=True).start()

    def run(self) -> None:
        failures = 0
        while not self.late:
            began = self._clock()
            healthy, answer = ping(_Connection(self._server))
            if healthy:
                failures = 0
                self._healthy.set()
            else:
                self._last = answer or self._last
                failures += not self._is_busy(began)
                self.late = failures >= FAILURES if self._healthy.is_set() else self._clock() >= self._deadline
            between = BETWEEN_PINGS_SECONDS if self._healthy.is_set() else _POLL_SECONDS
            self._sleep(max(0.0, began + between - self._clock()))

    def look(self) -> float | None:
        return None if self.late else _LOOK_SECONDS if self._announced else _POLL_SECONDS / 4

    def announce(self) -> bool:
        if self._announced or not self._healthy.is_set():
            return False
        self._announced = True
        return True

    @property
    def reason(self) -> str:
        if not self._healthy.is_set():
            return not_in_time(self._timeout_seconds, self._last)
        return f"The container did not pass {FAILURES} health checks in a row: {self._last}"

    def _is_busy(self, now: float) -> bool:
        since = self._server.busy_since
        return since is not None and now - since < BUSY_SECONDS


class Silence:
    """Whether a server of ours that was well answers nothing at all any more, for longer than any answer may take.

    It answers pings whatever its handlers do, and gives up those that never return. What is silent is a process that
    was stopped, or whose code keeps the interpreter to itself for ever. Failures are counted and not the time, so that
    nothing is taken for silent because this machine was.

    Args:
        connect: makes a connection to it.
        seconds: how long it may be silent.
        clock: `time.monotonic`.
    """

    def __init__(
        self,
        connect: Callable[[], http.client.HTTPConnection],
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._seconds = seconds
        self._clock = clock
        self._next = clock() + BETWEEN_PINGS_SECONDS
        self._failures = 0

    @property
    def late(self) -> bool:
        """Whether it is to be ended."""
        return self._failures * BETWEEN_PINGS_SECONDS >= self._seconds

    @property
    def reason(self) -> str:
        """Why it is."""
        return f"The model server has not answered anything for {self._seconds:.0f} seconds"

    def look(self) -> float:
        """Ask if it is time to; in how many seconds it will be."""
        if (now := self._clock()) < self._next:
            return self._next - now
        self._next = now + BETWEEN_PINGS_SECONDS
        connection = self._connect()
        try:
            connection.request("GET", "/ping")
            connection.getresponse()
            self._failures = 0
        except (OSError, http.client.HTTPException):
            self._failures += 1
        finally:
            connection.close()
        return BETWEEN_PINGS_SECONDS


def ping(connection: http.client.HTTPConnection) -> tuple[bool, str | None]:
    """Ask once: whether it is well, and what came; None for nobody who could have answered."""
    try:
        connection.request("GET", "/ping")
        status = connection.getresponse().status
    except FileNotFoundError:
        return False, None
    except (OSError, http.client.HTTPException) as error:
        return False, f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return status == http.client.OK, f"/ping answers {status}"


def not_in_time(timeout_seconds: float, last_answer: str) -> str:
    """Why a model server that never was healthy is given up."""
    return f"The model server did not pass its health check within {timeout_seconds:.0f} seconds: {last_answer}"


class _Connection(http.client.HTTPConnection):
    def __init__(self, server: Server) -> None:
        super().__init__("localhost", timeout=PING_SECONDS)
        self._server = server

    def connect(self) -> None:
        self.sock = self._server.connect(PING_SECONDS)
