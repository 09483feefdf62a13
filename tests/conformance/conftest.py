"""The kinds under test, one platform for all of them, and the table of what was covered."""

import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conformance.facts import Facts, every_entry
from tests.conformance.model import nouns_of, operations_of
from tests.conformance.platform import Platform
from tests.conformance.report import table
from tests.conformance.subject import Subject


class Run:
    """One run of the harness: the platform and the kinds that it has."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="sagesmith-conformance-")
        self.platform = Platform(Path(self._directory.name))
        self.subjects: dict[str, Subject] = {}
        entries = every_entry()
        named = {noun for noun, entry in entries.items() if entry.operations.get("create") in self.platform.built}
        for noun in sorted({*nouns_of(self.platform.built), *named}):
            self.subjects[noun] = Subject(self.platform, entries.get(noun, Facts(noun)), self.subjects.__getitem__)

    def close(self) -> None:
        self.platform.close()
        self._directory.cleanup()


@cache
def run() -> Run:
    return Run()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance-report", metavar="FILE", help="write the conformance table to FILE as Markdown")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        subjects = run().subjects
        metafunc.parametrize("subject", subjects.values(), ids=subjects.keys())


@pytest.fixture(scope="session", autouse=True)
def _one_run() -> Iterator[None]:
    yield
    run().close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leave the line that each request logs out of what a failure shows; tracebacks stay."""
    report = yield
    report.sections = [
        (title, "\n".join(line for line in text.splitlines() if '"level":"info"' not in line))
        for title, text in report.sections
    ]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    made = run()
    if not made.platform.coverage.calls:
        return
    operations = {
        noun: operations_of(noun, made.platform.built, **each.facts.operations) for noun, each in made.subjects.items()
    }
    lines = table(operations, made.platform.built, made.platform.coverage)
    terminalreporter.section("conformance")
    for line in lines:
        terminalreporter.write_line(line)
    file = config.getoption("conformance_report", None)
    if file:
        Path(file).write_text("\n".join(lines) + "\n")
