"""The store itself: connections, transactions, and who is told of scheduled work."""

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import NullPool

from sagesmith.store.base import CannotOpen, StoreAway, VersionConflict
from sagesmith.store.chores import Chore
from sagesmith.store.prepared import EXECUTOR
from sagesmith.store.transaction import Observer, Transaction
from sagesmith.store.upgrade import bring_up_to_date

T = TypeVar("T")

log = logging.getLogger(__name__)

BUSY_TIMEOUT_SECONDS = 30.0

CHECKPOINT_COMMITS = 1000
WAL_PAGES = 16_000
"""Writers carry the log over into the database themselves only if it grows beyond this (64 MB): it costs them several
synchronisations of the disk. Normally a thread does it beside them every CHECKPOINT_COMMITS commits."""

INDEX_BATCH = 64
"""How many documents one transaction puts into the full-text indexes: others wait for it on SQLite."""

INDEX_AFTER_SECONDS = 0.05
INDEX_AT_LATEST_SECONDS = 2.0
"""Documents are indexed when none was stored for the former time, or after the latter."""

_DEADLOCK = "40P01"
"""SQLSTATE deadlock_detected."""

_AWAY = ("08", "57P")
"""SQLSTATE classes connection_exception, and operator intervention that ends a session: a server going up or down."""

_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
_BEGIN = {
    "sqlite": {"read": "BEGIN", "write": "BEGIN IMMEDIATE"},
    "postgresql": {
        "read": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "write": "BEGIN ISOLATION LEVEL READ COMMITTED",
    },
}


def _tune_sqlite(connection: Any, record: Any) -> None:
    record.info[EXECUTOR] = connection
    for pragma in (
        f"busy_timeout = {int(BUSY_TIMEOUT_SECONDS * 1000)}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "cache_size = -32000",
        "temp_store = MEMORY",
        f"wal_autocheckpoint = {WAL_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _tune_postgresql(connection: Any, record: Any) -> None:
    record.info[EXECUTOR] = connection.cursor()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The text may hold a password, so it is not quoted.
        raise CannotOpen(
            "the database's URL cannot be read; it looks like postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME, with "
            "%XX for special characters"
        ) from error
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def _engine(parsed: URL) -> Engine:
    # Transactions are begun and ended by hand below: on SQLite the driver cannot begin an IMMEDIATE one, and a
    # pool's bookkeeping would cost as much as a whole read.
    options: dict[str, Any] = {"poolclass": NullPool, "isolation_level": "AUTOCOMMIT"}
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise CannotOpen("a SQLite database must be a file")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"check_same_thread": False}, **options)
        event.listen(engine, "connect", _tune_sqlite)
    elif parsed.get_backend_name() == "postgresql":
        try:
            engine = create_engine(parsed, **options)
            event.listen(engine, "connect", _tune_postgresql)
        except ModuleNotFoundError as error:
            raise CannotOpen(
                f"PostgreSQL's driver is not installed ({error}): pip install 'sagesmith[postgres]' into the "
                f"environment of {sys.executable}"
            ) from error
    else:
        raise CannotOpen(f"the database is neither SQLite nor PostgreSQL: {parsed.get_backend_name()}")
    return engine


class _Thread(threading.local):
    """What a thread is doing to the store."""

    writing = False
    postpones = False
    postponed: tuple[Connection, Transaction] | None = None
    """What `completed` is still to commit."""


