"""What is compiled is found by the sources that it was made of, and by no others."""

import ast
import importlib.machinery
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sagesmith.logging  # noqa: F401 (one of the modules)
from sagesmith import compiled
from sagesmith.compiled import __main__ as making

LOOK = """
from sagesmith import compiled
print(compiled.use())
from sagesmith.http import frames
print(compiled.is_compiled(frames))
"""


def look(cache: Path, **more: str) -> list[str]:
    """What a new process says: whether it uses compiled modules, and whether one of them is."""
    environment = {**os.environ, "SAGESMITH_CACHE": str(cache), **more}
    ran = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, env=environment)
    return ran.stdout.split()


def copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's sources elsewhere, as if it were installed there."""
    for path in compiled.sources():
        copy = folder / path.relative_to(compiled.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    monkeypatch.setattr(compiled, "ROOT", folder)
    return folder


@pytest.mark.parametrize("module", compiled.MODULES)
def test_all_that_a_compiled_module_uses_of_ours_is_looked_at(module: str) -> None:
    files = {path.relative_to(compiled.ROOT.parent).with_suffix("") for path in compiled.sources()}
    known = files | {path.parent for path in files if path.name == "__init__"}
    path = compiled.ROOT.parent / Path(*module.split(".")).with_suffix(".py")
    assert path in compiled.sources()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sagesmith":
            imported = Path(*str(node.module).split("."))
            named = {imported / each.name for each in node.names} & files or {imported}
            assert named <= known


def test_a_source_that_changes_by_a_letter_has_nothing_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compiled.key()
    root = copied(tmp_path / "sagesmith", monkeypatch)
    assert compiled.key() == before
    changed = root / "wire" / "errors.py"
    changed.write_text(changed.read_text() + "\n")
    assert compiled.key() != before


def test_a_source_more_or_less_has_nothing_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copied(tmp_path / "sagesmith", monkeypatch)
    before = compiled.key()
    (root / "http" / "more.py").touch()
    with_one_more = compiled.key()
    (root / "http" / "unix.py").unlink()
    assert len({before, with_one_more, compiled.key()}) == 3


def test_without_anything_compiled_the_sources_run(tmp_path: Path) -> None:
    assert look(tmp_path) == ["False", "False"]


def for_another_machine(cache: Path) -> Path:
    """A folder of the sources as they are, whole, of which nothing can be loaded."""
    folder = cache / "compiled" / compiled.key()
    for name in (compiled.LIBRARY, *compiled.MODULES):
        path = folder / (name.replace(".", "/") + importlib.machinery.EXTENSION_SUFFIXES[0])
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_bytes(b"for another machine")
        path.chmod(0o644)
    assert compiled.why_not(folder) is None
    return folder


def test_a_library_that_does_not_load_here_is_left_alone(tmp_path: Path) -> None:
    for_another_machine(tmp_path)
    assert look(tmp_path) == ["False", "False"]


@pytest.mark.parametrize("place", ("", "sagesmith/http", "..", "../..", "library"))
def test_what_other_users_may_change_is_not_used(tmp_path: Path, place: str) -> None:
    folder = for_another_machine(tmp_path)
    path = next(folder.glob("*.so")) if place == "library" else folder / place
    path.chmod(0o777)
    assert f"other users may change {path.resolve()}:" in str(compiled.why_not(folder))


def test_in_a_folder_where_each_may_remove_only_ones_own_a_cache_is_nobody_elses(tmp_path: Path) -> None:
    folder = for_another_machine(tmp_path)
    tmp_path.chmod(0o1777)
    assert compiled.why_not(folder) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = for_another_machine(tmp_path)
    library = next(folder.glob("*.so"))
    library.rename(tmp_path / "elsewhere")
    library.symlink_to(tmp_path / "elsewhere")
    assert f"other users may change {library}:" in str(compiled.why_not(folder))


def test_half_a_folder_is_not_used(tmp_path: Path) -> None:
    folder = for_another_machine(tmp_path)
    next((folder / "sagesmith" / "http").iterdir()).unlink()
    assert "not whole" in str(compiled.why_not(folder))


def test_a_cache_that_cannot_be_looked_into_has_nothing(tmp_path: Path) -> None:
    assert compiled.why_not(tmp_path / ("x" * 300)) is not None


@pytest.mark.skipif(not compiled.folder().is_dir(), reason="nothing is compiled here: python -m sagesmith.compiled")
def test_what_is_compiled_is_used_unless_it_is_not_wanted() -> None:
    cache = compiled.folder().parents[1]
    assert look(cache) == ["True", "True"]
    assert look(cache, SAGESMITH_COMPILED="no") == ["False", "False"]


def test_modules_are_not_mixed_with_those_that_run_already() -> None:
    with pytest.raises(compiled.AlreadyImported, match=r"sagesmith\.logging"):
        compiled.use()


def test_what_cannot_be_compiled_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\nmkdir $3 && touch $3/half\necho no compiler is here\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(failing))
    reason = making.make(tmp_path / "compiled" / "key")
    assert reason is not None and "no compiler is here" in reason
    assert list((tmp_path / "compiled").iterdir()) == []


def test_the_latest_builds_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    working = tmp_path / "python"
    working.write_text("#!/bin/sh\nmkdir $3\n")
    working.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(working))
    parent = tmp_path / "compiled"
    for number in range(making.KEPT):
        (parent / str(number)).mkdir(parents=True)
        os.utime(parent / str(number), (number, number))
    assert making.make(parent / "new") is None
    assert {path.name for path in parent.iterdir()} == {"new", *map(str, range(1, making.KEPT))}


def test_what_a_killed_build_left_goes_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    working = tmp_path / "python"
    working.write_text("#!/bin/sh\nmkdir $3\n")
    working.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(working))
    parent = tmp_path / "compiled"
    for name in ("killed", "at-work"):
        (parent / f".new-{name}" / "lib").mkdir(parents=True)
    os.utime(parent / ".new-killed", (0, 0))
    assert making.make(parent / "new") is None
    assert {path.name for path in parent.iterdir()} == {"new", ".new-at-work"}
