"""One story told by the reports of all hosts of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagesmith.compute.base import ENDED as TASK_ENDED
from sagesmith.compute.base import TaskEvent, TaskObservation, TaskState

_STAGES: tuple[TaskState, ...] = ("Starting", "Downloading", "Training", "Processing", "Transforming", "Uploading")
_OF_THE_FIRST = frozenset({"Starting", "Downloading"})
"""Stages that a job is in as soon as one host is; in the others it is when all are."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A state that the tasks of a job have come to.

    Attributes:
        rank: its place in the order of states, from 1.
        at: when, in seconds since the epoch.
        message: the last that a host said of it, for people.
    """

    rank: int
    state: TaskState
    at: float
    message: str


def stages(reports: Sequence[Sequence[TaskEvent]]) -> list[Stage]:
    """The stages that a job has come to, in their order.

    Args:
        reports: the events of each host, that of `algo-1` first.
    """
    found: list[Stage] = []
    for rank, state in enumerate(_STAGES, 1):
        told = [[event for event in events if event.state == state] for events in reports]
        there = [events for events in told if events]
        if not there:
            continue
        if state in _OF_THE_FIRST:
            at = min(events[0].time for events in there)
        else:
            # A host that ended before, and does not come here any more, keeps nobody waiting.
            if any(not events and not _over(report) for events, report in zip(told, reports, strict=True)):
                continue
            at = max(events[0].time for events in there)
        found.append(Stage(rank, state, at, there[0][-1].message))
    return found


def _over(events: Sequence[TaskEvent]) -> bool:
    return bool(events) and events[-1].state in TASK_ENDED


def started_at(reports: Sequence[Sequence[TaskEvent]]) -> float | None:
    """When the first host began to work."""
    return min((events[0].time for events in reports if events), default=None)


@dataclass(frozen=True, slots=True)
class End:
    """How the tasks of a job ended, all of them.

    Attributes:
        event: the last event that counts: of the host that failed first, of one that was stopped, or else of `algo-1`.
        at: when the last one ended.
        host: whose event it is.
        detail: the event's, with what all hosts reported together.
    """

    event: TaskEvent
    at: float
    host: str
    detail: dict[str, Any]


def end(tasks: Mapping[str, TaskObservation]) -> End:
    """The end of a job whose tasks have reported theirs; those without a report were ended by others.

    Args:
        tasks: by host, `algo-1` first; at least one has reported its end.
    """
    lasts = [(host, task.events[-1]) for host, task in tasks.items() if task.ended]
    failed = sorted((each for each in lasts if each[1].state == "Failed"), key=lambda each: each[1].time)
    stopped = [each for each in lasts if each[1].state == "Stopped"]
    host, event = (failed or stopped or lasts)[0]
    return End(
        event, max(each.time for _, each in lasts), host, {**_together([last for _, last in lasts]), **_own(event)}
    )


_OF_ALL_HOSTS = ("metrics", "model_artifacts", "exit_message")


def _own(event: TaskEvent) -> dict[str, Any]:
    return {name: value for name, value in event.detail.items() if name not in _OF_ALL_HOSTS}


def _together(lasts: Sequence[TaskEvent]) -> dict[str, Any]:
    """Metrics of all hosts, of each name the one that was seen last, where the model lies, and what they had to say."""
    found: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    for metric in sorted((each for last in lasts for each in last.detail.get("metrics") or ()), key=_seen):
        metrics[metric["MetricName"]] = metric
    if metrics:
        found["metrics"] = list(metrics.values())
    if message := "".join(last.detail.get("exit_message", "") for last in lasts):
        found["exit_message"] = message
    for last in lasts:
        if last.detail.get("model_artifacts"):
            found.setdefault("model_artifacts", last.detail["model_artifacts"])
    return found


def _seen(metric: Mapping[str, Any]) -> float:
    return float(metric["Timestamp"])
