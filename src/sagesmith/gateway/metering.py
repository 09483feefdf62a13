"""What invocations took, by variant and second: noted by a router, taken in by the API process through files.

A router appends one line a second and variant to the file of the minute, which its process alone writes. A prediction
waits for nobody so, and what was written is there whoever dies.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from sagesmith import logging
from sagesmith.files import append_whole
from sagesmith.gateway.target_models import WAITED_HEADER
from sagesmith.http.messages import Headers
from sagesmith.routes import VariantRoute

FLUSH_SECONDS = 1.0
MAX_WAITING = 10_000
"""Seconds of variants that wait for the disk to have room again."""

_WAITED_DIGITS = 15
"""What a model server says of its time is not more than a number that can be summed."""
_Key = tuple[int, str, str, str, str]
_MEMBERS = ("at", "region", "endpoint", "variant", "component")
_CONTAINER_MEMBERS = (*_MEMBERS[:-1], "container")

log = logging.get("router")


@dataclass(slots=True)
class Times:
    """How long something took, in microseconds: exactly together, and to two digits one by one."""

    total: float = 0.0
    least: float = float("inf")
    most: float = 0.0
    samples: dict[int, int] = field(default_factory=dict)

    def note(self, microseconds: float) -> None:
        self.total += microseconds
        self.least = min(self.least, microseconds)
        self.most = max(self.most, microseconds)
        whole = int(microseconds)
        rounded = whole if whole < 100 else round(whole, 2 - len(str(whole)))
        self.samples[rounded] = self.samples.get(rounded, 0) + 1


@dataclass(slots=True)
class Second:
    """The invocations of one variant that ended within one second.

    Attributes:
        instances: of the variant, of which they were shared.
        model_errors: those that the model did not answer with a success.
        cache_hits: those of a multi-model endpoint whose model was loaded; others have `waited` for it.
        no_capacity: those beside that an inference component without copies got.
        concurrent: the most that were under way at once, of an inference component.
    """

    instances: int
    invocations: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    model_errors: int = 0
    no_capacity: int = 0
    concurrent: int = 0
    model: Times = field(default_factory=Times)
    overhead: Times = field(default_factory=Times)
    cache_hits: int = 0
    waited: Times = field(default_factory=Times)


@dataclass(slots=True)
class ContainerSecond:
    """What one of a variant's several containers answered within one second.

    Attributes:
        direct: requests name it, instead of going through all.
    """

    direct: bool
    invocations: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    latency: Times = field(default_factory=Times)


class Meter:
    """One a router.

    Args:
        directory: where the files are, for the API process to find.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = f"{os.getpid()}-{time.time_ns() // 1_000_000}"
        self._seconds: dict[_Key, Second] = {}
        self._containers: dict[_Key, ContainerSecond] = {}

    def note(
        self,
        region: str,
        endpoint: str,
        variant: str,
        instances: int,
        status: int,
        model_seconds: float | None,
        whole_seconds: float,
        component: str = "",
        concurrent: int = 0,
    ) -> None:
        """One invocation that has just been answered.

        Args:
            status: what the model answered, 0 if it did not answer whole; or ours, if it was not asked.
            model_seconds: how long the model took, None if it was not asked.
            component: the inference component that was asked, whose copies `instances` are; empty if it was none.
            concurrent: how many invocations of it were under way.
        """
        second = self._second(region, endpoint, variant, instances, component)
        second.invocations += 1
        second.concurrent = max(second.concurrent, concurrent)
        second.errors_4xx += 400 <= status < 500
        second.errors_5xx += status >= 500 or status == 0
        second.model_errors += model_seconds is not None and not 200 <= status < 300
        if model_seconds is not None:
            second.model.note(model_seconds * 1e6)
            second.overhead.note(max(0.0, whole_seconds - model_seconds) * 1e6)

    def note_model(self, region: str, endpoint: str, variant: VariantRoute, headers: Headers) -> None:
        """An invocation of a multi-model endpoint was answered: its model was loaded, or it has waited for that.

        Args:
            headers: of the model server's answer.
        """
        waited = next((value for name, value in headers if name == WAITED_HEADER), None)
        second = self._second(region, endpoint, variant.name, max(1, len(variant.addresses)))
        if waited is None:
            second.cache_hits += 1
        elif waited.isdigit():
            second.waited.note(float(waited[:_WAITED_DIGITS]))

    def note_no_capacity(self, region: str, endpoint: str, variant: str, component: str) -> None:
        """One invocation of an inference component that has no copies."""
        self._second(region, endpoint, variant, 1, component).no_capacity += 1

    def note_container(self, place: tuple[str, str, str, str], status: int, seconds: float, *, direct: bool) -> None:
        """What one of several containers has just answered.

        Args:
            place: region, endpoint, variant and container.
            status: 0 if it did not answer whole.
        """
        key = (int(time.time()), *place)
        second = self._containers.get(key)
        if second is None:
            second = self._containers[key] = ContainerSecond(direct)
        second.invocations += 1
        second.errors_4xx += 400 <= status < 500
        second.errors_5xx += status >= 500 or status == 0
        second.latency.note(seconds * 1e6)

    async def run(self) -> None:
        """Write once a second, until it is cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.flush()

    def _second(self, region: str, endpoint: str, variant: str, instances: int, component: str = "") -> Second:
        key = (int(time.time()), region, endpoint, variant, component)
        second = self._seconds.get(key)
        if second is None:
            second = self._seconds[key] = Second(instances)
        return second

    def flush(self) -> None:
        """Write what was noted since the last time; what cannot be written waits, up to a bound."""
        if not self._seconds and not self._containers:
            return
        try:
            self._write(self._seconds, self._containers)
        except OSError as error:
            dropped = len(self._seconds) + len(self._containers) > MAX_WAITING
            log.warning("metrics of invocations could not be written", reason=str(error), dropped=dropped)
            if not dropped:
                return
        self._seconds, self._containers = {}, {}

    def _write(self, noted: Mapping[_Key, Second], containers: Mapping[_Key, ContainerSecond]) -> None:
        found = [({**dict(zip(_MEMBERS, key, strict=True)), "counts": asdict(second)}) for key, second in noted.items()]
        found += [
            {**dict(zip(_CONTAINER_MEMBERS, key, strict=True)), "counts": asdict(second)}
            for key, second in containers.items()
        ]
        lines = [orjson.dumps(each, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE) for each in found]
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._directory / f"{self._name}-{int(time.time()) // 60}.jsonl"
        append_whole(path, b"".join(lines))
