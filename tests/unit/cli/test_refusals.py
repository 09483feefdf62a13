"""What the command line says to what cannot be done: one line that names the way out, and no traceback."""

from pathlib import Path

import pytest

from sagesmith.cli import main


def said(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert error.startswith("sagesmith: ")
    assert error.count("\n") == 1
    return error


def test_a_data_directory_that_cannot_be_made_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--port", "0", "--data", "/proc/sagesmith"]) == 1
    assert "/proc/sagesmith cannot be used as a data directory" in said(capsys)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGESMITH_S3_ENDPOINT", "http://127.0.0.1:1"),
        ("SAGESMITH_ROUTERS", "two"),
        ("SAGESMITH_ROUTERS", "0"),
        ("SAGESMITH_MAX_JOBS", "-1"),
        ("SAGESMITH_JOB_PORTS", "5000,http"),
        ("SAGESMITH_MIN_FREE_DISK", "much"),
        ("SAGESMITH_AUDIT_DAYS", "0"),
        ("SAGESMITH_QUOTAS", "Model"),
        ("SAGESMITH_QUOTAS", "Model=many"),
        ("SAGESMITH_QUOTAS", "Modell=1"),
        ("SAGESMITH_KEEP_DAYS", "1.5"),
        ("SAGESMITH_CACHE_LIMIT", "little"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["up", "--port", "0", "--data", str(tmp_path / "data")]) == 1
    assert name in said(capsys)


def test_a_format_file_that_is_no_json_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "format.json").write_text("")
    assert main(["up", "--port", "0", "--data", str(tmp_path)]) == 1
    assert "format.json" in said(capsys)


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["up", f"--port={port}"])
    assert refused.value.code == 2
    assert "is not a port" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["restore", "{absent}"], ["env-cache", "import", "{absent}"], ["backup", "{absent}/file"]]
)
def test_a_file_that_is_not_there_is_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAGESMITH_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    if words[0] == "backup":
        data.mkdir()
        (data / "format.json").write_text("{}")
    absent = str(tmp_path / "absent")
    options = [] if words[0] == "env-cache" else ["--data", str(data)]
    assert main([word.format(absent=absent) for word in words] + options) == 1
    assert absent in said(capsys)


def test_a_file_that_is_no_backup_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "note.txt"
    file.write_text("not a backup")
    assert main(["restore", str(file), "--data", str(tmp_path / "data")]) == 1
    assert f"{file} is not a backup of Sagesmith" in said(capsys)
    assert not (tmp_path / "data").exists()
