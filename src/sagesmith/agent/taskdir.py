"""A task's directory: what lies where, and how the specification is written down."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sagesmith.compute.base import (
    Channel,
    Checkpoints,
    InstanceGroup,
    Load,
    MetricDefinition,
    ModelContainer,
    Models,
    ProcessingOutput,
    Resources,
    S3Access,
    TaskEvent,
    TaskSpec,
    TensorBoardOutput,
    Transform,
)


@dataclass(frozen=True, slots=True)
class TaskDir:
    """The layout of `tasks/<id>`; readable by the platform's user only (mode 0700)."""

    root: Path

    @property
    def spec(self) -> Path:
        """The specification, with credentials: mode 0600."""
        return self.root / "spec.json"

    @property
    def lock(self) -> Path:
        """Held (flock) by the agent while it lives: a task never has two."""
        return self.root / "lock"

    @property
    def agent(self) -> Path:
        """The agent's `ProcessIdentity`; it is there as soon as the agent began to work."""
        return self.root / "agent.json"

    @property
    def process(self) -> Path:
        """The `ProcessIdentity` of the sandbox's first process: there before user code runs, ends after all of it."""
        return self.root / "process.json"

    @property
    def stop(self) -> Path:
        """There once somebody asked the task to end: the request may come before the agent can take a signal."""
        return self.root / "stop"

    @property
    def report(self) -> Path:
        """One `TaskEvent` a line, each on the disk before the next step."""
        return self.root / "report.jsonl"

    @property
    def output(self) -> Path:
        """What user code printed: `<epoch_ms> <line>` a line, `<epoch_ms>@ <line>` of the agent's data log, and
        `<epoch_ms>@<container> <line>` of one of several containers."""
        return self.root / "output.log"

    @property
    def metrics(self) -> Path:
        """What the task has measured, a `MetricSample` a line; not there if that is nothing."""
        return self.root / "metrics.jsonl"

    @property
    def agent_log(self) -> Path:
        return self.root / "agent.log"

    @property
    def limits(self) -> Path:
        """Which control groups were made for the task: whoever removes it removes them."""
        return self.root / "limits.json"

    @property
    def container(self) -> Path:
        """Which container was made for the task: whoever removes it removes that too."""
        return self.root / "container.json"

    @property
    def opt_ml(self) -> Path:
        """What the sandbox shows as /opt/ml."""
        return self.root / "opt_ml"

    @property
    def models(self) -> Path:
        """What the sandbox shows as /opt/ml/models, of a multi-model endpoint: user code may only read it."""
        return self.root / "models"

    @property
    def scratch(self) -> Path:
        """Files that only the sandbox needs: /tmp, the home directory, /etc/hosts, …"""
        return self.root / "sandbox"

    @property
    def containers(self) -> Path:
        """The directories of the inner agents, one a container of a model that has several, by their numbers."""
        return self.root / "containers"

    @property
    def is_inner(self) -> bool:
        """Whether this is an inner agent's."""
        return self.root.parent.name == "containers"

    @property
    def outer(self) -> "TaskDir":
        """The directory of the task that an inner agent belongs to; a task's own is this one."""
        return TaskDir(self.root.parent.parent) if self.is_inner else self

    @property
    def data(self) -> Path:
        """The directory that has those of all tasks, and what no sandbox may see."""
        return self.outer.root.parent.parent

    def inner(self) -> list["TaskDir"]:
        """The directories of the task's inner agents that were made so far."""
        try:
            return [TaskDir(each) for each in sorted(self.containers.iterdir())]
        except FileNotFoundError:
            return []

    def read_spec(self) -> TaskSpec:
        return spec_from_json(self.spec.read_text(encoding="utf-8"))


def spec_to_json(spec: TaskSpec) -> str:
    return json.dumps(asdict(spec), indent=1)


def spec_from_json(text: str) -> TaskSpec:
    fields: dict[str, Any] = json.loads(text)
    fields["s3"] = S3Access(**fields["s3"])
    fields["channels"] = [Channel(**each) for each in fields["channels"]]
    fields["outputs"] = [ProcessingOutput(**each) for each in fields["outputs"]]
    if fields.get("checkpoints"):
        fields["checkpoints"] = Checkpoints(**fields["checkpoints"])
    if fields.get("tensorboard"):
        fields["tensorboard"] = TensorBoardOutput(**fields["tensorboard"])
    fields["metric_definitions"] = [MetricDefinition(**each) for each in fields["metric_definitions"]]
    fields["instance_groups"] = [InstanceGroup(**each) for each in fields["instance_groups"]]
    fields["resources"] = Resources(**fields["resources"])
    fields["containers"] = [ModelContainer(**each) for each in fields.get("containers", ())]
    if fields.get("transform"):
        fields["transform"] = Transform(**fields["transform"])
    if fields.get("models"):
        fields["models"] = Models(**fields["models"])
    if fields.get("load"):
        fields["load"] = Load(**fields["load"])
    return TaskSpec(**fields)


def event_to_json(event: TaskEvent) -> str:
    return json.dumps(asdict(event), separators=(",", ":"))


def event_from_json(line: bytes) -> TaskEvent:
    return TaskEvent(**json.loads(line))
