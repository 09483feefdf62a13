"""Serving tasks: a model server comes up on its socket, or the reason why it does not."""

import http.client
import io
import os
import signal
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagesmith.compute.base import TaskObservation
from tests.integration.agent.conftest import BUCKET, RunningStore, Tasks

ECHO = """
import os
def model_fn(model_dir):
    print("loading", os.listdir(model_dir))
    return open(os.path.join(model_dir, "weights")).read()
def transform_fn(model, body, content_type, accept):
    return model + ":" + str(len(body)), "text/plain"
"""
Entry = tuple[tarfile.TarInfo, bytes | None]


def entry(name: str, content: bytes = b"", **fields: Any) -> Entry:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def archive(*entries: Entry) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def code(script: str) -> bytes:
    return archive(entry("inference.py", script.encode()))


def start(tasks: Tasks, store: RunningStore, name: str, model: bytes | None, script: str, **changes: Any) -> None:
    tasks.start(
        name,
        kind="serve",
        s3=store.access,
        model_data=store.put(f"{name}/model.tar.gz", model) if model is not None else None,
        code=store.put(f"{name}/code.tar.gz", code(script)),
        environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/code"},
        **changes,
    )


def is_up(seen: TaskObservation) -> bool:
    return seen.address is not None


def request(seen: TaskObservation, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    assert seen.address is not None
    connection = http.client.HTTPConnection("model")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(seen.address.removeprefix("unix:"))
    connection.request(method, path, body, {"Content-Type": "text/plain"})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def failure(tasks: Tasks, name: str) -> str:
    seen = tasks.wait(name, lambda seen: seen.ended)
    assert seen.events[-1].state == "Failed"
    return str(seen.events[-1].detail["failure_reason"])


def test_a_model_server_answers_on_its_socket_until_it_is_killed(tasks: Tasks, store: RunningStore) -> None:
    start(tasks, store, "up", archive(entry("weights", b"w1"), entry("./deep/x", b"1")), ECHO)
    seen = tasks.wait("up", is_up)
    assert [each.state for each in seen.events] == ["Starting", "Downloading", "Serving"]
    assert {each.name for each in seen.processes} == {"agent:up", "model:up"}
    assert request(seen, "GET", "/ping")[0] == 200
    assert request(seen, "POST", "/invocations", b"12345") == (200, b"w1:5")
    # Predictions do not give way to jobs.
    assert {os.getpriority(os.PRIO_PROCESS, each.pid) for each in seen.processes} == {0}
    again = tasks.another_backend().inspect("up")
    assert again is not None
    assert again.address == seen.address
    tasks.backend.kill("up")
    ended = tasks.backend.inspect("up")
    assert ended is not None
    assert ended.lost
    assert ended.address is None
    assert ended.processes == []


def test_a_model_server_that_is_stopped_ends(tasks: Tasks, store: RunningStore) -> None:
    start(tasks, store, "stop", archive(entry("weights", b"w")), ECHO)
    tasks.wait("stop", is_up)
    tasks.backend.stop("stop")
    assert tasks.wait("stop", lambda seen: seen.ended).events[-1].state == "Stopped"


def test_a_killed_model_server_fails_the_task(tasks: Tasks, store: RunningStore) -> None:
    start(tasks, store, "crash", archive(entry("weights", b"w")), ECHO)
    seen = tasks.wait("crash", is_up)
    os.kill(next(each.pid for each in seen.processes if each.name == "model:crash"), signal.SIGKILL)
    assert "exit code 137" in failure(tasks, "crash")


def test_a_model_that_cannot_be_loaded_fails_with_the_servers_last_lines(tasks: Tasks, store: RunningStore) -> None:
    start(tasks, store, "raises", None, "def model_fn(model_dir):\n    raise ValueError('no such luck')\n")
    assert "no such luck" in failure(tasks, "raises")


def test_a_model_that_is_never_loaded_fails_when_its_time_is_over(tasks: Tasks, store: RunningStore) -> None:
    script = "import time\ndef model_fn(model_dir):\n    print('thinking')\n    time.sleep(600)\n"
    start(tasks, store, "slow", None, script, startup_timeout_seconds=1.0)
    reason = failure(tasks, "slow")
    assert "did not pass its health check within 1 seconds" in reason
    assert "thinking" in reason


def test_a_model_below_a_prefix_is_copied_as_it_is(tasks: Tasks, store: RunningStore) -> None:
    store.put("plain-model/weights", b"w2")
    store.put("plain-model/deep/x", b"x")
    tasks.start(
        "prefix",
        kind="serve",
        s3=store.access,
        model_data=f"s3://{BUCKET}/plain-model/",
        code=store.put("prefix/code.tar.gz", code(ECHO)),
        environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/code"},
    )
    assert request(tasks.wait("prefix", is_up), "POST", "/invocations", b"1") == (200, b"w2:1")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (b"this is no archive at all", "it is not a tar archive"),
        (archive(entry("fine", b"1"), entry("../../etc/x", b"evil")), "'../../etc/x'"),
        (archive(entry("/etc/x", b"evil")), "'/etc/x'"),
        (archive(entry("link", type=tarfile.SYMTYPE, linkname="/etc")), "'link'"),
        (archive(entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "'null'"),
        (archive(entry("weights", os.urandom(1 << 16)))[: 1 << 15], "damaged"),
    ],
    ids=["no-tar", "climbing", "absolute", "link", "device", "cut"],
)
def test_a_model_artifact_that_is_not_safe_fails_naming_the_entry(
    tasks: Tasks, store: RunningStore, model: bytes, words: str
) -> None:
    start(tasks, store, "unsafe", model, ECHO)
    reason = failure(tasks, "unsafe")
    assert words in reason
    assert reason.startswith("ClientError: Failed to extract the model artifact")
    assert not (tasks.data / "tasks/unsafe/download.tar").exists()


