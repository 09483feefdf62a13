"""Model servers that wait with their libraries imported: as tight as any other, used once, and never left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagesmith.agent.taskdir import spec_to_json
from sagesmith.agent.warm import READY
from sagesmith.compute.base import Process, Resources, TaskObservation, TaskSpec
from sagesmith.compute.local import LocalBackend
from sagesmith.compute.warm import processes_of, warm_directory
from sagesmith.images.base import BuiltEnvironment
from tests.integration.agent.conftest import RunningStore, Tasks
from tests.integration.agent.test_serving import archive, code, entry, failure, is_up, request

WHO = """
import os, sys
print("imported before:", "sklearn.ensemble" in sys.modules)
def model_fn(model_dir):
    return ",".join(sorted(os.listdir(model_dir)))
def transform_fn(model, body, content_type, accept):
    return model + ":" + os.environ.get("MINE", "nothing"), "text/plain"
"""
SHELL = """
import subprocess
def model_fn(model_dir):
    print(subprocess.run(COMMAND, shell=True, capture_output=True, text=True).stdout, flush=True)
def transform_fn(model, body, content_type, accept):
    return "", "text/plain"
"""
KEEPER = """
import sys, time
from pathlib import Path
from sagesmith.agent.taskdir import spec_from_json
from sagesmith.compute.local import LocalBackend
tasks, sockets, spec = sys.argv[1:]
backend = LocalBackend(Path(tasks), Path(sockets), warm_servers=1, warm_pause_seconds=0.0)
backend.expect(spec_from_json(Path(spec).read_text()))
sys.stdin.read()
"""


class WarmTasks(Tasks):
    """A backend that keeps a model server ready."""

    def waiting(self) -> list[Process]:
        return processes_of(warm_directory(self.data / "tasks"))

    def warmed(self, spec: TaskSpec) -> int:
        """The pid of the agent that waits for a task like this one, once its model server is ready."""
        self.backend.expect(spec)
        folder = warm_directory(self.data / "tasks")
        while not list(folder.glob(f"*/{READY}")):
            time.sleep(0.01)
        return self.waiting()[0].pid

    def server(self, store: RunningStore, task_id: str, script: str, **changes: Any) -> TaskSpec:
        variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/code"}
        return self.spec(
            task_id,
            kind="serve",
            s3=store.access,
            model_data=store.put(f"{task_id}/model.tar.gz", archive(entry(f"of-{task_id}"))),
            code=store.put(f"{task_id}/code.tar.gz", changes.pop("source", None) or code(script)),
            environment={**variables, **changes.pop("environment", {})},
            **changes,
        )

    def up(self, spec: TaskSpec) -> TaskObservation:
        self.backend.start([spec])
        return self.wait(spec.id, is_up)


def agent_of(seen: TaskObservation) -> int:
    return next(each.pid for each in seen.processes if each.name.startswith("agent:"))


@pytest.fixture
def warm(tmp_path: Path, environment: BuiltEnvironment) -> Iterator[WarmTasks]:
    sockets = Path(tempfile.mkdtemp(prefix="sm-"))
    backend = LocalBackend(tmp_path / "data" / "tasks", sockets, warm_servers=1, warm_pause_seconds=0.0)
    tasks = WarmTasks(tmp_path / "data", sockets, backend)
    yield tasks
    backend.close()
    for task in backend.tasks():
        backend.forget(task.id)
    assert tasks.waiting() == []
    assert not list(sockets.iterdir())
    assert not list(warm_directory(tmp_path / "data" / "tasks").glob("*"))
    sockets.rmdir()


def test_a_task_has_the_server_that_waited_and_nobody_else_has_it_again(warm: WarmTasks, store: RunningStore) -> None:
    one = warm.server(store, "one", WHO, environment={"MINE": "first's"})
    waited = warm.warmed(one)
    first = warm.up(one)
    assert agent_of(first) == waited
    assert {each.name for each in first.processes} == {"agent:one", "model:one"}
    warm.wait_for_line("one", "imported before: True")
    assert request(first, "POST", "/invocations") == (200, b"of-one:first's")
    other = warm.server(store, "two", WHO)
    waited = warm.warmed(other)
    second = warm.up(other)
    assert (agent_of(second), request(second, "POST", "/invocations")) == (waited, (200, b"of-two:nothing"))
    assert agent_of(first) != agent_of(second)
    warm.backend.stop("one")
    assert warm.wait("one", lambda seen: seen.ended).events[-1].state == "Stopped"


def test_user_code_in_a_warm_server_sees_and_may_no_more_than_in_any_other(
    warm: WarmTasks, store: RunningStore, environment: BuiltEnvironment
) -> None:
    (warm.data / "keys").mkdir(parents=True)
    (warm.data / "keys" / "master.key").write_text("do not tell")
    neighbour = warm.server(store, "neighbour", WHO, environment={"MINE": "do not tell"})
    warm.warmed(neighbour)
    warm.up(neighbour)
    command = (
        f"ls {warm.data}; cat {warm.data}/keys/master.key; ls {warm.sockets}; ls /root/.ssh;"
        "find / -name spec.json -not -path '/proc/*' -not -path '/usr/*' 2>/dev/null;"
        "cat /proc/*/environ | tr '\\0' '\\n'; ls /opt/ml/model /tmp; ps -e -o args | grep -c model:neighbou[r];"
        f"touch {environment.path}/bin/evil /usr/evil /etc/evil /evil; mount -t tmpfs none /usr; kill -9 1;"
        "ls /run/sagesmith; grep -E 'CapEff|NoNewPrivs' /proc/self/status; echo uid $(id -u);"
        "find / -xdev -writable -type d -not -path '/proc/*' 2>/dev/null | sed 's/^/writable /'; echo end"
    )
    curious = warm.server(store, "curious", SHELL.replace("COMMAND", repr(command)))
    waited = warm.warmed(curious)
    seen = warm.up(curious)
    assert agent_of(seen) == waited
    warm.wait_for_line("curious", "end")
    lines = warm.lines("curious")
    assert not any("do not tell" in line or "neighbour" in line or line.endswith("/spec.json") for line in lines)
    assert "of-curious" in lines
    assert "warm.sock" not in lines
    assert {"CapEff:\t0000000000000000", "NoNewPrivs:\t1"} <= set(lines)
    writable = [line.split()[1] for line in lines if line.startswith("writable ")]
    allowed = ("/opt/ml", "/tmp", "/var/tmp", "/home/", "/opt/venv", "/dev/shm", "/run/sagesmith")
    assert [path for path in writable if not path.startswith(allowed)] == []
    if os.geteuid() == 0:
        assert "uid 0" not in lines
    assert not (environment.path / "bin" / "evil").exists()


def test_a_warm_server_without_network_reaches_nobody(warm: WarmTasks, store: RunningStore) -> None:
    command = "cat /proc/net/dev | tail -n +3 | cut -d: -f1; echo end"
    script = SHELL.replace("COMMAND", repr(command))
    spec = warm.server(store, "isolated", script, network_isolation=True, doors=[])
    waited = warm.warmed(spec)
    assert agent_of(warm.up(spec)) == waited
    warm.wait_for_line("isolated", "end")
    assert [line.strip() for line in warm.lines("isolated")][:3] == ["lo", "eth0", "eth0-peer"]


def test_a_warm_server_is_ended_when_it_takes_more_memory_than_its_task_may(
    warm: WarmTasks, store: RunningStore
) -> None:
    eater = "def model_fn(model_dir):\n    eaten = []\n    while True:\n        eaten.append(b'x' * (64 << 20))\n"
    spec = warm.server(store, "eater", eater, resources=Resources(cpus=1, memory_bytes=1 << 30))
    warm.warmed(spec)
    warm.backend.start([spec])
    assert "used more than the 1.0 GiB" in failure(warm, "eater")


def test_code_that_could_find_other_libraries_imported_has_them_imported_anew(
    warm: WarmTasks, store: RunningStore
) -> None:
    script = "import joblib, os\nprint(joblib.__file__, os.getpid())\n" + WHO
    module = entry("joblib.py", b"")
    installs = entry("requirements.txt", b"")
    for name, extra in (("own-module", module), ("installs", installs)):
        source = archive(entry("inference.py", script.encode()), extra)
        spec = warm.server(store, name, "", source=source, environment={"MINE": "kept"})
        waited = warm.warmed(spec)
        seen = warm.up(spec)
        assert agent_of(seen) == waited
        warm.wait_for_line(name, "imported before: False")
        assert request(seen, "POST", "/invocations") == (200, f"of-{name}:kept".encode())
    assert any(line.startswith("/opt/ml/code/joblib.py") for line in warm.lines("own-module"))


def test_who_sets_what_libraries_read_when_they_are_imported_has_a_process_of_its_own(
    warm: WarmTasks, store: RunningStore
) -> None:
    spec = warm.server(store, "threads", WHO, environment={"OMP_NUM_THREADS": "7"})
    waited = warm.warmed(replace(spec, environment={}))
    assert agent_of(warm.up(spec)) != waited
    warm.wait_for_line("threads", "imported before: False")


def test_a_warm_agent_that_was_killed_leaves_nothing_and_is_not_missed(warm: WarmTasks, store: RunningStore) -> None:
    spec = warm.server(store, "after", WHO)
    waited = warm.warmed(spec)
    os.kill(waited, signal.SIGKILL)
    while warm.waiting():
        time.sleep(0.01)
    seen = warm.up(spec)
    assert request(seen, "POST", "/invocations") == (200, b"of-after:nothing")


def test_warm_servers_end_with_the_process_that_keeps_them(tasks: Tasks, store: RunningStore, tmp_path: Path) -> None:
    kept = WarmTasks(tasks.data, tasks.sockets, tasks.backend)
    (tmp_path / "spec.json").write_text(spec_to_json(kept.server(store, "never", WHO)))
    command = [sys.executable, "-c", KEEPER, str(tasks.data / "tasks"), str(tasks.sockets), str(tmp_path / "spec.json")]
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE)
    while len(kept.waiting()) < 2:
        time.sleep(0.01)
    keeper.kill()
    keeper.communicate()
    while kept.waiting():
        time.sleep(0.01)
    LocalBackend(tasks.data / "tasks", tasks.sockets, warm_servers=1).close()
    assert not list(warm_directory(tasks.data / "tasks").glob("*"))


def test_a_task_whose_warm_agent_was_killed_before_it_had_taken_it_gets_another(
    warm: WarmTasks, store: RunningStore
) -> None:
    spec = warm.server(store, "half", WHO)
    waited = warm.warmed(spec)
    folder = warm.data / "tasks" / "half"
    # In its way: the agent has written its identity into the task's directory by then, and fails.
    (folder / "sandbox" / "tmp").mkdir(parents=True)
    seen = warm.up(spec)
    assert agent_of(seen) != waited
    assert request(seen, "POST", "/invocations") == (200, b"of-half:nothing")


def test_who_comes_back_ends_no_agent_that_has_taken_a_task(
    warm: WarmTasks, store: RunningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = warm.server(store, "taken", WHO)
    waited = warm.warmed(spec)
    with monkeypatch.context() as patch:
        # The process that kept it ends before it has removed the directory that it was kept in.
        patch.setattr("sagesmith.compute.warm.remove_tree", lambda path: None)
        warm.backend.start([spec])
    LocalBackend(warm.data / "tasks", warm.sockets, warm_servers=1).close()
    seen = warm.wait(spec.id, is_up)
    assert agent_of(seen) == waited
    assert request(seen, "POST", "/invocations") == (200, b"of-taken:nothing")
