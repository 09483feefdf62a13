"""Carrying pip's configuration over to uv, and running an installer."""

import sys
from pathlib import Path

import pytest

from sagesmith.images.base import EnvironmentFailed
from sagesmith.images.installer import pip_settings, run, uv_environment


def configured(tmp_path: Path, text: str, **more: str) -> dict[str, str]:
    file = tmp_path / "pip.conf"
    file.write_text(text)
    return {"HOME": str(tmp_path / "home"), "PIP_CONFIG_FILE": str(file), **more}


def test_a_mirror_of_pips_configuration_is_uvs_index_too(tmp_path: Path) -> None:
    environ = configured(
        tmp_path,
        "[global]\nindex-url = https://mirror.example/simple\nextra-index-url =\n  https://one.example/simple\n"
        "  https://two.example/simple\ntrusted-host = mirror.example\ncert = /etc/ours.pem\ntimeout = 90\n",
    )
    variables = uv_environment(tmp_path / "cache", environ)
    assert variables["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert variables["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert variables["UV_INSECURE_HOST"] == "mirror.example"
    assert variables["SSL_CERT_FILE"] == "/etc/ours.pem"
    assert variables["UV_HTTP_TIMEOUT"] == "90"


def test_pips_variables_beat_its_files_and_uvs_own_beat_both(tmp_path: Path) -> None:
    environ = configured(
        tmp_path, "[global]\nindex-url = https://file.example\n", PIP_INDEX_URL="https://variable.example"
    )
    assert uv_environment(tmp_path, environ)["UV_DEFAULT_INDEX"] == "https://variable.example"
    environ["UV_DEFAULT_INDEX"] = "https://uv.example"
    assert uv_environment(tmp_path, environ)["UV_DEFAULT_INDEX"] == "https://uv.example"


def test_the_install_section_beats_the_global_one(tmp_path: Path) -> None:
    environ = configured(tmp_path, "[install]\nfind_links = /b\n[global]\nfind-links = /a\n")
    assert pip_settings(environ)["find-links"] == "/b"


def test_wheels_of_the_cache_and_of_pip_are_both_offered(tmp_path: Path) -> None:
    environ = configured(tmp_path, "[global]\nfind-links = /a /b\n")
    assert uv_environment(tmp_path, environ)["UV_FIND_LINKS"] == f"{tmp_path}/wheels,/a,/b"


def test_a_broken_configuration_file_is_passed_over(tmp_path: Path) -> None:
    assert "index-url" not in pip_settings(configured(tmp_path, "index-url = nowhere\n"))


def test_dev_null_switches_pips_files_off(tmp_path: Path) -> None:
    home = tmp_path / ".config" / "pip"
    home.mkdir(parents=True)
    (home / "pip.conf").write_text("[global]\nindex-url = https://file.example\n")
    assert pip_settings({"HOME": str(tmp_path)})["index-url"] == "https://file.example"
    assert pip_settings({"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}) == {}


def test_offline_forbids_the_network(tmp_path: Path) -> None:
    variables = uv_environment(tmp_path, configured(tmp_path, "", SAGESMITH_OFFLINE="1"))
    assert variables["UV_OFFLINE"] == "1"


def test_an_installer_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="no such wheel"):
        run([sys.executable, "-c", "import sys; sys.exit('no such wheel')"], {}, tmp_path, "Installing", print)


def test_an_installer_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="/no/uv cannot be started"):
        run(["/no/uv"], {}, tmp_path, "Installing", print)


def test_progress_says_what_the_installer_does(tmp_path: Path) -> None:
    lines: list[str] = []
    run([sys.executable, "-c", "print('Downloading numpy (1MiB)')"], {}, tmp_path, "Installing", lines.append)
    assert lines == ["Installing: Downloading numpy (1MiB)"]
