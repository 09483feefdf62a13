"""Which GPUs are a task's, on a machine that looks as if it had some."""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from sagesmith.agent import gpus


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with three GPUs."""
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(gpus, "_DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def _hold(count: int, locks: Path, devices: Path, connection: Connection) -> None:
    gpus._DEVICES = devices
    connection.send(gpus.take(count, locks))
    connection.recv()


def test_a_task_gets_free_gpus_and_shares_where_too_few_are_free(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    spawn = multiprocessing.get_context("spawn")
    other = spawn.Process(target=_hold, args=(2, tmp_path / "locks", tmp_path, theirs))
    other.start()
    assert ours.recv() == ["0", "1"]
    assert gpus.take(1, tmp_path / "locks") == ["2"]
    assert gpus.take(8, tmp_path / "locks") == ["0", "1", "2"]
    other.kill()
    other.join()
    assert gpus.take(2, tmp_path / "locks") == ["0", "1"]


def test_what_a_backend_has_given_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1")
    assert gpus.take(2, tmp_path / "locks") == ["2", "1"]
    assert gpus.take(0, tmp_path / "locks") == []


def test_a_task_sees_the_devices_of_its_gpus_alone(machine: Path) -> None:
    assert [path.name for path in gpus.devices(["1"])] == ["nvidia1", "nvidiactl", "nvidia-uvm"]
    assert gpus.devices([]) == []


def test_without_gpus_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_DEVICES", tmp_path / "none")
    assert gpus.take(4, tmp_path / "locks") == []
