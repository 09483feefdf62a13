"""All channels of a task, each in its input mode."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.inputs.files import download_channels
from sagesmith.agent.inputs.sources import channels_here
from sagesmith.agent.sandbox import Sandbox
from sagesmith.agent.task import Task

if TYPE_CHECKING:
    from sagesmith.agent.inputs.pipes import Pipe


class Inputs:
    """The channels of a task at work.

    Args:
        root: where the channels' folders and FIFOs are.
        scratch: a directory that user code does not see.
    """

    def __init__(self, task: Task, root: Path, scratch: Path) -> None:
        self._task = task
        self._root = root
        self._scratch = scratch
        self._pipes: list[Pipe] = []
        self._broken: TaskFailed | None = None

    def stage(self) -> None:
        """Make available what user code finds at its start.

        Raises:
            TaskFailed: with AWS's "ClientError: Data download failed: …".
            OSError: the disk is full, or fails.
        """
        task, channels = self._task, channels_here(self._task.spec)
        if not channels:
            return
        by_mode = {mode: [each for each in channels if each.input_mode == mode] for mode in ("File", "Pipe")}
        download_channels(task.s3, by_mode["File"], task.spec, self._root, task.output.say)
        if by_mode["Pipe"]:
            from sagesmith.agent.inputs.pipes import Pipe, epochs

            folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for channel in by_mode["Pipe"]:
                epoch = epochs(task.s3, channel, task.spec, self._scratch, task.output.say)
                self._pipes.append(Pipe(channel, folder, task.uid, epoch, self._break))

    def seen_from(self, sandbox: Sandbox) -> Sandbox:
        """The sandbox with what its channels need."""
        return sandbox

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Feed the channels that stream while the body runs."""
        for pipe in self._pipes:
            pipe.start()
        try:
            yield
        finally:
            for pipe in self._pipes:
                pipe.close()

    def check(self) -> None:
        """Call it whenever the main thread wakes.

        Raises:
            TaskFailed: a stream broke off.
        """
        if self._broken is not None:
            raise self._broken

    def _break(self, error: TaskFailed) -> None:
        self._broken = error
        # Python handles signals in the main thread, which this wakes.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGCHLD)
