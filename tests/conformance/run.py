"""One run of the harness: a platform and the kinds that it has."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.conformance.facts import Facts, every_entry
from tests.conformance.model import nouns_of
from tests.conformance.platform import Fault, Platform
from tests.conformance.report import table
from tests.conformance.subject import Subject


class Run:
    """A platform in a directory of its own, and every kind that can be created on it.

    Args:
        faults: operation → what is wrong with it, to see that a check finds it.
    """

    def __init__(self, faults: Mapping[str, Fault] | None = None) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="sagesmith-conformance-")
        self.platform = Platform(Path(self._directory.name), faults or {})
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
        self._directory.cleanup()


@cache
def the_run() -> Run:
    """The run of this process."""
    return Run()
