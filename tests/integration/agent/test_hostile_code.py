"""User code that wants more than it was given: the host's files, the agent's patience, a life after its job."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from sagesmith.agent import sandbox
from sagesmith.compute.base import Channel
from tests.integration.agent.conftest import BUCKET, RunningStore, Tasks

SECRET = "the host's own"


@pytest.fixture
def bait(tmp_path: Path) -> Path:
    """A directory of the host with the names that the agent looks for below /opt/ml/output."""
    folder = tmp_path / "bait"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "file").write_text(SECRET)
    (folder / "failure").write_text(SECRET)
    return folder


def artifact(store: RunningStore, task: str, name: str) -> dict[str, bytes | None]:
    """The entries of an uploaded archive; None is one that is no file."""
    body = store.get(f"s3://{BUCKET}/out/{task}/output/{name}")
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {entry.name: (tar.extractfile(entry) or io.BytesIO()).read() if entry.isreg() else None for entry in tar}


@pytest.mark.parametrize("link", ["/opt/ml/output", "/opt/ml/output/data", "/opt/ml/model"])
@pytest.mark.parametrize("code", [0, 1])
def test_a_link_in_the_place_of_a_directory_leads_to_no_file_of_the_host(
    tasks: Tasks, store: RunningStore, bait: Path, link: str, code: int
) -> None:
    task = f"link-{Path(link).name}-{code}"
    target = bait if link.endswith("output") else bait / "data"
    seen = tasks.run(
        task,
        f"rm -rf {link} 2>/dev/null || mv {link} /opt/ml/away; ln -s {target} {link}; exit {code}",
        s3=store.access,
        output_uri=f"s3://{BUCKET}/out",
    )
    assert seen.events[-1].state == ("Failed" if code else "Completed")
    assert SECRET not in seen.events[-1].detail.get("failure_reason", "")
    for key in store.keys(f"out/{task}/"):
        assert SECRET.encode() not in artifact(store, task, Path(key).name).values()
    assert (bait / "data" / "file").read_text() == SECRET


def test_only_files_and_inner_links_come_into_the_archive(tasks: Tasks, store: RunningStore) -> None:
    command = (
        "cd /opt/ml/model; ln -s /etc/shadow shadow; ln -s ../../../etc/passwd up; mkfifo pipe; touch 'a\nb';"
        "printf x > own; chmod 6777 own; ln -s own inner; ln own same; mknod device c 1 3; ln /etc/hosts hosts; true"
    )
    seen = tasks.run("kinds", command, s3=store.access, output_uri=f"s3://{BUCKET}/out")
    assert seen.events[-1].state == "Completed"
    assert sorted(artifact(store, "kinds", "model.tar.gz")) == ["a\nb", "inner", "own", "same"]


def test_nothing_of_a_task_runs_when_its_files_are_uploaded(tasks: Tasks, store: RunningStore) -> None:
    loop = "while :; do echo x >> /opt/ml/model/x; done"
    command = f"for n in 1 2 3 4; do setsid sh -c '{loop}' >/dev/null 2>&1 </dev/null & done; sleep 0.2"
    seen = tasks.run("daemons", command, s3=store.access, output_uri=f"s3://{BUCKET}/out")
    assert seen.events[-1].state == "Completed"
    size = (tasks.data / "tasks" / "daemons" / "opt_ml" / "model" / "x").stat().st_size
    uploaded = artifact(store, "daemons", "model.tar.gz")["x"]
    assert uploaded is not None
    assert len(uploaded) == size


FORKS = """
import os, resource, sys, time
print(*resource.getrlimit(resource.RLIMIT_NPROC))
resource.setrlimit(resource.RLIMIT_NPROC, (200, 200))
while True:
    try:
        if os.fork() == 0:
            time.sleep(600)
    except OSError:
        print("refused", flush=True)
        sys.exit(0)
