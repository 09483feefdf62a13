"""Runs built-in algorithms as their images do, in their images' environments, without a platform around them."""

import fcntl
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sagesmith.algorithms import catalogue
from sagesmith.config import default_cache_dir
from sagesmith.images import environments, registry
from tests.algorithms import forks


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's files by name, and what a job says of it."""

    files: Mapping[str, bytes | str]
    content_type: str | None = None
    mode: str = "File"


@dataclass(frozen=True, slots=True)
class Trained:
    """A training job's end.

    Attributes:
        root: its /opt/ml.
        failure: what it says of its failure, "" if it has none.
    """

    name: str
    root: Path
    exit_code: int
    log: str
    failure: str
    metrics: Mapping[str, list[float]] = field(default_factory=dict)

    def answer(self, body: bytes | str, content_type: str, accept: str = "*/*") -> bytes:
        """A request's answer; fails the test if it has none."""
        ended = self.ask(body, content_type, accept)
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout

    def ask(self, body: bytes | str, content_type: str, accept: str = "*/*") -> subprocess.CompletedProcess[bytes]:
        """The same for one that may be refused."""
        data = body.encode() if isinstance(body, str) else body
        options = ["--root", str(self.root), "--content-type", content_type, "--accept", accept]
        with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as said:
            request.write(data)
            request.seek(0)
            arguments = ["-m", "sagesmith.algorithms", "answer", self.name, *options]
            run = _fork(self.name, arguments, request.fileno(), said.fileno())
            answer = run.rest()
            said.seek(0)
            return subprocess.CompletedProcess(arguments, run.wait(), answer, said.read())


@cache
def python(name: str) -> str:
    """The interpreter of an algorithm's environment, which is built if need be."""
    repository = catalogue.algorithm(name).repositories[0]
    runtime = registry.resolve(f"{repository}:{registry.catalogue()[repository].releases[-1].tag}")
    return str(environments.ensure(runtime, default_cache_dir(), print).path / "bin" / "python")


def train(
    name: str,
    root: Path,
    hyperparameters: Mapping[str, object],
    channels: Mapping[str, Channel],
    hosts: Iterable[str] = ("algo-1",),
    anew: bool = False,
) -> Trained:
    """Train as an image does; several hosts are started by `start`."""
    prepare(root, hyperparameters, channels, "algo-1", list(hosts))
    return finish(name, root, start(name, root, anew))


def prepare(
    root: Path, hyperparameters: Mapping[str, object], channels: Mapping[str, Channel], host: str, hosts: list[str]
) -> None:
    """Lay out /opt/ml for a job's host."""
    config = root / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (root / "model").mkdir(exist_ok=True)
    (root / "output" / "data").mkdir(parents=True, exist_ok=True)
    given = {name: str(value) for name, value in hyperparameters.items()}
    (config / "hyperparameters.json").write_text(json.dumps(given))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": host, "hosts": hosts}))
    entries = {}
    for name, channel in channels.items():
        entry = {
            "TrainingInputMode": channel.mode,
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
        entries[name] = entry | ({"ContentType": channel.content_type} if channel.content_type else {})
        folder = root / "input" / "data" / name
        for path, content in channel.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
    (config / "inputdataconfig.json").write_text(json.dumps(entries))


def train_together(
    name: str, root: Path, hyperparameters: Mapping[str, object], channels: Sequence[Mapping[str, Channel]]
) -> list[Trained]:
    """Train on several instances, each with channels of its own, as an image does on each. The first one leads."""
    # They meet at a fixed port, which is free in a job's network and may not be here.
    with (Path(tempfile.gettempdir()) / "sagesmith-tests-of-instances.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        hosts = ["localhost", *(f"algo-{number}" for number in range(2, len(channels) + 1))]
        runs = []
        for host, own in zip(hosts, channels, strict=True):
            prepare(root / host, hyperparameters, own, host, hosts)
            runs.append((root / host, start(name, root / host)))
        return [finish(name, place, run) for place, run in runs]


def start(name: str, root: Path, anew: bool = False) -> forks.Run:
    """Start a training; one that is measured is started anew, so that it takes what it takes in an image."""
    arguments = ["-m", "sagesmith.algorithms", "train", name, "--root", str(root)]
    return _fork(name, arguments, anew=anew)


def stop_once(process: forks.Run, said: str) -> None:
    """Ask a job to stop after a line of its log that says something."""
    seen = []
    for line in process.stdout:
        seen.append(line.decode())
        if said in seen[-1]:
            process.terminate()
            return
    raise AssertionError("".join(seen))


def finish(name: str, root: Path, process: forks.Run) -> Trained:
    log, failure = process.rest().decode("utf-8", "replace"), root / "output" / "failure"
    metrics: dict[str, list[float]] = {}
    for metric in catalogue.algorithm(name).metrics:
        found = [float(value) for value in re.findall(metric.regex, log)]
        if found:
            metrics[metric.name] = found
    said = failure.read_text() if failure.is_file() else ""
    return Trained(name, root, process.wait(), log, said, metrics)


def program(name: str, file: str) -> Any:
    """What a program of `programs` writes as JSON, run in an algorithm's environment."""
    with tempfile.TemporaryFile() as said:
        run = _fork(name, [str(Path(__file__).parent / "programs" / file)], stderr=said.fileno())
        output = run.rest()
        said.seek(0)
        assert run.wait() == 0, said.read().decode()
    return json.loads(output)


def _fork(
    name: str,
    arguments: list[str],
    stdin: int | None = None,
    stderr: int = subprocess.STDOUT,
    anew: bool = False,
) -> forks.Run:
    """Start a program in an algorithm's environment, with what the algorithm imports there already unless anew."""
    algorithm = catalogue.algorithm(name)
    places = [each.partition(":")[0] for each in (algorithm.train, algorithm.load)]
    modules = None if anew else ["sagesmith.algorithms.run.job", *places]
    with Path(os.devnull).open("rb") as nothing:
        given = nothing.fileno() if stdin is None else stdin
        return forks.start(python(name), arguments, modules, given, stderr)
