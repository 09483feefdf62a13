"""Gives the tasks of a gang their places in the cluster, all of them or none, and starts their agents there."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence

from sagesmith import logging
from sagesmith.agent.taskdir import event_to_json
from sagesmith.compute.base import ENDED, TaskEvent, TaskState
from sagesmith.compute.ray.cluster import Cluster, HostGone, HostHandle
from sagesmith.compute.ray.following import Follower
from sagesmith.compute.ray.placing import NeverFits, Node, bundles
from sagesmith.compute.ray.records import Record, Seen, append, flush
from sagesmith.compute.ray.tunnel import Way
from sagesmith.compute.reading import read_events
from sagesmith.config import RayStrategy
from sagesmith.files import write_durably

HOST_ATTEMPTS = 3
_LONGEST_LOOK_SECONDS = 0.5
_FIRST_LOOK_SECONDS = 0.02
_PAUSE_SECONDS = 0.5

log = logging.get("ray")


class Launcher:
    """Launches gangs.

    Args:
        strategy: where the hosts of a gang go.
        slots: see `placing.bundles`.
        way: how nodes reach the platform; None if they are on its machine.
        follower: starts a task's agent once its host is there.
    """

    def __init__(
        self, cluster: Cluster, strategy: RayStrategy, slots: int | None, way: Way | None, follower: Follower
    ) -> None:
        self._cluster = cluster
        self._strategy = strategy
        self._slots = slots
        self._way = way
        self._follower = follower
        self._looking: asyncio.Task[tuple[set[str], list[Node]]] | None = None

    async def launch(self, records: list[Record], gang: str) -> None:
        """Reserve, start the hosts, and then the agents; all of it may have been done before.

        A gang that cannot have its places is ended with the reason; of one that has lost a place between the starts of
        its agents, what is not started yet.

        Raises:
            HostAway, ClusterFailed, OSError: not for now; it may be called again.
        """
        for attempt in range(1, HOST_ATTEMPTS + 1):
            try:
                handles = await self._hosts(records, gang)
                # Nothing runs before every host is there.
                machines = set(await asyncio.gather(*(handle.machine() for handle in handles)))
                if len(machines) > 1:
                    await self._introduce(records, handles, gang)
            except NeverFits as error:
                return _end_unstarted(records, f"ClientError: Ray cannot place the job: {error}.")
            except HostGone as error:
                log.warning("a host died before it could begin", gang=gang, attempt=attempt, reason=str(error))
                if attempt == HOST_ATTEMPTS or _has_begun(records):
                    return _end_unstarted(records, f"InternalServerError: no node could take the job: {error}")
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            for record, handle in zip(records, handles, strict=True):
                with contextlib.suppress(HostGone):  # Whoever follows it sees the same.
                    await self._follower.begin(record, handle)
            return None
        return None

    async def _introduce(self, records: list[Record], handles: list[HostHandle], gang: str) -> None:
        """Let hosts that are on several machines know where they reach each other."""
        assert self._way is not None, "hosts are on one machine unless the cluster is the user's"
        way = self._way
        addresses = await asyncio.gather(*(handle.listen(gang, way) for handle in handles))
        hosts = records[0].task.read_spec().hosts
        known = json.dumps(dict(zip(hosts, addresses, strict=True))).encode()
        for each in records:
            write_durably(each.peers, known)

    async def _hosts(self, records: list[Record], gang: str) -> list[HostHandle]:
        """The actors of a gang that has its places.

        All were there before the first agent was started. From then on none is made anew: a new one would start an
        agent beside one that may run until its lease ends.

        Raises:
            NeverFits: see `bundles`.
            HostGone: one is not there any more.
        """
        if _has_begun(records):
            return [await self._present(record) for record in records]
        await self._reserve(records, gang)
        return [
            await asyncio.to_thread(self._cluster.make_host, record.root.name, gang, index)
            for index, record in enumerate(records)
        ]

    async def _present(self, record: Record) -> HostHandle:
        handle = await asyncio.to_thread(self._cluster.host, record.root.name)
        if handle is None:
            raise HostGone("a node was lost while the job's hosts began")
        return handle

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
        while look < _LONGEST_LOOK_SECONDS:
            if await asyncio.to_thread(self._cluster.is_reserved, gang):
                return True
            await asyncio.sleep(look)
            look *= 1.5
        _say_pending(records, "Waiting for capacity in the Ray cluster")
        while True:
            reserved, present = await self._look_together()
            if gang in reserved:
                return True
            if present != nodes:
                return False

    async def _look_together(self) -> tuple[set[str], list[Node]]:
        """The gangs that have their places, and the nodes, in half a second: gangs that wait have one look in common,
        for there may be many of them."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> tuple[set[str], list[Node]]:
        await asyncio.sleep(_LONGEST_LOOK_SECONDS)
        return await asyncio.to_thread(self._cluster.reserved), await asyncio.to_thread(self._cluster.nodes)


def end_unrun(record: Record, state: TaskState, reason: str) -> None:
    """End a task that never ran, as its agent would have."""
    events, _ = read_events(record.task.report, 0)
    if not (events and events[-1].state in ENDED):
        detail = {"failure_reason": reason} if state == "Failed" else {}
        event = TaskEvent(len(events) + 1, time.time(), state, reason, detail)
        append(record.task.report, event_to_json(event).encode() + b"\n")
        flush(record.task.report)
    record.write_seen(Seen(alive=False))


def _has_begun(records: Sequence[Record]) -> bool:
    return any(each.started.exists() for each in records)


def _end_unstarted(records: Sequence[Record], reason: str) -> None:
    """End what never ran of a gang; how the rest ends, whoever follows it will see."""
    for each in records:
        if not each.started.exists():
            end_unrun(each, "Failed", reason)


def _say_pending(records: Sequence[Record], what: str) -> None:
    for each in records:
        if each.read_seen().pending != what:
            each.write_seen(Seen(pending=what))
