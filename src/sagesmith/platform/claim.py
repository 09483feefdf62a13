"""A platform's claim to its PostgreSQL database: one runs on it at a time, and another may stand by.

The claim is an advisory lock of a session (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS),
which ends with the connection: at once when this process dies, within half a minute when its machine or the network
does. Whoever loses it this way notices earlier than the server lets another have it.
"""

import contextlib
import enum
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagesmith.platform.errors import StartFailed

if TYPE_CHECKING:
    import psycopg

LOST_SECONDS = 5.0
"""How long a claim may be lost, to a server that was started anew perhaps, until tasks must be ended."""
TAKEOVER_SECONDS = 10.0
"""How long one who stood by waits with the claim in its hand: until the former has ended its tasks, wherever it is."""

_KEY = (0x5A6E_5318, 1)
"""Any pair of numbers that nobody else locks by."""
_CONNECT_SECONDS = 4
_SILENCE_MS = 4000
_OURS: dict[str, Any] = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": _SILENCE_MS,
}
_SERVERS = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""The server gives up a connection that is silent for 25 s: later than we do."""
_NAME_BYTES = 63
_HOLDER = """
    SELECT activity.application_name, to_char(activity.backend_start, 'YYYY-MM-DD HH24:MI TZ')
    FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE pg_locks.locktype = 'advisory' AND pg_locks.classid = %s AND pg_locks.objid = %s AND pg_locks.objsubid = 2
        AND pg_locks.granted
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Claimed(StartFailed):
    """Another platform runs on the database; the message names it.

    Attributes:
        holder: as it calls itself, empty if it is not known.
        fingerprint: that of the keys that the database's secrets are sealed with, None if it has none yet.
    """

    def __init__(self, message: str, holder: str, fingerprint: str | None) -> None:
        super().__init__(message)
        self.holder = holder
        self.fingerprint = fingerprint


class DatabaseAway(StartFailed):
    """The database's server cannot be asked."""


class Left(enum.IntEnum):
    """What the last platform on the database left."""

    NOTHING = 0
    TASKS = 1
    """What ran on its machine may go on there."""
    LEASED_TASKS = 2
    """What ran on its machine ends with it."""


class Claim:
    """The claim of one process, taken or not. For one thread.

    Args:
        url: the database's.
        data: the platform's directory, by which others learn who has the claim.
    """

    def __init__(self, url: str, data: Path) -> None:
        self._url = "postgresql://" + url.partition("://")[2]
        name = f"sagesmith {socket.gethostname()}:{data}"
        self.name = name.encode()[:_NAME_BYTES].decode(errors="ignore")
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def take(self) -> None:
        """Take the claim, if nobody has it.

        Raises:
            Claimed: somebody has it.
            DatabaseAway: the server does not answer, or refuses the user.
        """
        import psycopg

        self.close()
        try:
            connection = psycopg.connect(self._url, autocommit=True, application_name=self.name, **_OURS)
        except psycopg.Error as error:
            raise DatabaseAway(f"the database of SAGESMITH_DATABASE_URL cannot be used: {_one_line(error)}") from error
        try:
            for name, value in _SERVERS.items():
                connection.execute("SELECT set_config(%s, %s, false)", [name, value])
            found = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", _KEY).fetchone()
            if found is not None and found[0]:
                self._connection = connection
                return
            holder = connection.execute(_HOLDER, _KEY).fetchone()
            known = _fingerprint(connection)
        except psycopg.Error as error:
            raise DatabaseAway(f"the database does not answer: {_one_line(error)}") from error
        finally:
            if self._connection is None:
                connection.close()
        who = f"{str(holder[0]).removeprefix('sagesmith ')} since {holder[1]}" if holder else "one that is just ending"
        raise Claimed(
            f"another platform runs on the database of SAGESMITH_DATABASE_URL: {who}. A database serves one at a time: "
            "use another, or let this one stand by with --standby.",
            str(holder[0]) if holder else "",
            known,
        )

    def holds(self) -> bool:
        """Ask the server whether the claim is still ours; that takes up to `_SILENCE_MS` where it does not answer."""
        return self._ask("SELECT 1") is not None

    def fingerprint(self) -> str | None:
        """That of the keys that the database's secrets are sealed with, None if it has none yet."""
        return None if self._connection is None else _fingerprint(self._connection)

    def left(self) -> Left:
        """What the platform that had the claim before left."""
        if self.fingerprint() is None:
            return Left.NOTHING
        found = self._ask("SELECT running FROM keyrings")
        return Left.TASKS if found is None else Left(found[0])

    def note(self, running: Left) -> None:
        """Say what would be left from now on."""
        if self.fingerprint() is not None:
            self._ask("UPDATE keyrings SET running = %s RETURNING running", [int(running)])

    def close(self) -> None:
        """Give the claim up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, statement: str, values: list[Any] | None = None) -> tuple[Any, ...] | None:
        import psycopg

        if self._connection is None:
            return None
        try:
            return self._connection.execute(statement, values).fetchone()
        except psycopg.Error:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
            return None


class Watch:
    """Looks after a claim for as long as its platform runs."""

    def __init__(self, claim: Claim, *, stands_by: bool) -> None:
        self._claim = claim
        self._stands_by = stands_by
        self._lost_at: float | None = None
        self.reason = ""
        """Why the platform must end, once `must_end` has said so."""

    def must_end(self) -> bool:
        """Whether the claim is lost for good.

        Without others that stand by, a server that is away is waited for, and the platform goes on with its jobs.
        """
        if self._claim.holds():
            self._lost_at = None
            return False
        self._lost_at = lost_at = self._lost_at or time.monotonic()
        try:
            self._claim.take()
            self._lost_at = None
        except Claimed as error:
            self.reason = str(error)
            return True
        except DatabaseAway as error:
            self.reason = f"{error}. Another may have taken over"
            return self._stands_by and time.monotonic() - lost_at > LOST_SECONDS
        return False


def _fingerprint(connection: "psycopg.Connection[tuple[Any, ...]]") -> str | None:
    there = connection.execute("SELECT to_regclass('keyrings') IS NOT NULL").fetchone()
    if there != (True,):
        return None
    found = connection.execute("SELECT fingerprint FROM keyrings").fetchone()
    return None if found is None else str(found[0])


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
