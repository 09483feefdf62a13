"""FastFile mode: a channel's files are there at once, and read from S3 when somebody reads them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent.inputs.blocks import Blocks
from sagesmith.agent.inputs.files import no_data
from sagesmith.agent.inputs.fuse import Server
from sagesmith.agent.inputs.mounts import Mounts
from sagesmith.agent.inputs.sources import Source, channel_shard, objects
from sagesmith.agent.inputs.tree import Directory, Tree
from sagesmith.agent.task import Task
from sagesmith.compute.base import Channel

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3Object


class FastFiles:
    """The channels of a task that are mounted.

    Args:
        root: where their folders are.

    Raises:
        TaskFailed: with AWS's "ClientError: Data download failed: …".
    """

    def __init__(self, task: Task, channels: list[Channel], root: Path) -> None:
        self._task = task
        self._trees = [_tree(task, channel, task.output.say) for channel in channels]
        places = [root / channel.name for channel in channels]
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        self._mounts = Mounts(places)
        self._blocks = Blocks(task.s3.read_range)
        self._numbered_from = [sum(len(each.nodes) for each in self._trees[:index]) for index in range(len(places))]
        for number, tree in zip(self._numbered_from, self._trees, strict=True):
            self._begin(number, tree)

    def mount(self) -> None:
        """In the process that is to become the sandbox."""
        self._mounts.make()

    def serve(self) -> None:
        """When that process has become the sandbox: answer what it reads, until it ends.

        Raises:
            OSError: it did not mount.
        """
        now = int(time.time())
        for descriptor, tree, number in zip(self._mounts.receive(), self._trees, self._numbered_from, strict=True):
            Server(descriptor, tree, self._blocks, number, now, self._say_failed).start()

    def _begin(self, numbered_from: int, tree: Tree) -> None:
        """Fetch the first file's first block: a program begins there, more often than not, and need not wait for it."""
        for number, node in enumerate(tree.nodes):
            if not isinstance(node, Directory):
                self._blocks.read(numbered_from + number, node, 0, 1)
                break

    def _say_failed(self, entry: "S3Object", error: BaseException) -> None:
        self._task.output.say(f"{entry.uri} cannot be read: {error}")


def _tree(task: Task, channel: Channel, notice: Callable[[str], None]) -> Tree:
    shard = channel_shard(channel, task.spec)
    found = shard.of(objects(task.s3, Source(channel.s3_uri, channel.s3_data_type), task.spec.s3.region))
    if not found:
        notice(no_data(channel.name, shard))
    return Tree(found)
