"""Pipe mode: what a program reads from its channels' FIFOs."""

import gzip
import hashlib
import json
import struct
from typing import Any

import pytest

from sagesmith.compute.base import Channel, TaskObservation
from tests.integration.agent.conftest import BUCKET, RunningStore, Tasks

PIPE = "/opt/ml/input/data/train"


def pipe(uri: str, **changes: Any) -> Channel:
    return Channel("train", uri, input_mode="Pipe", **changes)


def run(tasks: Tasks, store: RunningStore, task_id: str, script: str, channel: Channel, **changes: Any) -> list[str]:
    seen = finished(tasks, store, task_id, script, channel, **changes)
    assert seen.events[-1].state == "Completed", (seen.events[-1], tasks.lines(task_id))
    return tasks.lines(task_id)


def finished(
    tasks: Tasks, store: RunningStore, task_id: str, script: str, channel: Channel, **changes: Any
) -> TaskObservation:
    return tasks.run(task_id, ["python", "-c", script], s3=store.access, channels=[channel], **changes)


def split_records(data: bytes) -> list[bytes]:
    found = []
    while data:
        magic, size = struct.unpack_from("<II", data)
        assert magic == 0xCED7230A
        found.append(data[8 : 8 + size])
        end = 8 + size + -size % 4
        assert not data[8 + size : end].strip(b"\0")
        data = data[end:]
    return found


SHOW = f"""
for epoch in range(2):
    print(open(f"{PIPE}_{{epoch}}", "rb").read().hex())
"""


def test_every_epoch_is_a_fifo_with_all_objects(tasks: Tasks, store: RunningStore) -> None:
    store.put("pipe/plain/a", b"one\n")
    store.put("pipe/plain/b", b"")
    store.put("pipe/plain/deep/c", b"two\n" * 2_000_000)
    script = f"""
import hashlib, os, stat
for epoch in range(3):
    path = f"{PIPE}_{{epoch}}"
    assert stat.S_ISFIFO(os.stat(path).st_mode)
    print(hashlib.sha256(open(path, "rb").read()).hexdigest())
print(sorted(os.listdir("/opt/ml/input/data")))
"""
    *digests, left = run(tasks, store, "epochs", script, pipe(f"s3://{BUCKET}/pipe/plain/"))
    assert len(set(digests)) == 1
    assert left == "['train_3']"


def test_shuffled_epochs_have_orders_of_their_own_and_a_seed_repeats_them(tasks: Tasks, store: RunningStore) -> None:
    for number in range(20):
        store.put(f"pipe/many/{number:02}", bytes([number]))
    channel = pipe(f"s3://{BUCKET}/pipe/many/", shuffle_seed=7)
    first = run(tasks, store, "shuffled", SHOW, channel)
    orders = [list(bytes.fromhex(line)) for line in first]
    assert [sorted(each) for each in orders] == [list(range(20))] * 2
    assert orders[0] != orders[1]
    assert run(tasks, store, "again", SHOW, channel) == first


def test_hosts_share_a_sharded_channel_anew_in_each_epoch(tasks: Tasks, store: RunningStore) -> None:
    for number in range(9):
        store.put(f"pipe/shards/{number}", bytes([number]))
    channel = pipe(f"s3://{BUCKET}/pipe/shards/", shuffle_seed=1, distribution="ShardedByS3Key")
    hosts = ["algo-1", "algo-2"]
    parts = [
        [list(bytes.fromhex(line)) for line in run(tasks, store, host, SHOW, channel, hosts=hosts, host=host)]
        for host in hosts
    ]
    for epoch in range(2):
        assert sorted(parts[0][epoch] + parts[1][epoch]) == list(range(9))
    assert set(parts[0][0]) != set(parts[0][1])


def test_objects_are_decompressed_and_wrapped_in_records(tasks: Tasks, store: RunningStore) -> None:
    contents = [b"x" * 5, b"", b"y" * 9_000_001]
    for number, content in enumerate(contents):
        # A file of two members is one content.
        store.put(f"pipe/gz/{number}", gzip.compress(content[:3]) + gzip.compress(content[3:]))
        store.put(f"pipe/raw/{number}", content)
    script = f"""
import shutil
shutil.copyfileobj(open("{PIPE}_0", "rb"), open("/opt/ml/model/stream", "wb"))
"""
    for task_id, folder, compression in (("gz", "gz", "Gzip"), ("raw", "raw", "None")):
        run(
            *(tasks, store, task_id, script),
            pipe(f"s3://{BUCKET}/pipe/{folder}/", compression=compression, record_wrapper="RecordIO"),
            output_uri=f"s3://{BUCKET}/pipe/out",
            compress_output=False,
        )
        assert split_records(store.get(f"s3://{BUCKET}/pipe/out/{task_id}/output/model/stream")) == contents


