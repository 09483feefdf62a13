"""FastFile mode: a channel's files as user code sees them."""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sagesmith.agent.inputs.mounts import try_out
from sagesmith.agent.taskdir import TaskDir, spec_to_json
from sagesmith.compute.base import Channel
from tests.integration.agent.conftest import BUCKET, RunningStore, Tasks

FOLDER = "/opt/ml/input/data/train"


@pytest.fixture(autouse=True)
def possible(tmp_path: Path) -> None:
    reason = try_out(tmp_path)
    if reason is not None:
        pytest.skip(reason)


def fast(folder: str) -> Channel:
    return Channel("train", f"s3://{BUCKET}/{folder}", input_mode="FastFile")


def run(tasks: Tasks, store: RunningStore, task_id: str, script: str, *channels: Channel) -> list[str]:
    seen = tasks.run(task_id, ["python", "-c", script], s3=store.access, channels=list(channels))
    assert seen.events[-1].state == "Completed", (seen.events[-1], tasks.lines(task_id))
    return tasks.lines(task_id)


def test_files_look_and_read_like_files(tasks: Tasks, store: RunningStore) -> None:
    content = random.Random(1).randbytes(20_000_003)
    store.put("fast/look/deep/er/large", content)
    store.put("fast/look/empty", b"")
    store.put("fast/look/é ü", b"small")
    script = f"""
import hashlib, mmap, os, random
os.chdir("{FOLDER}")
for folder, folders, files in os.walk("."):
    print(folder, sorted(folders), sorted(files))
print(os.path.getsize("empty"), open("empty").read() == "", open("é ü").read(), os.path.exists("none"))
with open("deep/er/large", "rb") as file:
    print(hashlib.sha256(file.read()).hexdigest())
    random.seed(2)
    for _ in range(50):
        at = random.randrange(20_000_003)
        file.seek(at)
        print(at, hashlib.sha256(file.read(random.randrange(3_000_000))).hexdigest())
    with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        print(mapped[-5:].hex())
for wrong in (lambda: open("new", "w"), lambda: open("empty", "a"), lambda: os.remove("empty"), lambda: os.mkdir("d")):
    try:
        wrong()
    except OSError as error:
        print(error.strerror)
"""
    lines = run(tasks, store, "look", script, fast("fast/look/"))
    assert lines[:4] == [
        ". ['deep'] ['empty', 'é ü']",
        "./deep ['er'] []",
        "./deep/er [] ['large']",
        "0 True small False",
    ]
    assert lines[4] == hashlib.sha256(content).hexdigest()
    generator = random.Random(2)
    for line in lines[5:55]:
        at, size = generator.randrange(20_000_003), generator.randrange(3_000_000)
        assert line == f"{at} {hashlib.sha256(content[at : at + size]).hexdigest()}"
    assert lines[55] == content[-5:].hex()
    assert lines[56:] == ["Read-only file system"] * 4


def test_a_folder_of_many_files_is_listed_whole(tasks: Tasks, store: RunningStore) -> None:
    client = store.client()
    for number in range(1500):
        client.put_object(Bucket=BUCKET, Key=f"fast/many/{number:05}", Body=b"%d" % number)
    script = f"""
import os
names = os.listdir("{FOLDER}")
print(len(names), len(set(names)), sum(int(open(os.path.join("{FOLDER}", name)).read()) for name in names))
"""
    assert run(tasks, store, "many", script, fast("fast/many/")) == [f"1500 1500 {sum(range(1500))}"]


def test_what_is_not_read_is_not_fetched(tasks: Tasks, store: RunningStore) -> None:
    size = 64 << 20
    for number in range(4):
        store.put(f"fast/large/{number}", os.urandom(size))
    received = Path(f"/proc/{store.process.pid}/io")

    def sent() -> int:
        return int(received.read_text().split("wchar: ")[1].split()[0])

    before = sent()
    script = f"import os; print(len(os.listdir('{FOLDER}')), len(open('{FOLDER}/0', 'rb').read(1)))"
    assert run(tasks, store, "one", script, fast("fast/large/")) == ["4 1"]
    assert sent() - before < size


