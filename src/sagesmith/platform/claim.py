"""A platform's claim to its PostgreSQL database: one runs on it at a time, and another may stand by.

The claim is an advisory lock of a session (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS),
which ends with the connection: at once when this process dies, within half a minute when its machine or the network
does. Whoever loses it this way notices earlier than the server lets another have it (`platform.watch`).
"""

import contextlib
import enum
import select
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagesmith.platform.errors import StartFailed

if TYPE_CHECKING:
    import psycopg

TAKEOVER_SECONDS = 12.0
"""How long one who stood by waits with the claim in its hand: until the former has ended its tasks, wherever it is.

Longer than the former goes on without an answer of the server, `watch.LOST_SECONDS`, and then needs to end them."""

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
_OWN = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_HOLDER = """
    SELECT pid, activity.backend_start, activity.application_name,
        to_char(activity.backend_start, 'YYYY-MM-DD HH24:MI TZ')
    FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE pg_locks.locktype = 'advisory' AND pg_locks.classid = %s AND pg_locks.objid = %s AND pg_locks.objsubid = 2
        AND pg_locks.granted
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_SUCCEED = """
    SELECT ended, pg_advisory_lock(%s, %s)
    FROM (SELECT count(pg_terminate_backend(pid)) AS ended
        FROM pg_stat_activity WHERE pid = %s AND backend_start = %s) AS former
"""
"""One statement, so that nobody who tries to lock meanwhile comes between: who waits for a lock gets it first."""


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
    """The claim of one process, taken or not. Thread safe.

    Args:
        url: the database's.
        data: the platform's directory, by which others learn who has the claim.

    Raises:
        StartFailed: the URL cannot be read.
    """

    def __init__(self, url: str, data: Path) -> None:
        name = f"sagesmith {socket.gethostname()}:{data}"
        self.name = name.encode()[:_NAME_BYTES].decode(errors="ignore")
        self._parameters = _parameters(url) | _OURS | {"application_name": self.name}
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._sessions: set[tuple[Any, ...] | None] = set()
        """Ours that may have the claim at the server, where it has not noticed yet that we are gone: the process's id,
        which may come again, and when it began."""
        self._lock = threading.RLock()

    def take(self) -> None:
        """Take the claim, if nobody has it, or a session that was ours and was lost.

        Raises:
            Claimed: somebody has it.
            DatabaseAway: the server does not answer, or refuses the user.
        """
        with self._lock:
            self._take()

    def _take(self) -> None:
        import psycopg

        self.close()
        try:
            connection = psycopg.connect(autocommit=True, **self._parameters)
        except psycopg.Error as error:
            raise DatabaseAway(f"the database of SAGESMITH_DATABASE_URL cannot be used: {_one_line(error)}") from error
        try:
            for name, value in _SERVERS.items():
                connection.execute("SELECT set_config(%s, %s, false)", [name, value])
            session = connection.execute(_OWN).fetchone()
            # Noted before the attempt: where its answer is lost, this session may have the claim.
            former, self._sessions = self._sessions, self._sessions | {session}
            found = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", _KEY).fetchone()
            holder = None if found == (True,) else connection.execute(_HOLDER, _KEY).fetchone()
            if holder is not None and holder[:2] in former:
                connection.execute("SET lock_timeout = '2s'")
                connection.execute(_SUCCEED, [*_KEY, *holder[:2]])
                connection.execute("RESET lock_timeout")
                found = (True,)
            if found == (True,):
                self._connection, self._sessions = connection, {session}
                return
            self._sessions = former
            known = _fingerprint(connection)
        except psycopg.Error as error:
            raise DatabaseAway(f"the database does not answer: {_one_line(error)}") from error
        finally:
            if self._connection is None:
                connection.close()
        who = f"{str(holder[2]).removeprefix('sagesmith ')} since {holder[3]}" if holder else "one that is just ending"
        raise Claimed(
            f"another platform runs on the database of SAGESMITH_DATABASE_URL: {who}. A database serves one at a time: "
            "use another, or let this one stand by with --standby.",
            str(holder[2]) if holder else "",
            known,
        )

    def holds(self) -> bool:
        """Ask the server whether the claim is still ours; that takes a while where it does not answer."""
        return self._ask("SELECT 1") is not None

    def is_quiet(self) -> bool:
        """Whether the claim is there and the server says nothing unasked, as it does when it goes down."""
        import psycopg

        with self._lock:
            try:
                return self._connection is not None and not select.select([self._connection], [], [], 0)[0]
            except psycopg.Error:  # It is known to be broken.
                return False

    def fingerprint(self) -> str | None:
        """That of the keys that the database's secrets are sealed with, None if it has none yet."""
        with self._lock:
            return None if self._connection is None else _fingerprint(self._connection)

    def left(self) -> Left:
        """What the platform that had the claim before left."""
        if self.fingerprint() is None:
            return Left.NOTHING
        found = self._ask("SELECT running FROM keyrings")
        return Left.TASKS if found is None else Left(found[0])

    def note(self, running: Left) -> None:
        """Say what would be left from now on."""
        if self._ask("SELECT to_regclass('keyrings') IS NOT NULL") == (True,):
            self._ask("UPDATE keyrings SET running = %s RETURNING running", [int(running)])

    def close(self) -> None:
        """Give the claim up."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _ask(self, statement: str, values: list[Any] | None = None) -> tuple[Any, ...] | None:
        import psycopg

        with self._lock:
            if self._connection is None:
                return None
            try:
                return self._connection.execute(statement, values).fetchone()
            except psycopg.Error:
                with contextlib.suppress(psycopg.Error):
                    self._connection.close()
                self._connection = None
                return None


def _parameters(url: str) -> dict[str, Any]:
    """What psycopg connects with, as SQLAlchemy reads a URL: libpq cuts one otherwise at a `/` in a password."""
    # 0.2 s, which only platforms on PostgreSQL need
    from sqlalchemy import Dialect, make_url
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
    from sqlalchemy.exc import ArgumentError

    try:
        dialect: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
        _, parameters = dialect.create_connect_args(make_url(url))
    except (ArgumentError, ValueError) as error:
        # The text may hold a password, so it is not quoted.
        raise StartFailed(
            "SAGESMITH_DATABASE_URL cannot be read; it looks like postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME, "
            "with %XX for special characters"
        ) from error
    return dict(parameters)


def _fingerprint(connection: "psycopg.Connection[tuple[Any, ...]]") -> str | None:
    there = connection.execute("SELECT to_regclass('keyrings') IS NOT NULL").fetchone()
    if there != (True,):
        return None
    found = connection.execute("SELECT fingerprint FROM keyrings").fetchone()
    return None if found is None else str(found[0])


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
