"""Which part of a channel a host gets."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sagesmith.agent.inputs.sources import Shard, channel_shard, channels_here, shuffled
from sagesmith.agent.taskdir import spec_from_json, spec_to_json
from sagesmith.compute.base import Channel, Checkpoints, S3Access, TaskSpec


def spec(host: str, channels: list[Channel]) -> TaskSpec:
    hosts = ["algo-1", "algo-2", "algo-3"]
    access = S3Access("http://127.0.0.1:9", "key", "secret", "us-east-1")
    names = ("id", "train", "job", "job", "arn", "image", "ml.m5.large")
    return TaskSpec(*names, hosts, host, access, "/tmp", channels=channels)


@given(st.lists(st.integers()), st.integers(1, 8))
def test_shards_are_a_whole_together_and_about_equal(items: list[int], count: int) -> None:
    parts = [Shard(index, count).of(items) for index in range(count)]
    assert sorted(item for part in parts for item in part) == sorted(items)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.lists(st.integers()), st.integers(), st.integers(0, 5))
def test_a_shuffle_keeps_all_and_is_the_same_on_every_host(items: list[int], seed: int, epoch: int) -> None:
    order = shuffled(items, seed, epoch)
    assert sorted(order) == sorted(items)
    assert order == shuffled(items, seed, epoch)
    assert shuffled(items, None, epoch) == items


def test_a_channel_of_some_hosts_is_sharded_over_them_and_unseen_by_others() -> None:
    channel = Channel("train", "s3://b/p", distribution="ShardedByS3Key", hosts=["algo-2", "algo-3"])
    assert channels_here(spec("algo-1", [channel])) == []
    assert channels_here(spec("algo-3", [channel])) == [channel]
    assert channel_shard(channel, spec("algo-3", [channel])) == Shard(1, 2)


def test_a_specification_is_read_as_it_was_written() -> None:
    channel = Channel("train", "s3://b/p", shuffle_seed=3, attribute_names=["a"], hosts=["algo-1"])
    written = spec("algo-1", [channel])
    for checkpoints in (None, Checkpoints("s3://b/c")):
        assert spec_from_json(spec_to_json(replace(written, checkpoints=checkpoints))).checkpoints == checkpoints
    assert spec_from_json(spec_to_json(written)).channels == [channel]
