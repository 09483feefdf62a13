"""Copies what a task's host tells of it, to the end of the task: report, output, metrics, and how it stands."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from sagesmith import logging
from sagesmith.agent.taskdir import spec_to_json
from sagesmith.compute.ray.cluster import Cluster, ClusterFailed, HostAway, HostGone, HostHandle
from sagesmith.compute.ray.ends import Ends
from sagesmith.compute.ray.host import MAX_PIECE_BYTES, Sizes
from sagesmith.compute.ray.records import Record, Seen, append, flush, has_ended
from sagesmith.compute.ray.tunnel import Way

FOLLOW_SECONDS = 10.0
FENCE_SLACK_SECONDS = 2.0
"""So long after its host is gone, or its lease over if the cluster has given up the node, an agent has ended itself."""

log = logging.get("ray")


class Follower:
    """Follows tasks that have their places.

    Args:
        way: how nodes reach the platform; None if they are on its machine.
        ends: where agents leave what they told.
    """

    def __init__(self, cluster: Cluster, way: Way | None, ends: Ends) -> None:
        self._cluster = cluster
        self._way = way
        self._ends = ends

    async def begin(self, record: Record, handle: HostHandle) -> None:
        """Start a task's agent, unless it was; from now on it may have run."""
        spec = record.task.read_spec()
        bundle = await asyncio.to_thread(Path(spec.ca_bundle).read_bytes) if spec.ca_bundle is not None else None
        if spec.kind != "serve":
            spec = replace(spec, handover=self._ends.uri(spec.id))
        record.started.touch(mode=0o600)
        await handle.start(spec_to_json(spec), bundle, self._way, record.read_peers())

    async def follow(self, record: Record) -> None:
        """Copy a task's files as they grow, and return when it is over.

        Raises:
            HostAway, ClusterFailed, OSError: not for now; it may be called again.
        """
        task_id = record.root.name
        handle = await asyncio.to_thread(self._cluster.host, task_id)
        try:
            if handle is None:
                raise HostGone("there is no actor of its name")
            if not record.killed.exists():
                await self.begin(record, handle)
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
            append(output, progress.output)
            append(metrics, progress.metrics)
            # Whoever reads the report's end must find all of the others.
            if MAX_PIECE_BYTES in (len(progress.output), len(progress.metrics)):
                continue
            append(report, progress.report)
            if not progress.seen.alive and len(progress.report) < MAX_PIECE_BYTES:
                return await self._conclude(record, handle, progress.seen)
            if progress.seen != known:
                known = progress.seen
                record.write_seen(known)

    async def _conclude(self, record: Record, handle: HostHandle, seen: Seen) -> None:
        """Everything of a task is here: remove it from its node, and say so."""
        for path in (record.task.report, record.task.output, record.task.metrics):
            flush(path)
        await self._recall(record)
        if not has_ended(record):
            # Its agent was killed, and what it had started may be about to end: it has ended when this returns.
            await handle.kill()
        record.write_seen(replace(seen, alive=False, address=None, processes=[]))
        with contextlib.suppress(HostGone, HostAway, ClusterFailed):
            await handle.forget()
        await asyncio.to_thread(self._cluster.end_host, record.root.name)
        await asyncio.to_thread(self._ends.remove, [record.root.name])

    async def _lost(self, record: Record) -> None:
        """A task's host is gone: nobody may take the task for ended before its agent cannot run any more."""
        seen = record.read_seen()
        lives = bool(seen.node) and await asyncio.to_thread(self._cluster.lives, seen.node)
        await asyncio.sleep(FENCE_SLACK_SECONDS + (0.0 if lives else self._cluster.lease_seconds))
        await self._recall(record)
        record.write_seen(Seen(alive=False, node=seen.node))
        await asyncio.to_thread(self._ends.remove, [record.root.name])

    async def _recall(self, record: Record) -> None:
        """Look whether a task that is gone has come to an end that nobody read."""
        if not record.killed.exists():
            await asyncio.to_thread(self._ends.recall, record)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
