"""All channels of a task, each in its input mode."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.inputs.files import download_channels
from sagesmith.agent.inputs.sources import channels_here
from sagesmith.agent.sandbox import Sandbox
from sagesmith.agent.task import Task
from sagesmith.compute.base import Channel

if TYPE_CHECKING:
    from sagesmith.agent.container import Container
    from sagesmith.agent.inputs.fastfile import FastFiles
    from sagesmith.agent.inputs.pipes import Pipe

_Isolation = TypeVar("_Isolation", "Sandbox", "Container")


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
        self._fast_files: FastFiles | None = None
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
        modes = ("File", "FastFile", "Pipe")
        files, fast_files, pipes = ([each for each in channels if each.input_mode == mode] for mode in modes)
        if fast_files and self._must_download(fast_files):
            files, fast_files = files + fast_files, []
        download_channels(task.s3, files, task.spec, self._root, task.output.say)
        if fast_files:
            from sagesmith.agent.inputs.fastfile import FastFiles

            self._fast_files = FastFiles(task, fast_files, self._root)
        if pipes:
            from sagesmith.agent.inputs.pipes import Pipe, epochs

            for channel in pipes:
                place = self._root / channel.name
                folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                epoch = epochs(task.s3, channel, task.spec, self._scratch, task.output.say)
                self._pipes.append(Pipe(replace(channel, name=place.name), folder, task.uid, epoch, self._break))

    def seen_from(self, isolation: _Isolation) -> _Isolation:
        """The sandbox or container with what its channels need."""
        return isolation if self._fast_files is None else replace(isolation, enter=self._fast_files.mount)

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Feed the channels that stream while the body runs: the sandbox has been started.

        Raises:
            OSError: a file system is not there.
        """
        if self._fast_files is not None:
            self._fast_files.serve()
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

    def _must_download(self, channels: list[Channel]) -> bool:
        """Whether there can be no file system of S3 objects here, which is said."""
        from sagesmith.agent.inputs.mounts import try_out

        reason = try_out(self._root)
        if reason is None and self._task.contained and os.geteuid() != 0:
            reason = "a container of an ordinary user does not see it"
        if reason is not None:
            names = ", ".join(each.name for each in channels)
            self._task.output.say(
                f"FastFile mode is not possible on this machine ({reason}): downloading channel {names} before the "
                "start, as in File mode. It needs /dev/fuse, readable and writable for the platform's user."
            )
        return reason is not None

    def _break(self, error: TaskFailed) -> None:
        self._broken = error
        # Python handles signals in the main thread, which this wakes.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGCHLD)
