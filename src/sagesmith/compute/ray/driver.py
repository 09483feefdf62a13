"""The Ray driver: makes what the tasks' directories ask for true in the cluster, and copies back what became of it.

One process beside the API. It keeps nothing in memory that a restart would miss: wanted and observed are in the
directories (`records.Record`), actors and placement groups are found again by their names.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

from sagesmith import logging
from sagesmith.compute.ray.cluster import Cluster, ClusterFailed, HostAway, HostGone
from sagesmith.compute.ray.ends import Ends
from sagesmith.compute.ray.following import Follower
from sagesmith.compute.ray.launching import Launcher, end_unrun
from sagesmith.compute.ray.records import Record, Seen
from sagesmith.http.messages import Request, Response

KILL_SECONDS = 20.0
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 0.5

log = logging.get("ray")


class Driver:
    """Takes care of the tasks below a directory. All of it runs on one event loop; what blocks runs in threads."""

    def __init__(self, tasks_dir: Path, cluster: Cluster, launcher: Launcher, follower: Follower, ends: Ends) -> None:
        self._tasks_dir = tasks_dir
        self._cluster = cluster
        self._launcher = launcher
        self._follower = follower
        self._ends = ends
        self._gangs: dict[str, asyncio.Task[None]] = {}

    async def recover(self) -> None:
        """End what nobody knows any more, and go on with everything else."""
        for task_id in await asyncio.to_thread(self._cluster.hosts):
            if self._is_over(self._record(task_id)):
                await asyncio.to_thread(self._cluster.end_host, task_id)
        await self.look()
        for gang in await asyncio.to_thread(self._cluster.groups):
            if gang not in self._gangs:
                await asyncio.to_thread(self._cluster.release, gang)
        self._sweeping = asyncio.create_task(asyncio.to_thread(self._prepare_ends))

    def _prepare_ends(self) -> None:
        try:
            self._ends.prepare()
        except OSError as error:
            log.error("a job whose node is lost as it ends will be taken for failed", reason=str(error))
        else:
            self._ends.sweep(self._present)

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
                    end_unrun(record, "Stopped", "The task was stopped before it had a place in the cluster")
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
            await asyncio.wait([running], timeout=_LOOK_SECONDS)

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
            await self._patiently(lambda: self._launcher.launch(records, gang))
        elif all(self._is_over(each) or each in waiting for each in records):
            # A part of the gang has ended before it was placed: the rest is only waiting to be ended, too.
            await asyncio.sleep(_LOOK_SECONDS)
        async with asyncio.TaskGroup() as group:
            for each in records:
                if each.started.exists() and not self._is_over(each):
                    group.create_task(self._patiently(partial(self._follower.follow, each)))

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """Try again what a cluster that is away for a while made fail."""
        while True:
            try:
                return await act()
            except (HostAway, ClusterFailed, OSError) as error:
                log.warning("trying again", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)

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
