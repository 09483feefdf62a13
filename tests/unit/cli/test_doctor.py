"""What `doctor` says of a machine that lacks something."""

import argparse
import socket
import sys
import sysconfig
from pathlib import Path

import pytest

from sagesmith.agent.inputs import mounts
from sagesmith.cli import doctor

_OURS = ("uv", "object store")


def report(data: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Exit code, and what is said under each name with the way to mend it."""
    code = doctor.doctor(argparse.Namespace(data=data))
    said: dict[str, str] = {}
    name = ""
    for line in capsys.readouterr().out.splitlines():
        if not line.startswith(" "):
            name = line[9:27].strip()
        said[name] = said.get(name, "") + line + "\n"
    return code, said


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGESMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


def test_a_machine_without_a_compiler_is_told_how_to_get_one(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(data))
    code, said = report(data, capsys)
    assert code == 1
    assert said["C compiler"].startswith("missing")
    assert "apt-get install gcc" in said["C compiler"]


def test_a_python_without_headers_is_told_how_to_get_them(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = sysconfig.get_paths
    monkeypatch.setattr(sysconfig, "get_paths", lambda *arguments: {**real(*arguments), "include": str(data)})
    code, said = report(data, capsys)
    assert code == 1
    assert "apt-get install python3-dev" in said["Python headers"]


def test_a_python_that_is_too_old_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 0, "final", 0))
    code, said = report(data, capsys)
    assert code == 1
    assert "install Python 3.11" in said["Python"]


def test_another_operating_system_is_sent_to_linux(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor.machine, "system", lambda: "Darwin")
    code, said = report(data, capsys)
    assert code == 1
    assert "WSL2 or a Linux VM" in said["system"]


def test_programs_that_came_with_the_installation_and_are_gone_are_installed_again(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    def gone() -> str:
        raise FileNotFoundError("uv is not there")

    monkeypatch.setattr(doctor, "find_uv_bin", gone)
    code, said = report(data, capsys)
    assert code == 1
    for name in _OURS:
        assert said[name].startswith("missing"), said[name]
        assert "pip install" in said[name]


def test_a_port_that_is_taken_is_named_with_the_way_out(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(doctor, "DEFAULT_PORT", port)
        code, said = report(data, capsys)
    assert code == 1
    assert str(port) in said["port"]
    assert "--port" in said["port"]


def test_little_disk_is_a_note_and_no_failure_of_its_own(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "FREE_DISK_WANTED", 1 << 62)
    _, said = report(data, capsys)
    assert said["disk"].startswith("note")
    assert "sagesmith prune" in said["disk"]


def test_a_machine_without_fuse_is_told_what_that_means_and_how_to_have_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mounts, "DEVICE", str(data / "no-fuse"))
    _, said = report(data, capsys)
    assert said["FastFile mode"].startswith("note")
    assert "No such file or directory" in said["FastFile mode"]
    assert "--device" in said["FastFile mode"]
