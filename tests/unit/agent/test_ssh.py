"""What SDK v3's MPI driver finds, and what the log says where it does not."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sagesmith.agent import ssh
from sagesmith.agent.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _a_machine_whose_programs_are_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "sbin"
    link.symlink_to("bin")
    monkeypatch.setattr(ssh, "ADMINISTRATORS_PROGRAMS", link)
    monkeypatch.setattr(ssh, "own", lambda _path, _uid: None)


def said_of(root: Path, driver: str) -> list[str]:
    """What the log says of a task whose script runs a driver."""
    said: list[str] = []
    channel = root / "ml" / "input" / "data" / "sm_drivers"
    for folder in (channel, root / "venv" / "bin", root / "scratch" / "etc"):
        folder.mkdir(parents=True)
    (channel / "sm_train.sh").write_text(f"$SM_PYTHON_CMD /opt/ml/input/data/sm_drivers/distributed_drivers/{driver}\n")
    task = SimpleNamespace(
        spec=SimpleNamespace(channels=[SimpleNamespace(name="sm_drivers")]),
        directory=SimpleNamespace(opt_ml=root / "ml"),
        output=SimpleNamespace(say=said.append),
        uid=0,
    )
    sandbox = Sandbox(scratch=root / "scratch", opt_ml=root / "ml", uid=0, host="algo-1")
    assert ssh.with_ssh(task, sandbox, root / "venv").administrators_programs.keys() == {"sshd"}
    return said


def test_a_job_for_mpi_is_told_that_this_machine_can_show_it_no_sshd(tmp_path: Path) -> None:
    (line,) = said_of(tmp_path, "mpi_driver.py")
    assert "is a link" in line
    assert '"SSH daemon not found"' in line


def test_a_job_that_needs_no_sshd_is_told_nothing(tmp_path: Path) -> None:
    assert said_of(tmp_path, "torchrun_driver.py") == []


def test_a_job_for_mpi_is_told_nothing_where_it_has_its_sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "ADMINISTRATORS_PROGRAMS", tmp_path)
    assert said_of(tmp_path, "mpi_driver.py") == []