def test_a_model_bigger_than_its_limit_is_not_unpacked(
    tasks: Tasks, store: RunningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGESMITH_MAX_MODEL_BYTES", "1000000")
    start(tasks, store, "bomb", archive(entry("zeros", bytes(2_000_000))), ECHO)
    assert "'zeros'" in failure(tasks, "bomb")


def test_a_model_that_is_not_there_fails_naming_it(tasks: Tasks, store: RunningStore) -> None:
    uri = f"s3://{BUCKET}/nothing/model.tar.gz"
    tasks.start("absent", kind="serve", s3=store.access, model_data=uri)
    assert uri in failure(tasks, "absent")


def test_the_model_server_finds_only_its_own_packages_of_ours(tasks: Tasks, store: RunningStore) -> None:
    script = (
        "import os, sagesmith\n"
        "def model_fn(model_dir):\n"
        "    print('packages', sorted(os.listdir(os.path.dirname(sagesmith.__file__))))\n"
        "    try:\n"
        "        open(os.path.join(model_dir, 'x'), 'w')\n"
        "    except OSError as error:\n"
        "        print(error.strerror)\n"
        "    return 1\n"
    )
    start(tasks, store, "packages", None, script)
    tasks.wait("packages", is_up)
    assert "packages ['__init__.py', 'algorithms', 'http', 'modelserver']" in tasks.lines("packages")
    assert "Read-only file system" in tasks.lines("packages")


def test_forgetting_a_serving_task_removes_its_socket(tasks: Tasks, store: RunningStore) -> None:
    start(tasks, store, "socket", archive(entry("weights", b"w")), ECHO)
    address = tasks.wait("socket", is_up).address
    assert address is not None
    path = Path(address.removeprefix("unix:"))
    assert path.exists()
    tasks.backend.forget("socket")
    assert not path.parent.exists()
    assert not list((tasks.data / "tasks").iterdir())
