"""File mode: everything is there before user code starts."""

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.inputs.failures import both_folder_and_file, download_failed
from sagesmith.agent.inputs.sources import Shard, Source, below, channel_shard, objects, safe
from sagesmith.compute.base import Channel, TaskSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sagesmith.agent.s3 import S3, S3Object


def download_channels(
    s3: "S3", channels: "Sequence[Channel]", spec: TaskSpec, root: Path, notice: "Callable[[str], None]"
) -> None:
    """Fetch this host's part of every channel into a folder of its name below `root`.

    Args:
        notice: told of channels that have nothing for this host.

    Raises:
        TaskFailed: with AWS's "ClientError: Data download failed: …".
        OSError: the disk is full, or fails.
    """
    wanted = []
    for channel in channels:
        shard = channel_shard(channel, spec)
        found = _listed(s3, Source(channel.s3_uri, channel.s3_data_type), root / channel.name, shard, spec.s3.region)
        if not found:
            notice(no_data(channel.name, shard))
        wanted += found
    _download(s3, wanted)


def fetch(s3: "S3", source: Source, folder: Path, region: str, shard: Shard | None = None) -> int:
    """Fetch a source, or one host's part of it, into a folder, which is made; the number of files.

    Raises:
        TaskFailed: with AWS's "ClientError: Data download failed: …".
        OSError: the disk is full, or fails.
    """
    files = _listed(s3, source, folder, shard or Shard(), region)
    _download(s3, files)
    return len(files)


def fetch_all(s3: "S3", bucket: str, prefix: str, folder: Path) -> None:
    """Fetch what lies below a prefix taken as a folder; it may be empty.

    Raises:
        S3Failed: S3 does not give it.
        TaskFailed: a name cannot be a file's.
        OSError: the disk is full, or fails.
    """
    base = f"{prefix.rstrip('/')}/" if prefix else ""
    names = ((entry, entry.key[len(base) :]) for entry in s3.list(bucket, base))
    files = [(entry, folder / safe(name, entry.uri)) for entry, name in names if name and not name.endswith("/")]
    if files:
        _check_room(files)
        _make_parents(files)
        s3.download(files)


def no_data(channel: str, shard: Shard) -> str:
    """AWS starts a job of more hosts than objects too: "some nodes won't get any data" (S3DataSource)."""
    return (
        f"Channel {channel} has fewer objects than hosts: ShardedByS3Key leaves none for host {shard.index + 1} of "
        f"{shard.count}."
    )


def download_prefix(s3: "S3", uri: str, root: Path, max_bytes: int) -> None:
    """Fetch all objects below a prefix, an uncompressed model, into `root`.

    Raises:
        TaskFailed: there are none, or they are too big.
    """
    from sagesmith.agent.s3 import S3Failed

    try:
        files = [(entry, root / name) for entry, name in below(s3, uri)]
        size = sum(entry.size for entry, _ in files)
        if not files:
            raise TaskFailed(
                f"ClientError: Could not find model data at {uri}. Please ensure that objects exist under this prefix."
            )
        if size > max_bytes:
            raise TaskFailed(f"ClientError: The model at {uri} has {size} bytes; there is room for {max_bytes}.")
        _make_parents(files)
        s3.download(files)
    except S3Failed as error:
        raise TaskFailed(f"ClientError: Failed to download the model at {uri}: {error.code}: {error}") from error


def _listed(s3: "S3", source: Source, folder: Path, shard: Shard, region: str) -> "list[tuple[S3Object, Path]]":
    folder.mkdir(parents=True, exist_ok=True)
    return [(entry, folder / name) for entry, name in shard.of(objects(s3, source, region))]


def _download(s3: "S3", files: "list[tuple[S3Object, Path]]") -> None:
    from sagesmith.agent.s3 import S3Failed

    if not files:
        return
    _check_room(files)
    _make_parents(files)
    try:
        s3.download(files)
    except S3Failed as error:
        raise download_failed(f"{error.code}: {error}") from error


def _check_room(files: "list[tuple[S3Object, Path]]") -> None:
    """A disk that is too small is known before the first hour of a download, not after it."""
    existing = next(path for path in files[0][1].parents if path.exists())
    if sum(entry.size for entry, _ in files) > shutil.disk_usage(existing).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _make_parents(files: "list[tuple[S3Object, Path]]") -> None:
    paths = {path for _, path in files}
    for parent in {path.parent for path in paths}:
        try:
            if parent in paths:
                raise FileExistsError
            parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise both_folder_and_file() from error
