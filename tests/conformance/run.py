"""One run of the harness: a platform and the kinds that it has."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from tests.conformance.facts import Facts, every_entry
from tests.conformance.model import nouns_of
from tests.conformance.platform import Platform
from tests.conformance.report import table
from tests.conformance.servers import Fault
from tests.conformance.subject import Subject
from tests.integration import postgres


class Run:
    """A platform in a directory of its own, and every kind that can be created on it.

    Args:
        faults: operation → what is wrong with it, to see that a check finds it.
        two_servers: whether the platform is two API servers on one PostgreSQL database.
    """

    def __init__(self, faults: Mapping[str, Fault] | None = None, two_servers: bool = False) -> None:
        self._ending = ExitStack()
        directory = self._ending.enter_context(tempfile.TemporaryDirectory(prefix="sagesmith-conformance-"))
        shared = self._ending.enter_context(_database()) if two_servers else ""
        self.platform = Platform(Path(directory), faults or {}, shared)
        self.subjects: dict[str, Subject] = {}
        entries, built = every_entry(), self.platform.built
        named = {noun for noun, entry in entries.items() if entry.operations.get("create") in built}
        for noun in sorted({*nouns_of(built), *named}):
            self.subjects[noun] = Subject(self.platform, entries.get(noun, Facts(noun)), self.subjects.__getitem__)

    def table(self) -> list[str]:
        """What was covered, as lines of Markdown."""
        operations = {noun: subject.operations for noun, subject in self.subjects.items()}
        return table(operations, self.platform.built, self.platform.coverage)

    def close(self) -> None:
        """End the platform and remove its directory."""
        self.platform.close()
        self._ending.close()


@contextmanager
def _database() -> Iterator[str]:
    """The URL of a PostgreSQL database of a server of its own."""
    programs = postgres.binaries()
    if programs is None:
        raise RuntimeError("--two-servers needs PostgreSQL: install the development dependencies")
    with postgres.server(programs) as server, postgres.database(server) as url:
        yield url


two_servers = False
"""Whether the run of this process has two API servers; set before it begins."""


@cache
def the_run() -> Run:
    """The run of this process."""
    return Run(two_servers=two_servers)
