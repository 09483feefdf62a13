"""The kinds under test, and the table of what was covered."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.conformance import run
from tests.conformance.run import the_run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance-report", metavar="FILE", help="write the conformance table to FILE as Markdown")
    parser.addoption(
        "--two-servers", action="store_true", help="two API servers on one PostgreSQL database answer in turn"
    )


def pytest_configure(config: pytest.Config) -> None:
    run.two_servers = config.getoption("two_servers", False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        concerns = getattr(metafunc.function, "concerns", lambda subject: True)
        subjects = {noun: subject for noun, subject in the_run().subjects.items() if concerns(subject)}
        for noun in the_run().subjects.keys() - subjects.keys():
            the_run().subjects[noun].checked.add(metafunc.function.__name__)
        metafunc.parametrize("subject", subjects.values(), ids=subjects.keys())


@pytest.fixture(scope="session", autouse=True)
def _one_run() -> Iterator[None]:
    yield
    the_run().close()


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
    if not the_run.cache_info().currsize or not the_run().platform.coverage.calls:
        return
    lines = the_run().table()
    terminalreporter.section("conformance")
    for line in lines:
        terminalreporter.write_line(line)
    if file := config.getoption("conformance_report", None):
        Path(file).write_text("\n".join(lines) + "\n")
