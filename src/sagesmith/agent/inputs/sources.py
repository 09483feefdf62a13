"""Which objects a source of data in S3 has, and which of them are for this host.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from sagesmith.agent.inputs.failures import download_failed, nothing_found, s3_said
from sagesmith.compute.base import Channel, TaskSpec

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3, S3Object

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Source:
    """Data in S3: `uri` is a prefix (`S3Prefix`) or an object that lists others (`ManifestFile`)."""

    uri: str
    data_type: str = "S3Prefix"


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of a source that one of `count` hosts gets: every `count`-th object, beginning with the `index`-th."""

    index: int = 0
    count: int = 1

    def of(self, items: Sequence[_Item]) -> list[_Item]:
        return list(items[self.index :: self.count])


def shard_of(distribution: str, hosts: Sequence[str], host: str) -> Shard:
    """This host's part: all of it unless the distribution is `ShardedByS3Key`."""
    return Shard(hosts.index(host), len(hosts)) if distribution == "ShardedByS3Key" else Shard()


def channels_here(spec: TaskSpec) -> list[Channel]:
    """The channels that this host has: one of an instance group is not seen by other groups' hosts."""
    return [channel for channel in spec.channels if not channel.hosts or spec.host in channel.hosts]


def channel_shard(channel: Channel, spec: TaskSpec) -> Shard:
    return shard_of(channel.distribution, channel.hosts or spec.hosts, spec.host)


def shuffled(items: Sequence[_Item], seed: int | None, epoch: int) -> list[_Item]:
    """The order of an epoch: the same on every host, so that their parts are disjoint in each epoch."""
    ordered = list(items)
    if seed is not None:
        import random

        random.Random(f"{seed}/{epoch}").shuffle(ordered)  # noqa: S311 - an order, not a secret
    return ordered


def objects(s3: "S3", source: Source, region: str) -> list[tuple["S3Object", str]]:
    """A source's objects, in the order of their keys or of the manifest, and their names relative to its folder.

    Raises:
        TaskFailed: there are none, or S3 does not give them, or the manifest is wrong.
    """
    from sagesmith.agent.s3 import S3Failed

    try:
        found = _listed_in_manifest(s3, source.uri) if source.data_type == "ManifestFile" else below(s3, source.uri)
    except S3Failed as error:
        raise download_failed(s3_said(source.uri, error.code, str(error), region)) from error
    if not found:
        raise download_failed(nothing_found(source.uri, region))
    return found


def below(s3: "S3", uri: str) -> list[tuple["S3Object", str]]:
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
            entries = inside
    named = ((entry, entry.key[len(base) :]) for entry in entries)
    return [(entry, safe(name, entry.uri)) for entry, name in named if name and not name.endswith("/")]


def _listed_in_manifest(s3: "S3", uri: str) -> list[tuple["S3Object", str]]:
    """`ManifestFile`: `[{"prefix": "s3://bucket/folder/"}, "key", …]`."""
    from sagesmith.agent.s3 import split_uri

    bucket, key = split_uri(uri)
    try:
        manifest: Any = json.loads(s3.read(bucket, key))
        prefix = manifest[0]["prefix"]
        names = manifest[1:]
        if not isinstance(prefix, str) or not all(isinstance(name, str) for name in names):
            raise TypeError
    except (ValueError, TypeError, LookupError) as error:
        raise download_failed(
            f"The manifest {uri} is not valid: a JSON list is expected, first "
            '{"prefix": "s3://bucket/folder/"}, then the names of objects below it'
        ) from error
    relative = [safe(name, prefix + name) for name in names]
    return list(zip(s3.look_up([split_uri(prefix + name) for name in names]), relative, strict=True))


def safe(name: str, uri: str) -> str:
    """The name as a path below a folder.

    Raises:
        TaskFailed: it leads out of it.
    """
    parts = PurePosixPath(name).parts
    if ".." in parts or name.startswith("/") or "\0" in name:
        raise download_failed(f"The name of {uri} leads out of its channel's folder")
    return name
