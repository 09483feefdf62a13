"""`sagesmith config` and the settings file seen from the command line."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sagesmith.cli import main
from sagesmith.settings import ALL


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    assert main(["config", "--json", *words]) == 0
    return {each["setting"]: each for each in json.loads(capsys.readouterr().out)["settings"]}


def test_every_setting_is_shown_with_the_place_where_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.touch(mode=0o600)
    file.write_text("routers = 3\ns3_secret_access_key = 'hidden-word'\n")
    monkeypatch.setenv("SAGESMITH_MAX_JOBS", "5")
    found = shown(capsys, "--config", str(file))
    assert list(found) == list(ALL)
    assert (found["SAGESMITH_ROUTERS"]["value"], found["SAGESMITH_ROUTERS"]["from"]) == ("3", f"{file}, line 1")
    assert (found["SAGESMITH_MAX_JOBS"]["value"], found["SAGESMITH_MAX_JOBS"]["from"]) == ("5", "environment")
    assert found["SAGESMITH_S3_SECRET_ACCESS_KEY"]["value"] == "***"
    assert found["SAGESMITH_KEEP_DAYS"]["from"] is None

    assert main(["config", "--config", str(file)]) == 0
    out = capsys.readouterr().out
    assert "hidden-word" not in out
    assert "SAGESMITH_KEEP_DAYS" in out


def test_what_the_file_says_reaches_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text('data = "/proc/sagesmith"\n')
    assert main(["up", "--config", str(file)]) == 1
    assert "/proc/sagesmith cannot be used as a data directory" in capsys.readouterr().err
    file.write_text('data = "/proc/sagesmith"\nmax_jobs = "many"\n')
    assert main(["up", "--config", str(file)]) == 1
    assert f"{file}, line 2: max_jobs must be a whole number" in capsys.readouterr().err


def test_a_broken_file_keeps_nobody_from_ending_a_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("nonsense")
    monkeypatch.setenv("SAGESMITH_CONFIG", str(file))
    assert main(["down", "--data", str(tmp_path / "data")]) == 0
    assert main(["down"]) == 1
    assert "is not TOML" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def untouched_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that acts as the platform takes the file's settings as variables of its process."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