class Store:
    """Documents, tags, work and logs of one platform, on SQLite or PostgreSQL.

    Thread safe, and safe among processes. On SQLite there is one writer at a time and a commit survives the death of
    every process; after a power loss the last commits may be missing, never part of one
    (https://www.sqlite.org/pragma.html#pragma_synchronous). On PostgreSQL the server's settings decide.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._begin = _BEGIN[engine.dialect.name]
        self._control = _CONTROL[engine.dialect.name]
        # The idle connection used last is the one with the warmest cache.
        self._idle: deque[Connection] = deque()
        sqlite = engine.dialect.name == "sqlite"
        self._writer = threading.Lock() if sqlite else None
        self._commits = 0
        self._checkpoint = Chore("store-checkpoint", self._carry_log_over)
        self._indexing = Chore("store-index", self._index, INDEX_AFTER_SECONDS, INDEX_AT_LATEST_SECONDS)
        self._thread = _Thread()
        self._callbacks: list[Callable[[], None]] = []
        self._observers: list[Observer] = []
        self._closed = False

    @classmethod
    def open(cls, url: str) -> "Store":
        """Open a database, making or migrating its tables.

        Args:
            url: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user:password@host:port/name`.

        Raises:
            CannotOpen: another kind of database, one in memory, one whose driver is missing, one that does not answer.
            SchemaMismatch: a newer version wrote it.
        """
        parsed = _parse(url)
        engine = _engine(parsed)
        try:
            bring_up_to_date(engine)
        except OperationalError as error:
            where = parsed.set(query={}).render_as_string(hide_password=True)
            raise CannotOpen(f"the database {where} cannot be used: {_one_line(error.orig)}") from error
        store = cls(engine)
        with store.read() as tx:
            if tx.has_unindexed():
                store._indexing.due()
        return store

    def close(self) -> None:
        """Close all connections; transactions that are open end first where they are."""
        self._indexing.close()
        self._checkpoint.close()
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()

    def belongs_to(self, fingerprint: str) -> bool:
        """Whether the database is that of a keyring; one that is nobody's yet becomes it."""
        with self.write() as tx:
            return tx.fingerprint(fingerprint) == fingerprint

    def on_schedule(self, callback: Callable[[], None]) -> None:
        """Call `callback` after every commit that scheduled work, in the thread that wrote. It must not block."""
        self._callbacks.append(callback)

    def on_change(self, observer: Observer) -> None:
        """Call `observer` for every document that this process creates, changes or deletes from now on, within the
        transaction that does so; what it raises ends that."""
        self._observers.append(observer)

    @contextmanager
    def read(self, indexed: bool = False) -> Iterator[Transaction]:
        """A consistent snapshot.

        Args:
            indexed: put what is not in the full-text indexes yet into them first, as `Transaction.search` needs.

        Raises:
            StoreAway: the database's server does not answer.
        """
        self._settle()
        if indexed:
            self._index()
            self._index_the_rest()
        connection = self._start("read")
        try:
            yield Transaction(connection)
        except BaseException as error:
            self._end(connection, "ROLLBACK")
            _raise_if_away(error)
            raise
        self._end(connection, "ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is committed at the end of the block, or rolled back if that raises.

        On SQLite all writers wait for each other, so that what the block reads holds until it commits; on PostgreSQL
        `update` and `claim` are safe by themselves. Do nothing slow inside.

        Raises:
            RuntimeError: this thread is writing already.
            VersionConflict: PostgreSQL rolled it back because of a deadlock; it may be tried again.
            StoreAway: the database's server does not answer.
        """
        if self._thread.writing:
            raise RuntimeError("this thread has a write transaction open")
        self._settle()
        if self._writer is not None:
            self._writer.acquire()
        self._thread.writing = True
        try:
            connection = self._start("write")
            transaction = Transaction(connection, self._observers)
        except BaseException:
            self._release()
            raise
        try:
            yield transaction
        except BaseException as error:
            self._roll_back(connection)
            _raise_if_away(error)
            if _is_deadlock(error):
                raise VersionConflict("another transaction waited for this one, which waited for it") from error
            raise
        if self._thread.postpones:
            self._thread.postponed = connection, transaction
            self._thread.writing = False
        else:
            self._commit(connection, transaction)

    def completed(self, work: Callable[[], T], complete: Callable[[Transaction, T], None]) -> T:
        """Run `work`, then `complete` in the transaction that `work` wrote in last, which is committed only then.

        So what is to be said of some work is said if and only if it was done, whoever does it. If `work` wrote nothing,
        `complete` has a transaction of its own; if `complete` raises, that last transaction is rolled back. Whatever
        `work` does after its last write, it does before the commit, so it should be nothing slow.

        Args:
            work: writes with `write`, any number of times or not at all.
            complete: is given the result of `work`.

        Returns:
            The result of `work`.
        """
        self._thread.postpones = True
        try:
            result = work()
        except BaseException:
            self._settle()
            raise
        finally:
            self._thread.postpones = False
        postponed, self._thread.postponed = self._thread.postponed, None
        if postponed is None:
            with self.write() as transaction:
                complete(transaction, result)
            return result
        connection, transaction = postponed
        try:
            complete(transaction, result)
        except BaseException:
            self._roll_back(connection)
            raise
        self._commit(connection, transaction)
        return result

    def _settle(self) -> None:
        """Commit what this thread wrote earlier within `completed`: it is about to read or write something else."""
        postponed, self._thread.postponed = self._thread.postponed, None
        if postponed is not None:
            self._commit(*postponed)

    def _commit(self, connection: Connection, transaction: Transaction) -> None:
        try:
            self._end(connection, "COMMIT")
            if self._writer is not None:
                self._commits += 1
                if self._commits % CHECKPOINT_COMMITS == 0:
                    self._checkpoint.due()
        finally:
            self._release()
        if transaction.unindexed:
            self._indexing.due()
        if transaction.scheduled:
            for callback in self._callbacks:
                callback()

    def _roll_back(self, connection: Connection) -> None:
        try:
            self._end(connection, "ROLLBACK")
        finally:
            self._release()

    def _release(self) -> None:
        self._thread.writing = False
        if self._writer is not None:
            self._writer.release()

    def _index(self) -> None:
        with self.read() as tx:
            due = tx.has_unindexed()
        while due:
            with self.write() as tx:
                due = tx.index(INDEX_BATCH) == INDEX_BATCH

    def _index_the_rest(self) -> None:
        """Index what others were changing meanwhile: each in a transaction that holds nothing that they wait for."""
        if self._writer is not None:
            return
        with self.read() as tx:
            left = tx.unindexed_documents()
        for document_id in left:
            with self.write() as tx:
                tx.index_one(document_id)

    def _carry_log_over(self) -> None:
        with self._engine.connect() as connection:
            _driver(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _start(self, mode: str) -> Connection:
        while True:
            try:
                connection, idle = self._idle.pop(), True
            except IndexError:
                connection, idle = self._connect(), False
            try:
                self._control(connection, self._begin[mode])
            except Exception as error:
                # An idle connection may have died with PostgreSQL; a new one says what is the matter. A file does not
                # die, it is locked by another process for longer than the timeout.
                connection.invalidate()
                connection.close()
                if not idle or self._writer is not None:
                    _raise_if_away(error)
                    raise
                continue
            return connection

    def _connect(self) -> Connection:
        try:
            return self._engine.connect()
        except OperationalError as error:
            if self._writer is not None:
                raise
            raise StoreAway(f"no connection to the database: {_one_line(error.orig)}") from error

    def _end(self, connection: Connection, how: str) -> None:
        try:
            self._control(connection, how)
        except BaseException as error:
            connection.invalidate()
            connection.close()
            if how == "COMMIT":
                _raise_if_away(error)
                raise
            log.warning("a connection was lost while rolling back", exc_info=True)
            return
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)


def _driver(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.dbapi_connection


def _control_sqlite(connection: Connection, statement: str) -> None:
    _driver(connection).execute(statement)


def _control_postgresql(connection: Connection, statement: str) -> None:
    """By libpq itself: a cursor of the driver costs several times what the server needs for it."""
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    result = _driver(connection).pgconn.exec_(statement.encode())
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result)


_CONTROL: Mapping[str, Callable[[Connection, str], None]] = {
    "sqlite": _control_sqlite,
    "postgresql": _control_postgresql,
}
"""How each driver runs what begins and ends a transaction."""


def _is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL chose this transaction to end a deadlock."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) == _DEADLOCK


def _raise_if_away(error: BaseException) -> None:
    """Raise StoreAway if that is what a driver's error means: the connection broke, or the server is shutting down."""
    found = getattr(error, "orig", error)
    if not type(found).__module__.startswith("psycopg"):
        return
    from psycopg import OperationalError as Failed

    state = getattr(found, "sqlstate", None)
    if isinstance(found, Failed) and (state is None or state.startswith(_AWAY)):
        raise StoreAway(f"the database's server does not answer: {_one_line(found)}") from error


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