"""


def test_a_task_can_make_only_so_many_processes_and_ends_with_all_of_them(tasks: Tasks) -> None:
    seen = tasks.run("bomb", command=["python", "-c", FORKS])
    assert seen.events[-1].state == "Completed"
    assert tasks.lines("bomb") == [f"{sandbox.MAX_PROCESSES} {sandbox.MAX_PROCESSES}", "refused"]
    assert [each.name for each in seen.processes if not each.name.startswith("agent:")] == []


def test_a_huge_failure_file_and_a_pipe_in_its_place_cost_nothing(tasks: Tasks) -> None:
    seen = tasks.run("huge", "truncate -s 20G /opt/ml/output/failure; exit 1")
    assert len(seen.events[-1].detail["failure_reason"]) <= 1024
    seen = tasks.run("pipe", "mkfifo /opt/ml/output/failure; echo said; exit 1")
    assert seen.events[-1].detail["failure_reason"] == "AlgorithmError: said, exit code: 1"


RIGHTS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH = 16
print("ptrace", libc.ptrace(PTRACE_ATTACH, 1, 0, 0))
print("mount", libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
for name in ("/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm", "/proc/kcore"):
    try:
        os.close(os.open(name, os.O_RDONLY))
        print("opened", name)
    except OSError:
        pass
try:
    os.setuid(0)
    print("root")
except OSError:
    pass
"""


def test_nothing_in_the_sandbox_gives_rights(tasks: Tasks) -> None:
    tasks.run("rights", command=["python", "-c", RIGHTS])
    assert tasks.lines("rights") == ["ptrace -1", "mount -1"]


def test_the_sockets_of_the_platform_and_of_other_tasks_do_not_show(tasks: Tasks) -> None:
    (tasks.sockets / "other").mkdir()
    (tasks.sockets / "other" / "http.sock").touch()
    try:
        tasks.run(
            "sockets",
            f"find / -type s 2>/dev/null; find / -name http.sock 2>/dev/null; ls -d {tasks.sockets}; echo end",
        )
        lines = tasks.lines("sockets")
        assert lines[-1] == "end"
        assert [line for line in lines if line.startswith("/")] == []
    finally:
        (tasks.sockets / "other" / "http.sock").unlink()
        (tasks.sockets / "other").rmdir()


def test_files_of_a_task_are_its_owners_alone(tasks: Tasks) -> None:
    tasks.run("modes", "true")
    root = tasks.data / "tasks" / "modes"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    for name in ("spec.json", "output.log", "agent.log"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o600
    assert os.geteuid() != 0 or (root / "opt_ml").stat().st_uid == sandbox.task_uid("modes")


def test_the_platforms_own_bucket_is_neither_input_nor_output(tasks: Tasks, store: RunningStore) -> None:
    bucket = "sagesmith-internal-123456789012"
    store.client().create_bucket(Bucket=bucket)
    store.client().put_object(Bucket=bucket, Key="regions/x", Body=b"eu-west-1")
    seen = tasks.run("reads", "true", s3=store.access, channels=[Channel("train", f"s3://{bucket}/regions/")])
    assert seen.events[-1].state == "Failed"
    assert "AccessDenied" in seen.events[-1].detail["failure_reason"]
    seen = tasks.run("writes", "echo m > /opt/ml/model/m", s3=store.access, output_uri=f"s3://{bucket}/regions")
    assert seen.events[-1].state == "Failed"
    assert [each["Key"] for each in store.client().list_objects_v2(Bucket=bucket)["Contents"]] == ["regions/x"]


DEEP = """
import os
for _ in range(3_000):
    os.mkdir("d")
    os.chdir("d")
"""


def test_directories_in_each_other_without_end_can_be_forgotten(tasks: Tasks) -> None:
    tasks.run("deep", command=["python", "-c", "import os; os.chdir('/opt/ml')" + DEEP])
    tasks.backend.forget("deep")
    assert not (tasks.data / "tasks" / "deep").exists()
    assert not list((tasks.data / "tasks").iterdir())
    tasks.another_backend()