def test_several_channels_are_mounted_beside_downloaded_ones(tasks: Tasks, store: RunningStore) -> None:
    for name in "ab":
        store.put(f"fast/several/{name}/x", name.encode())
    channels = [
        Channel("first", f"s3://{BUCKET}/fast/several/a/", input_mode="FastFile"),
        Channel("second", f"s3://{BUCKET}/fast/several/b/", input_mode="FastFile"),
        Channel("third", f"s3://{BUCKET}/fast/several/b/"),
    ]
    script = "print(*(open(f'/opt/ml/input/data/{name}/x').read() for name in ('first', 'second', 'third')))"
    assert run(tasks, store, "several", script, *channels) == ["a b b"]
    assert "fuse.s3" not in Path("/proc/self/mounts").read_text()


def test_an_object_that_changes_before_it_is_read_is_an_error_that_the_log_explains(
    tasks: Tasks, store: RunningStore
) -> None:
    store.put("fast/changes/first", b"which is fetched ahead")
    uri = store.put("fast/changes/x", b"what was listed")
    script = f"""
import os, time
print("started", flush=True)
while not os.path.exists("/opt/ml/checkpoints/go"):
    time.sleep(0.01)
try:
    open("{FOLDER}/x").read()
except OSError as error:
    print(error.strerror)
"""
    tasks.start("changes", ["python", "-c", script], s3=store.access, channels=[fast("fast/changes/")])
    tasks.wait_for_line("changes", "started")
    store.put("fast/changes/x", b"something else")
    (tasks.data / "tasks" / "changes" / "opt_ml" / "checkpoints" / "go").touch()
    tasks.wait("changes", lambda seen: seen.ended)
    assert tasks.lines("changes")[-1] == "Input/output error"
    assert any(line.startswith(f"{uri} cannot be read: ") for line in tasks.lines("changes"))


def test_an_agent_that_is_killed_takes_its_mounts_with_it(tasks: Tasks, store: RunningStore) -> None:
    store.put("fast/killed/x", b"x")
    script = f"import time; open('{FOLDER}/x').read(); print('read', flush=True); time.sleep(600)"
    tasks.start("killed", ["python", "-c", script], s3=store.access, channels=[fast("fast/killed/")])
    seen = tasks.wait_for_line("killed", "read")
    sandbox = next(each.pid for each in seen.processes if each.name.startswith("job:"))
    agent = next(each.pid for each in seen.processes if each.name.startswith("agent:"))
    mounts = Path(f"/proc/{sandbox}/mounts").read_text()
    assert f"s3 {FOLDER} fuse.s3 ro," in mounts
    os.kill(agent, 9)
    tasks.wait("killed", lambda seen: seen.lost)
    tasks.backend.kill("killed")
    assert not Path(f"/proc/{sandbox}").exists()
    assert "fuse.s3" not in Path("/proc/self/mounts").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root covers a device")
def test_without_the_device_the_channel_is_downloaded_and_the_first_line_says_so(
    tasks: Tasks, store: RunningStore
) -> None:
    store.put("fast/fallback/x", b"content")
    command = ["cat", f"{FOLDER}/x"]
    spec = tasks.spec("fallback", command, s3=store.access, channels=[fast("fast/fallback/")])
    directory = TaskDir(tasks.data / "tasks" / "fallback")
    directory.root.mkdir(parents=True)
    directory.spec.write_text(spec_to_json(spec))
    agent = f"mount --bind /dev/null /dev/fuse && exec {sys.executable} -m sagesmith.agent {directory.root}"
    subprocess.run(["unshare", "--mount", "sh", "-c", agent], check=True)
    first, second = tasks.lines("fallback")
    assert first.startswith("FastFile mode is not possible on this machine (mount(2): Invalid argument): downloading")
    assert second == "content"
