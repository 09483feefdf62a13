"""Pipe mode: `/opt/ml/input/data/<channel>_<epoch>`, a FIFO an epoch that the channel's objects stream into.

The FIFO of the next epoch is there as soon as somebody reads the present one. Nobody has to read, or to read to the
end: a reader that goes away ends its epoch, and one that stops reading holds up nothing but its own stream.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

import contextlib
import fcntl
import itertools
import os
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent.failures import TaskFailed, machine_failed
from sagesmith.agent.inputs import streams
from sagesmith.agent.inputs.ahead import Piece, pieces_of, read_ahead
from sagesmith.agent.inputs.augmented import AugmentedManifest
from sagesmith.agent.inputs.failures import download_failed, s3_said
from sagesmith.agent.inputs.files import no_data
from sagesmith.agent.inputs.sources import Source, channel_shard, objects, shuffled
from sagesmith.compute.base import Channel, TaskSpec

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3

_PIPE_BYTES = 1 << 20
_READERS = 4
Epoch = Callable[[int], Iterable[Piece]]
_STREAMS = {
    ("None", "None"): streams.plain,
    ("None", "RecordIO"): streams.records,
    ("Gzip", "None"): streams.decompressed,
    ("Gzip", "RecordIO"): streams.decompressed_records,
}


class _Abandoned(OSError):
    """User code, which owns the directory, put something else in a FIFO's place: it wants no more of them."""


class Pipe:
    """One channel's FIFOs. `start` begins to feed them, in a thread.

    Args:
        folder: descriptor of the directory that the FIFOs are made in. User code may rename it, and put links into it.
        uid: who may read them.
        epoch: the pieces of an epoch, from its number.
        failed: told why the stream broke. The FIFO stays open then: its end would look like the end of the data.
    """

    def __init__(
        self, channel: Channel, folder: int, uid: int, epoch: Epoch, failed: Callable[[TaskFailed], None]
    ) -> None:
        self._channel = channel
        self._folder = folder
        self._uid = uid
        self._epoch = epoch
        self._failed = failed
        self._closed = False
        self._made: list[str] = []
        self._make(0)

    def start(self) -> None:
        threading.Thread(target=self._feed, name=f"pipe-{self._channel.name}", daemon=True).start()

    def close(self) -> None:
        """End the thread that waits for a reader; user code has ended."""
        self._closed = True
        for name in self._made:
            with contextlib.suppress(OSError):
                os.close(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=self._folder))

    def _feed(self) -> None:
        pool = ThreadPoolExecutor(_READERS, "pipe-ahead")
        try:
            for number in itertools.count():
                target = self._wait_for_reader(number)
                if self._closed:
                    os.close(target)
                    return
                self._make(number + 1)
                with contextlib.suppress(BrokenPipeError):
                    self._write_epoch(number, target, pool)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._name(number), dir_fd=self._folder)
                os.close(target)
        except _Abandoned:
            pass
        except TaskFailed as error:
            self._failed(error)
        except OSError as error:
            self._failed(machine_failed(error, f"streaming channel {self._channel.name}"))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            said = f"{type(error).__name__}: {error}"
            self._failed(TaskFailed(f"InternalServerError: channel {self._channel.name} broke off: {said}"))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _write_epoch(self, number: int, target: int, pool: ThreadPoolExecutor) -> None:
        from sagesmith.agent.s3 import S3Failed

        shape = _STREAMS[self._channel.compression, self._channel.record_wrapper]
        try:
            with contextlib.closing(read_ahead(self._epoch(number), pool)) as content:
                for data in shape(content):
                    rest = memoryview(data)
                    while rest:
                        rest = rest[os.write(target, rest) :]
        except S3Failed as error:
            raise download_failed(f"{error.code}: {error} (channel {self._channel.name})") from error

    def _wait_for_reader(self, number: int) -> int:
        try:
            target = os.open(self._name(number), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError as error:
            raise _Abandoned(error.errno, error.strerror) from error
        if not stat.S_ISFIFO(os.fstat(target).st_mode):
            os.close(target)
            raise _Abandoned
        with contextlib.suppress(OSError):
            fcntl.fcntl(target, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return target

    def _make(self, number: int) -> None:
        name = self._name(number)
        try:
            os.mkfifo(name, 0o600, dir_fd=self._folder)
            if self._uid != os.geteuid():
                os.chown(name, self._uid, self._uid, dir_fd=self._folder, follow_symlinks=False)
        except OSError as error:
            raise _Abandoned(error.errno, error.strerror) from error
        self._made = [*self._made[-1:], name]

    def _name(self, number: int) -> str:
        return f"{self._channel.name}_{number}"


def epochs(s3: "S3", channel: Channel, spec: TaskSpec, scratch: Path, notice: Callable[[str], None]) -> Epoch:
    """What streams in each epoch of a channel on this host.

    Args:
        scratch: a directory that user code does not see.
        notice: told of a channel that has nothing for this host.

    Raises:
        TaskFailed: there is no such data.
        OSError: the disk is full, or fails.
    """
    shard, seed = channel_shard(channel, spec), channel.shuffle_seed
    if channel.s3_data_type == "AugmentedManifestFile":
        manifest = _augmented(s3, channel, spec, scratch)
        if not shard.of(range(len(manifest))):
            notice(no_data(channel.name, shard))
        return lambda number: manifest.pieces(s3, shard.of(shuffled(range(len(manifest)), seed, number)))
    found = [entry for entry, _ in objects(s3, Source(channel.s3_uri, channel.s3_data_type), spec.s3.region)]
    if not shard.of(found):
        notice(no_data(channel.name, shard))
    return lambda number: (piece for entry in shard.of(shuffled(found, seed, number)) for piece in pieces_of(s3, entry))


def _augmented(s3: "S3", channel: Channel, spec: TaskSpec, scratch: Path) -> AugmentedManifest:
    from sagesmith.agent.s3 import S3Failed, split_uri

    path = scratch / f"{channel.name}.manifest"
    try:
        s3.download([(entry, path) for entry in s3.look_up([split_uri(channel.s3_uri)])])
    except S3Failed as error:
        raise download_failed(s3_said(channel.s3_uri, error.code, str(error), spec.s3.region)) from error
    return AugmentedManifest(path, channel.s3_uri, channel.attribute_names)
