"""A training job as an algorithm sees it: /opt/ml, read once and checked before any data is.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

import json
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.declaration import Algorithm, Channel
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.hyperparameters import objective
from sagesmith.algorithms.run.log import Log

_INPUT = "Unable to initialize the algorithm. Failed to validate input data configuration. (caused by ValidationError)"


@dataclass(frozen=True, slots=True)
class Job:
    """What an algorithm's `train` gets.

    Attributes:
        values: the hyperparameters by name, as the schema reads them.
        given: those that the job has, as strings.
        sources: the channels by name.
        hosts: all instances of the job, sorted; the first leads.
        host: this one.
        root: /opt/ml.
        stopping: set once the job is asked to stop: finish the batch, keep the model there is, return.
        objective: the metric that a tuning job looks at, None outside of one.
    """

    algorithm: Algorithm
    values: Mapping[str, Any]
    given: Mapping[str, str]
    sources: Mapping[str, Source]
    hosts: tuple[str, ...]
    host: str
    root: Path
    log: Log
    stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def load(cls, algorithm: Algorithm, root: Path) -> "Job":
        """Read a job's configuration.

        Raises:
            CustomerError: hyperparameters or channels are not what the algorithm takes.
        """
        config = root / "input" / "config"
        given = _as_without_script({name: str(value) for name, value in _read(config / "hyperparameters.json").items()})
        resources = _read(config / "resourceconfig.json")
        host = str(resources.get("current_host", "algo-1"))
        hosts = tuple(sorted(resources.get("hosts", [host]), key=_number))
        values = algorithm.schema.read(given)
        check_instances(algorithm, values, len(hosts))
        sources = _sources(algorithm, _read(config / "inputdataconfig.json"), root / "input" / "data")
        return cls(algorithm, values, given, sources, hosts, host, root, Log(host, algorithm.title))

    @property
    def leads(self) -> bool:
        """Whether this instance is the one that keeps the model."""
        return self.host == self.hosts[0]

    @property
    def objective(self) -> str | None:
        return objective(self.given)

    @property
    def model(self) -> Path:
        """The directory that becomes model.tar.gz."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """The directory that becomes output.tar.gz."""
        return self.root / "output" / "data"

    @property
    def checkpoints(self) -> Path:
        """What is written here is kept in step with S3, where the job has a CheckpointConfig."""
        return self.root / "checkpoints"

    def listen(self) -> None:
        """Take SIGTERM as the request to stop. Call it on the main thread."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self.stopping.set())


def check_instances(algorithm: Algorithm, values: Mapping[str, Any], count: int) -> None:
    """Refuse more instances than AWS's table "Parameters for Built-in Algorithms" and the algorithm's page allow.

    Raises:
        CustomerError: there are more.
    """
    if count == 1:
        return
    name, value = algorithm.instances_with or ("", "")
    if algorithm.instances and (not name or values[name] == value):
        return
    what, unless = algorithm.title, ""
    if algorithm.instances:
        what, unless = f"{what} with {name}={values[name]}", f", or {name} to {value}"
    raise CustomerError(
        f"Unable to initialize the algorithm. {what} trains on one instance; the job has {count}. "
        f"Set InstanceCount to 1{unless}."
    )


def _sources(algorithm: Algorithm, config: Mapping[str, Any], folder: Path) -> dict[str, Source]:
    known = {channel.name: channel for channel in algorithm.channels}
    unknown = sorted(set(config) - set(known))
    if unknown:
        were = "was" if len(unknown) == 1 else "were"
        names = ", ".join(f"'{name}'" for name in unknown)
        raise CustomerError(f"{_INPUT}\n\nCaused by: Additional properties are not allowed ({names} {were} unexpected)")
    for channel in algorithm.channels:
        if channel.required and channel.name not in config:
            raise CustomerError(f"{_INPUT}\n\nCaused by: '{channel.name}' is a required property")
    return {name: _source(known[name], entry, folder / name) for name, entry in config.items()}


def _source(channel: Channel, entry: Mapping[str, Any], folder: Path) -> Source:
    content_type = str(entry.get("ContentType") or channel.content_types[0])
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in channel.content_types:
        listed = "[" + ", ".join(f"'{each}'" for each in channel.content_types) + "]"
        raise CustomerError(
            f"{_INPUT}\n\nCaused by: '{content_type}' is not one of {listed}\n\n"
            f"Failed validating 'ContentType' of the channel '{channel.name}'"
        )
    mode = entry.get("TrainingInputMode", "File")
    if mode not in channel.modes:
        raise CustomerError(
            f"{_INPUT}\n\nCaused by: '{mode}' is not one of {list(channel.modes)}\n\n"
            f"Failed validating 'TrainingInputMode' of the channel '{channel.name}'"
        )
    return Source(
        name=channel.name,
        folder=folder,
        content_type=content_type,
        mode=mode,
        record_wrapper=str(entry.get("RecordWrapperType", "None")),
        replicated=entry.get("S3DistributionType") != "ShardedByS3Key",
    )


def _as_without_script(given: dict[str, str]) -> dict[str, str]:
    """The algorithm's own hyperparameters, of a job that the SDK thinks has a script (JumpStart's): they are JSON then,
    and have the SDK's own among them."""
    if "sagemaker_program" not in given:
        return given
    return {name: _plain(value) for name, value in given.items() if not name.startswith("sagemaker_")}


def _plain(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}


def _number(host: str) -> tuple[int, str]:
    """algo-2 before algo-10."""
    tail = host.rpartition("-")[2]
    return (int(tail) if tail.isdigit() else 0, host)
