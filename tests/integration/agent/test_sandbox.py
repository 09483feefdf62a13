"""What user code cannot see and cannot do."""

import os
from pathlib import Path

import pytest

from sagesmith.agent import sandbox
from sagesmith.images.base import BuiltEnvironment
from tests.integration.agent.conftest import NOBODY, OrdinaryUser, Tasks

ROOT = Path(__file__).parents[3]


def test_the_sandbox_works_here() -> None:
    assert sandbox.check() is None


def test_a_bubblewrap_that_cannot_run_is_told_with_a_way_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sandbox, "_binary", lambda: str(broken))
    reason = sandbox.check()
    assert reason is not None
    assert "No permissions to create new namespace" in reason


def test_user_code_sees_no_data_directory_no_keys_and_no_other_task(
    tasks: Tasks, environment: BuiltEnvironment
) -> None:
    (tasks.data / "keys").mkdir(parents=True)
    (tasks.data / "keys" / "master.key").write_text("do not tell")
    tasks.start("neighbour", "echo private > /opt/ml/model/p; echo ready; sleep 616")
    tasks.wait_for_line("neighbour", "ready")
    command = (
        f"ls {tasks.data}; ls {tasks.data}/keys; cat {tasks.data}/keys/master.key; ls {tasks.sockets}; ls /root/.ssh;"
        f"cat {tasks.data}/tasks/neighbour/spec.json;"
        "find / -name spec.json -not -path '/proc/*' -not -path '/usr/*' 2>/dev/null;"
        "ps -e -o args | grep -c 'sleep 61[6]'; find / -xdev -writable -type d -not -path '/proc/*' 2>/dev/null | sort"
    )
    tasks.run("curious", command)
    lines = tasks.lines("curious")
    assert "do not tell" not in lines
    assert not any("neighbour" in line and "No such file" not in line for line in lines)
    assert not any(line.endswith("/spec.json") for line in lines)
    assert "0" in lines
    writable = [line for line in lines if line.startswith("/") and ":" not in line]
    assert all(line.startswith(("/opt/ml", "/tmp", "/var/tmp", "/home/", "/opt/venv", "/dev/shm")) for line in writable)


def test_user_code_cannot_change_the_environment_or_the_system(tasks: Tasks, environment: BuiltEnvironment) -> None:
    site = next(environment.path.glob("lib/python3.*/site-packages"))
    command = (
        f"touch {site}/evil.py; chmod u+w {site}; touch {environment.path}/bin/evil;"
        "touch /usr/evil /etc/evil /evil; mount -t tmpfs none /usr; hostname evil; kill -9 1; id -u; echo end"
    )
    seen = tasks.run("writer", command)
    assert seen.events[-1].state == "Completed"
    assert tasks.lines("writer")[-1] == "end"
    assert not (site / "evil.py").exists()
    assert not (environment.path / "bin" / "evil").exists()
    assert not Path("/usr/evil").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has one uid for all")
def test_tasks_of_a_root_platform_have_uids_of_their_own(tasks: Tasks) -> None:
    for name in ("one", "two"):
        tasks.run(name, "id -u; id -g; grep -E 'CapEff|NoNewPrivs' /proc/self/status")
    one, two = tasks.lines("one"), tasks.lines("two")
    assert one[0] != two[0]
    assert "0" not in (one[0], two[0])
    assert one[2:] == ["CapEff:\t0000000000000000", "NoNewPrivs:\t1"]


def test_a_variable_cannot_reach_what_still_has_rights(tasks: Tasks) -> None:
    variables = {"LD_PRELOAD": "/opt/ml/input/evil.so", "ENV": "/opt/ml/x", "QUOTED": "a'b\"c\n$(id) \\", "1bad": "x"}
    command = "import os; print(repr(os.environ['QUOTED'])); print(os.environ['LD_PRELOAD'])"
    seen = tasks.run("preload", command=["python", "-c", command], environment=variables)
    assert seen.events[-1].state == "Completed"
    lines = tasks.lines("preload")
    assert lines[-2:] == [repr(variables["QUOTED"]), variables["LD_PRELOAD"]]
    # The loader complains of a file that is not there wherever it is asked for: once, in the program itself.
    assert sum("evil.so" in line and "cannot be preloaded" in line for line in lines) == 1


def test_network_isolation_leaves_links_that_lead_nowhere(tasks: Tasks) -> None:
    tasks.run(
        "isolated",
        "ls /sys/class/net 2>/dev/null; cat /proc/net/dev | tail -n +3 | cut -d: -f1",
        network_isolation=True,
    )
    # The other end of its eth0 is its own, too.
    assert [line.strip() for line in tasks.lines("isolated")] == ["lo", "eth0", "eth0-peer"]


def test_a_data_directory_inside_what_is_shown_stays_hidden(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    for name in ("data/keys", "data/cache/environment", "scratch", "opt_ml"):
        (shown / name).mkdir(parents=True)
    (shown / "data/keys/master.key").write_text("do not tell")
    (shown / "data/cache/environment/file").write_text("shown")
    box = sandbox.Sandbox(
        scratch=shown / "scratch",
        opt_ml=shown / "opt_ml",
        uid=sandbox.task_uid("x"),
        host="algo-1",
        read_only=[shown, shown / "data/cache/environment"],
        hidden=[shown / "data"],
    )
    box.prepare()
    read_end, write_end = os.pipe()
    command = ["/bin/sh", "-c", f"cd {shown}/data; find . -type f; cat keys/master.key"]
    started = box.start("job:x", command, {"PATH": "/usr/bin:/bin"}, write_end)
    os.close(write_end)
    started.release()
    with os.fdopen(read_end) as file:
        lines = file.read().splitlines()
    started.process.wait()
    assert "./cache/environment/file" in lines
    assert "do not tell" not in lines


def test_the_host_names_of_a_job_resolve(tasks: Tasks) -> None:
    tasks.run("names", "hostname; getent hosts algo-1 | tr -s ' '; whoami; cd && touch x && pwd")
    assert tasks.lines("names") == ["algo-1", "198.18.0.1 algo-1", "sagemaker-user", sandbox.HOME]


def test_a_ca_bundle_shows_where_the_environment_says(tasks: Tasks, tmp_path: Path) -> None:
    bundle = tmp_path / "secret-place" / "bundle.pem"
    bundle.parent.mkdir(mode=0o700)
    bundle.write_text("CERTIFICATE\n")
    tasks.run(
        "tls",
        f"cat $AWS_CA_BUNDLE; ls {tmp_path} 2>/dev/null",
        ca_bundle=str(bundle),
        environment={"AWS_CA_BUNDLE": str(bundle)},
    )
    assert tasks.lines("tls") == ["CERTIFICATE"]


@pytest.mark.skipif(os.geteuid() != 0, reason="already an ordinary user")
def test_a_platform_of_an_ordinary_user_has_the_same_sandbox(tasks: Tasks, nobody: OrdinaryUser) -> None:
    command = (
        f"ls {nobody.home}; ls {nobody.home}/data; ps -e -o pid= | wc -l; id -u; touch /usr/x {nobody.venv}/x;"
        "echo m > /opt/ml/model/m; echo end"
    )
    (ran,) = nobody.run([tasks.spec("plain", command)])
    assert ran.events[-1]["state"] == "Completed", ran.lines
    assert "venv" in ran.lines
    assert "data" not in ran.lines
    assert str(NOBODY) in ran.lines
    assert ran.lines[-1] == "end"
    assert not (nobody.venv / "x").exists()
