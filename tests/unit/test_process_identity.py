"""Telling a process from a later one of the same pid."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from sagesmith.process_identity import ProcessIdentity, read_identity, write_identity


def test_another_process_of_the_same_pid_is_not_the_same() -> None:
    own = ProcessIdentity.own()
    assert own.runs()
    assert not replace(own, started=own.started - 1).runs()
    assert not replace(own, boot="another").runs()


def test_an_identity_comes_back_as_it_was(tmp_path: Path) -> None:
    write_identity(tmp_path / "agent.json", ProcessIdentity.own())
    assert read_identity(tmp_path / "agent.json") == ProcessIdentity.own()
    assert read_identity(tmp_path / "absent.json") is None


def test_a_process_that_only_waits_to_be_collected_does_not_run() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ProcessIdentity.of(process.pid) is None
    process.wait()
