"""Finding this machine's Pythons by names and places."""

import sys
from pathlib import Path

from sagesmith.images.interpreters import interpreters, own_interpreter, own_version


def install(prefix: Path, version: str, *, headers: bool = True) -> Path:
    binary = prefix / "bin" / f"python{version}"
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.touch(mode=0o755)
    if headers:
        (prefix / "include" / f"python{version}").mkdir(parents=True)
        (prefix / "include" / f"python{version}" / "Python.h").touch()
    return binary


def places(root: Path, **more: str) -> dict[str, str]:
    return {"PATH": str(root / "path" / "bin"), "HOME": str(root / "home"), **more}


def test_the_platforms_own_interpreter_comes_first_and_is_no_virtual_environments(tmp_path: Path) -> None:
    found = interpreters(places(tmp_path))
    assert list(found) == [own_version()]
    assert found[own_version()] == own_interpreter()
    assert Path(sys.base_prefix).resolve() in own_interpreter().parents


def test_path_pyenv_and_uv_are_searched_from_the_newest_to_the_oldest(tmp_path: Path) -> None:
    install(tmp_path / "path", "3.7")
    install(tmp_path / "home/.pyenv/versions/3.8.18", "3.8")
    install(tmp_path / "home/.local/share/uv/python/cpython-3.10.4-linux", "3.10")
    assert list(interpreters(places(tmp_path)))[1:] == ["3.10", "3.8", "3.7"]


def test_path_comes_before_pyenv(tmp_path: Path) -> None:
    first = install(tmp_path / "path", "3.8")
    install(tmp_path / "home/.pyenv/versions/3.8.18", "3.8")
    assert interpreters(places(tmp_path))["3.8"] == first


def test_a_virtual_environment_on_the_path_stands_for_its_base(tmp_path: Path) -> None:
    base = install(tmp_path / "base", "3.9")
    link = tmp_path / "path" / "bin" / "python3.9"
    link.parent.mkdir(parents=True)
    link.symlink_to(base)
    assert interpreters(places(tmp_path))["3.9"] == base


def test_one_without_headers_does_not_count(tmp_path: Path) -> None:
    install(tmp_path / "path", "3.8", headers=False)
    assert "3.8" not in interpreters(places(tmp_path))


def test_shims_and_dangling_links_do_not_count(tmp_path: Path) -> None:
    install(tmp_path / "shims" / "..", "3.8")
    shims = tmp_path / "shims"
    shims.mkdir(exist_ok=True)
    (shims / "python3.8").touch(mode=0o755)
    (shims / "python3.9").symlink_to(tmp_path / "gone")
    assert list(interpreters({"PATH": str(shims), "HOME": ""})) == [own_version()]


def test_none_looks_nowhere_and_paths_name_the_only_ones(tmp_path: Path) -> None:
    install(tmp_path / "path", "3.8")
    named = install(tmp_path / "elsewhere", "3.9")
    assert list(interpreters(places(tmp_path, SAGESMITH_PYTHONS="none"))) == [own_version()]
    only = interpreters(places(tmp_path, SAGESMITH_PYTHONS=f"{named}:{tmp_path}/nothing"))
    assert list(only) == [own_version(), "3.9"]
