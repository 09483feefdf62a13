"""Input channels: from S3 into /opt/ml/input/data/<channel>."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sagesmith.agent.failures import TaskFailed
from sagesmith.compute.base import Channel

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3, S3Object


def download_channels(s3: "S3", channels: list[Channel], root: Path, region: str) -> int:
    """Fetch every channel into a folder of its name below `root`; the number of bytes.

    Raises:
        TaskFailed: with AWS's "ClientError: Data download failed: …".
    """
    files: list[tuple[S3Object, Path]] = []
    for channel in channels:
        folder = root / channel.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            found = [(entry, folder / name) for entry, name in _objects(s3, channel)]
        except _s3_failed() as error:
            raise _download_failed(_reason(channel.s3_uri, error.code, str(error), region)) from error
        if not found:
            raise _download_failed(_nothing_found(channel.s3_uri, region))
        files += found
    _make_parents(files)
    try:
        s3.download(files)
    except _s3_failed() as error:
        raise _download_failed(f"{error.code}: {error}") from error
    return sum(entry.size for entry, _ in files)


def download_prefix(s3: "S3", uri: str, root: Path, max_bytes: int) -> None:
    """Fetch all objects below a prefix, an uncompressed model, into `root`.

    Raises:
        TaskFailed: there are none, or they are too big.
    """
    try:
        files = [(entry, root / name) for entry, name in _below_prefix(s3, uri)]
        size = sum(entry.size for entry, _ in files)
        if not files:
            raise TaskFailed(
                f"ClientError: Could not find model data at {uri}. Please ensure that objects exist under this prefix."
            )
        if size > max_bytes:
            raise TaskFailed(f"ClientError: The model at {uri} has {size} bytes; there is room for {max_bytes}.")
        _make_parents(files)
        s3.download(files)
    except _s3_failed() as error:
        raise TaskFailed(f"ClientError: Failed to download the model at {uri}: {error.code}: {error}") from error


def _objects(s3: "S3", channel: Channel) -> Iterator[tuple["S3Object", str]]:
    """A channel's objects and the names of their files, relative to the channel's folder."""
    if channel.s3_data_type == "ManifestFile":
        yield from _listed_in_manifest(s3, channel.s3_uri)
    else:
        yield from _below_prefix(s3, channel.s3_uri)


def _below_prefix(s3: "S3", uri: str) -> Iterator[tuple["S3Object", str]]:
    """`S3Prefix`: every key that begins with it. Names are relative to the prefix's last slash, as at AWS."""
    from sagesmith.agent.s3 import split_uri

    bucket, prefix = split_uri(uri)
    base = prefix[: prefix.rfind("/") + 1]
    entries = list(s3.list(bucket, prefix))
    # A prefix without its slash stands for the folder of that name, if there is one and no such object.
    if prefix and not prefix.endswith("/") and not any(entry.key == prefix for entry in entries):
        inside = [entry for entry in entries if entry.key.startswith(prefix + "/")]
        if inside:
            base = prefix + "/"
            entries = [*inside]
    for entry in entries:
        name = entry.key[len(base) :]
        if name and not name.endswith("/"):
            yield entry, _safe(name, entry.uri)


def _listed_in_manifest(s3: "S3", uri: str) -> Iterator[tuple["S3Object", str]]:
    """`ManifestFile`: `[{"prefix": "s3://bucket/folder/"}, "key", …]` (S3DataSource in the API reference)."""
    from sagesmith.agent.s3 import S3Object, split_uri

    bucket, key = split_uri(uri)
    try:
        manifest: Any = json.loads(s3.read(bucket, key))
        prefix = manifest[0]["prefix"]
        names = manifest[1:]
        if not isinstance(prefix, str) or not all(isinstance(name, str) for name in names):
            raise TypeError
    except (ValueError, TypeError, LookupError) as error:
        raise _download_failed(
            f"The manifest {uri} is not valid: a JSON list is expected, first "
            '{"prefix": "s3://bucket/folder/"}, then the names of objects below it'
        ) from error
    for name in names:
        target, path = split_uri(prefix + name)
        yield S3Object(target, path, s3.size(target, path)), _safe(name, prefix + name)


def _make_parents(files: list[tuple["S3Object", Path]]) -> None:
    paths = {path for _, path in files}
    for parent in {path.parent for path in paths}:
        try:
            if parent in paths:
                raise FileExistsError
            parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise _download_failed(
                "Failed to download data. Please check your s3 objects and ensure that there is no object that is both "
                "a folder as well as a file."
            ) from error


def _safe(name: str, uri: str) -> str:
    parts = PurePosixPath(name).parts
    if ".." in parts or name.startswith("/") or "\0" in name:
        raise _download_failed(f"The name of {uri} leads out of its channel's folder")
    return name


def _nothing_found(uri: str, region: str) -> str:
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in '
        f"the selected region ({region}) and that objects exist under that S3 prefix."
    )


def _reason(uri: str, code: str, message: str, region: str) -> str:
    if code in ("NoSuchBucket", "404"):
        return _nothing_found(uri, region)
    return f"{code}: {message} ({uri})"


def _download_failed(message: str) -> TaskFailed:
    return TaskFailed(f"ClientError: Data download failed:{message}")


def _s3_failed() -> Any:
    from sagesmith.agent.s3 import S3Failed

    return S3Failed