def test_an_augmented_manifest_streams_the_chosen_attributes(tasks: Tasks, store: RunningStore) -> None:
    images = [store.put(f"pipe/images/{number}.jpg", bytes([number]) * 3) for number in range(2)]
    lines = [{"class": number, "image-ref": uri, "note": "é", "other": 1} for number, uri in enumerate(images)]
    manifest = store.put("pipe/images.manifest", "".join(json.dumps(each) + "\n" for each in lines).encode())
    channel = pipe(
        manifest,
        s3_data_type="AugmentedManifestFile",
        attribute_names=["image-ref", "class", "note"],
        record_wrapper="RecordIO",
    )
    first, second = run(tasks, store, "augmented", SHOW, channel)
    expected = [b"\0\0\0", b"0", "é".encode(), b"\1\1\1", b"1", "é".encode()]
    assert split_records(bytes.fromhex(first)) == expected
    assert first == second


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "Line 2 of the augmented manifest"),
        ('{"class": 1}', "no attribute 'image-ref'"),
        (f'{{"image-ref": "s3://{BUCKET}/pipe/no-such-image"}}', f"s3://{BUCKET}/pipe/no-such-image"),
    ],
    ids=["no-json", "no-attribute", "no-object"],
)
def test_a_stream_that_breaks_off_fails_the_job_with_the_reason(
    tasks: Tasks, store: RunningStore, line: str, words: str
) -> None:
    image = store.put("pipe/good.jpg", b"good")
    manifest = store.put("pipe/bad.manifest", f'{{"image-ref": "{image}"}}\n{line}\n'.encode())
    channel = pipe(manifest, s3_data_type="AugmentedManifestFile", attribute_names=["image-ref"])
    seen = finished(tasks, store, "breaks", SHOW, channel)
    reason = seen.events[-1].detail["failure_reason"]
    assert reason.startswith("ClientError: Data download failed:")
    assert words in reason


def test_what_is_not_gzip_fails_the_job_naming_it(tasks: Tasks, store: RunningStore) -> None:
    uri = store.put("pipe/notgz/x", b"plain")
    seen = finished(tasks, store, "notgz", SHOW, pipe(uri, compression="Gzip"))
    assert f"{uri} is not compressed with gzip" in seen.events[-1].detail["failure_reason"]


@pytest.mark.parametrize(
    "script",
    [
        "print('never opens it')",
        f"open('{PIPE}_0', 'rb').read(10)",
        f"import os, signal; open('{PIPE}_0', 'rb').read(10); os.unlink('{PIPE}_1'); os.symlink('/etc', '{PIPE}_1')",
    ],
    ids=["never", "a-little", "other-files"],
)
def test_a_reader_that_stops_reading_holds_up_nothing(tasks: Tasks, store: RunningStore, script: str) -> None:
    store.put("pipe/large/x", bytes(8 << 20))
    run(tasks, store, "stops", script, pipe(f"s3://{BUCKET}/pipe/large/"))


def test_a_reader_that_hangs_is_ended_when_its_time_is_over(tasks: Tasks, store: RunningStore) -> None:
    store.put("pipe/large/x", bytes(8 << 20))
    script = f"import time; file = open('{PIPE}_0', 'rb'); file.read(10); print('read', flush=True); time.sleep(600)"
    tasks.start(
        "hangs",
        ["python", "-c", script],
        s3=store.access,
        channels=[pipe(f"s3://{BUCKET}/pipe/large/")],
    )
    tasks.wait_for_line("hangs", "read")
    tasks.backend.stop("hangs")
    assert tasks.wait("hangs", lambda seen: seen.ended).events[-1].state == "Stopped"


BOTH = """
import hashlib, os, sys, threading, time
files = [open("/opt/ml/input/data/train_0", "rb"), open("/opt/ml/input/data/fast/x", "rb")]
begun = [file.read(10) for file in files]
print("begun", flush=True)
while not os.path.exists("/opt/ml/checkpoints/go"):
    time.sleep(0.01)
print("reading", flush=True)
def read(file, begin):
    print(hashlib.sha256(begin + file.read()).hexdigest(), flush=True)
for pair in zip(files, begun):
    threading.Thread(target=read, args=pair).start()
"""


def start_both(tasks: Tasks, store: RunningStore, task_id: str, content: bytes) -> None:
    """Start a job that reads a pipe and a mounted file as soon as the file `go` is there."""
    store.put("pipe/both/x", content)
    channels = [pipe(f"s3://{BUCKET}/pipe/both/"), Channel("fast", f"s3://{BUCKET}/pipe/both/", input_mode="FastFile")]
    tasks.start(task_id, ["python", "-c", BOTH], s3=store.access, channels=channels)
    tasks.wait_for_line(task_id, "begun")


def go(tasks: Tasks, task_id: str) -> None:
    (tasks.data / "tasks" / task_id / "opt_ml" / "checkpoints" / "go").touch()
    tasks.wait_for_line(task_id, "reading")


def test_streams_wait_for_a_store_that_restarts(tasks: Tasks, store: RunningStore) -> None:
    content = bytes(range(256)) * (160 << 10)
    start_both(tasks, store, "restart", content)
    store.kill()
    go(tasks, "restart")
    store.start()
    seen = tasks.wait("restart", lambda seen: seen.ended)
    assert seen.events[-1].state == "Completed"
    assert tasks.lines("restart")[-2:] == [hashlib.sha256(content).hexdigest()] * 2


def test_a_job_that_waits_for_a_store_that_is_away_can_be_stopped(tasks: Tasks, store: RunningStore) -> None:
    start_both(tasks, store, "away", bytes(40 << 20))
    store.kill()
    try:
        go(tasks, "away")
        tasks.backend.stop("away")
        assert tasks.wait("away", lambda seen: seen.ended).events[-1].state == "Stopped"
    finally:
        store.start()
