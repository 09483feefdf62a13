"""The Ray driver: makes what the tasks' directories ask for true in the cluster, and copies back what became of it.

One process beside the API. It keeps nothing in memory that a restart would miss: wanted and observed are in the
directories (`records.Record`), actors and placement groups are found again by their names.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sagesmith import logging
from sagesmith.agent.taskdir import event_to_json
from sagesmith.compute.base import ENDED, TaskEvent, TaskState
from sagesmith.compute.ray.cluster import Cluster, ClusterFailed, HostAway, HostGone, HostHandle
from sagesmith.compute.ray.host import MAX_PIECE_BYTES, Sizes
from sagesmith.compute.ray.placing import NeverFits, Node, bundles
from sagesmith.compute.ray.records import Record, Seen
from sagesmith.compute.ray.tunnel import Way
from sagesmith.compute.reading import read_events
from sagesmith.config import RayStrategy
from sagesmith.http.messages import Request, Response

FOLLOW_SECONDS = 10.0
KILL_SECONDS = 20.0
FENCE_SLACK_SECONDS = 2.0
"""So long after its lease an agent whose node the cluster has given up has ended itself."""
HOST_ATTEMPTS = 3
_FIRST_LOOK_SECONDS = 0.02
_LONGEST_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 0.5

_APART = (
    "ClientError: Ray placed the {hosts} instances of the job on {machines} machines, between which instances have no "
    "network yet. Use fewer or smaller instances, so that one machine takes them all."
)

log = logging.get("ray")


class Driver:
    """Follows the tasks below a directory. All of it runs on one event loop; what blocks runs in threads.

    Args:
        strategy: where the hosts of a gang go.
        slots: see `placing.bundles`.
        way: how nodes reach the platform; None if they are on its machine.
    """

    def __init__(
        self, tasks_dir: Path, cluster: Cluster, strategy: RayStrategy, slots: int | None, way: Way | None
    ) -> None:
        self._way = way
        self._tasks_dir = tasks_dir
        self._cluster = cluster
        self._strategy = strategy
        self._slots = slots
        self._gangs: dict[str, asyncio.Task[None]] = {}

    async def recover(self) -> None:
        """End what nobody knows any more, and go on with everything else."""
        await self.look()
        for task_id in await asyncio.to_thread(self._cluster.hosts):
            if self._is_over(self._record(task_id)):
                await asyncio.to_thread(self._cluster.end_host, task_id)
        for gang in await asyncio.to_thread(self._cluster.groups):
            if gang not in self._gangs:
                await asyncio.to_thread(self._cluster.release, gang)

    async def look(self) -> None:
        """Begin to follow the gangs that are new."""
        for task_id in self._present():
            record = self._record(task_id)
            members = record.read_gang()
            complete = all(self._record(each).task.spec.exists() for each in members)
            # The first of a gang to be forgotten leaves the others to be followed to their end.
            if members[0] not in self._gangs and not self._is_over(record) and (complete or record.started.exists()):
                self._follow_gang(members)

    async def stop(self, task_id: str) -> None:
        """Ask a task to end; one that has no place yet ends at once."""
        record = self._record(task_id)
        if self._is_over(record):
            return
        if not record.started.exists():
            async with self._held(record):
                if not record.started.exists():
                    _end(record, "Stopped", "The task was stopped before it had a place in the cluster")
                    return
        handle = await asyncio.to_thread(self._cluster.host, task_id)
        if handle is not None:
            with contextlib.suppress(HostGone):
                await handle.stop()

    async def kill(self, task_id: str) -> None:
        """End a task and return when it is gone, or cannot run any more."""
        record = self._record(task_id)
        if self._is_over(record):
            return
        record.killed.touch(mode=0o600)
        if not record.started.exists():
            async with self._held(record):
                if not record.started.exists():
                    record.write_seen(Seen(alive=False))
                    return
        handle = await asyncio.to_thread(self._cluster.host, task_id)
        try:
            if handle is not None:
                await asyncio.wait_for(handle.kill(), KILL_SECONDS)
        except (HostGone, HostAway, ClusterFailed, TimeoutError) as error:
            log.warning("host could not end its agent; its lease does", task=task_id, reason=str(error))
            await asyncio.to_thread(self._cluster.end_host, task_id)
        await self._until_over(record)

    async def _until_over(self, record: Record) -> None:
        """Wait for whoever follows a task to have seen its end."""
        while not self._is_over(record) and (running := self._gangs.get(record.read_gang()[0])) is not None:
            await asyncio.wait([running], timeout=_LONGEST_LOOK_SECONDS)

    def _follow_gang(self, members: list[str]) -> None:
        running = asyncio.get_running_loop().create_task(self._run_gang(members), name=members[0])
        self._gangs[members[0]] = running

    @contextlib.asynccontextmanager
    async def _held(self, record: Record) -> AsyncIterator[None]:
        """While this is entered a task's gang is not placed; it goes on from where the files say it is."""
        members = record.read_gang()
        running = self._gangs.get(members[0])
        if running is not None:
            running.cancel()
            await asyncio.wait([running])
        try:
            yield
        finally:
            self._follow_gang(members)

    async def _run_gang(self, members: list[str]) -> None:
        """Place a gang, follow its tasks to their ends, and give up its reservation."""
        records = [self._record(each) for each in members]
        while not all(self._is_over(each) for each in records):
            try:
                await self._take_gang_on(records, members[0])
            except Exception:
                log.exception("trying again to follow a gang", gang=members[0])
                await asyncio.sleep(_PAUSE_SECONDS)
        await self._patiently(lambda: asyncio.to_thread(self._cluster.release, members[0]))
        self._gangs.pop(members[0], None)

    async def _take_gang_on(self, records: list[Record], gang: str) -> None:
        waiting = [each for each in records if not each.started.exists()]
        if waiting and not any(self._is_over(each) for each in records):
            await self._patiently(lambda: self._place(records, gang))
        elif all(self._is_over(each) or each in waiting for each in records):
            # A part of the gang has ended before it was placed: the rest is only waiting to be ended, too.
            await asyncio.sleep(_LONGEST_LOOK_SECONDS)
        async with asyncio.TaskGroup() as group:
            for each in records:
                if each.started.exists() and not self._is_over(each):
                    group.create_task(self._patiently(partial(self._follow, each)))

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """Try again what a cluster that is away for a while made fail."""
        while True:
            try:
                return await act()
            except (HostAway, ClusterFailed, OSError) as error:
                log.warning("trying again", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _place(self, records: list[Record], gang: str) -> None:
        """Reserve, start the hosts, and then the agents; all of it may have been done before."""
        for attempt in range(1, HOST_ATTEMPTS + 1):
            try:
                await self._reserve(records, gang)
                handles = await self._hosts(records, gang)
                # Nothing runs before every host is there.
                machines = set(await asyncio.gather(*(handle.machine() for handle in handles)))
            except NeverFits as error:
                return _end_all(records, f"ClientError: Ray cannot place the job: {error}.")
            except HostGone as error:
                log.warning("a host died before it could begin", gang=gang, attempt=attempt, reason=str(error))
                if attempt == HOST_ATTEMPTS:
                    return _end_all(records, f"InternalServerError: no node could take the job: {error}")
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if len(machines) > 1:
                return _end_all(records, _APART.format(hosts=len(records), machines=len(machines)))
            for record, handle in zip(records, handles, strict=True):
                with contextlib.suppress(HostGone):  # Whoever follows it sees the same.
                    await self._begin(record, handle)
            return None
        return None

    async def _hosts(self, records: list[Record], gang: str) -> list[HostHandle]:
        return [
            await asyncio.to_thread(self._cluster.make_host, record.root.name, gang, index)
            for index, record in enumerate(records)
        ]

    async def _reserve(self, records: list[Record], gang: str) -> None:
        """Return when a gang has its places.

        What it asks for depends on the nodes that there are: when they change while it waits, it asks anew.

        Raises:
            NeverFits: see `bundles`.
        """
        specs = [each.task.read_spec() for each in records]
        while True:
            nodes = await asyncio.to_thread(self._cluster.nodes)
            if nodes:
                amounts = bundles(specs, nodes, self._strategy, self._slots)
                await asyncio.to_thread(self._cluster.reserve, gang, amounts, self._strategy)
                if await self._reserved(records, gang, nodes):
                    return
                await asyncio.to_thread(self._cluster.release, gang)
            else:
                _say_pending(records, "Waiting for a node of the Ray cluster")
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _reserved(self, records: list[Record], gang: str, nodes: Sequence[Node]) -> bool:
        """Wait for a gang's places; False if the cluster's nodes are others meanwhile."""
        look = _FIRST_LOOK_SECONDS
        while not await asyncio.to_thread(self._cluster.is_reserved, gang):
            if look >= _LONGEST_LOOK_SECONDS:
                _say_pending(records, "Waiting for capacity in the Ray cluster")
                if await asyncio.to_thread(self._cluster.nodes) != nodes:
                    return False
            await asyncio.sleep(look)
            look = min(look * 1.5, _LONGEST_LOOK_SECONDS)
        return True

    async def _begin(self, record: Record, handle: HostHandle) -> None:
        """Start a task's agent, unless it was; from now on it may have run."""
        spec = record.task.read_spec()
        bundle = await asyncio.to_thread(Path(spec.ca_bundle).read_bytes) if spec.ca_bundle is not None else None
        record.started.touch(mode=0o600)
        await handle.start(record.task.spec.read_text(encoding="utf-8"), bundle, self._way)

    async def _follow(self, record: Record) -> None:
        """Copy a task's report, output and metrics as they grow, to its end."""
        task_id = record.root.name
        handle = await asyncio.to_thread(self._cluster.host, task_id)
        try:
            if handle is None:
                raise HostGone("there is no actor of its name")
            if not record.killed.exists():
                await self._begin(record, handle)
            await self._copy(record, handle)
        except HostGone as error:
            log.warning("host is gone", task=task_id, reason=str(error))
            await self._lost(record)

    async def _copy(self, record: Record, handle: HostHandle) -> None:
        known: Seen | None = None
        while True:
            report, output, metrics = record.task.report, record.task.output, record.task.metrics
            have = Sizes(_size(report), _size(output), _size(metrics))
            progress = await handle.follow(have, known, FOLLOW_SECONDS)
            _append(output, progress.output)
            _append(metrics, progress.metrics)
            # Whoever reads the report's end must find all of the others.
            if MAX_PIECE_BYTES in (len(progress.output), len(progress.metrics)):
                continue
            _append(report, progress.report)
            if not progress.seen.alive and len(progress.report) < MAX_PIECE_BYTES:
                return await self._conclude(record, handle, progress.seen)
            if progress.seen != known:
                known = progress.seen
                record.write_seen(known)

    async def _conclude(self, record: Record, handle: HostHandle, seen: Seen) -> None:
        """Everything of a task is here: remove it from its node, and say so."""
        for path in (record.task.report, record.task.output, record.task.metrics):
            _flush(path)
        record.write_seen(replace(seen, alive=False, address=None, processes=[]))
        with contextlib.suppress(HostGone, HostAway, ClusterFailed):
            await handle.forget()
        await asyncio.to_thread(self._cluster.end_host, record.root.name)

    async def _lost(self, record: Record) -> None:
        """A task's host is gone: nobody may take the task for ended before its agent cannot run any more."""
        seen = record.read_seen()
        lives = bool(seen.node) and await asyncio.to_thread(self._cluster.lives, seen.node)
        await asyncio.sleep(_PAUSE_SECONDS if lives else self._cluster.lease_seconds + FENCE_SLACK_SECONDS)
        record.write_seen(Seen(alive=False, node=seen.node))

    def _present(self) -> list[str]:
        """The tasks that have a directory which the platform has finished writing."""
        try:
            names = sorted(path.name for path in self._tasks_dir.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        return [name for name in names if self._record(name).task.spec.exists() and self._record(name).gang.exists()]

    def _record(self, task_id: str) -> Record:
        return Record(self._tasks_dir / task_id)

    def _is_over(self, record: Record) -> bool:
        """Whether nothing of a task runs any more, or will; or nobody wants to know."""
        return not record.task.spec.exists() or not record.read_seen().alive


def answers(driver: Driver) -> Callable[[Request], Awaitable[Response]]:
    """What the driver answers the platform: `POST /look`, `/stop/TASK` and `/kill/TASK`, `GET /health`."""
    verbs: dict[str, Callable[[str], Awaitable[None]]] = {
        "health": _nothing,
        "look": lambda _task: driver.look(),
        "stop": driver.stop,
        "kill": driver.kill,
    }

    async def answer(request: Request) -> Response:
        verb, _, task_id = request.path.decode("ascii").removeprefix("/").partition("/")
        if verb not in verbs:
            return Response(404)
        try:
            await verbs[verb](task_id)
        except Exception as error:
            log.exception("request failed", verb=verb, task=task_id)
            return Response(500, [], (str(error) or type(error).__name__).encode())
        return Response(200, [], b"ok")

    return answer


async def _nothing(_task_id: str) -> None:
    return None


def _end(record: Record, state: TaskState, reason: str) -> None:
    """End a task that never ran, as its agent would have."""
    events, _ = read_events(record.task.report, 0)
    if not (events and events[-1].state in ENDED):
        detail = {"failure_reason": reason} if state == "Failed" else {}
        event = TaskEvent(len(events) + 1, time.time(), state, reason, detail)
        _append(record.task.report, event_to_json(event).encode() + b"\n")
        _flush(record.task.report)
    record.write_seen(Seen(alive=False))


def _end_all(records: Sequence[Record], reason: str) -> None:
    for each in records:
        _end(each, "Failed", reason)


def _say_pending(records: Sequence[Record], what: str) -> None:
    for each in records:
        if each.read_seen().pending != what:
            each.write_seen(Seen(pending=what))


def _append(path: Path, data: bytes) -> None:
    if data:
        with path.open("ab") as file:
            file.write(data)


def _flush(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
