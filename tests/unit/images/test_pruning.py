import fcntl
import os
from pathlib import Path

from sagesmith.images.environments import place
from sagesmith.images.interpreters import interpreters
from sagesmith.images.pruning import prune, shrink
from sagesmith.images.registry import resolve

LONG_AGO = 1_000_000_000


def made(path: Path, used: float = LONG_AGO) -> Path:
    """A complete environment of one file, read-only as real ones are."""
    path.mkdir(parents=True)
    (path / "library.py").write_bytes(b"x" * (3 << 20))
    (path / ".complete").write_text("{}")
    os.utime(path / ".complete", (used, used))
    path.chmod(0o555)
    return path


def wanted(cache: Path) -> Path:
    runtime = resolve("sagemaker-scikit-learn:1.2-1")
    return place(runtime.lock, cache, interpreters()[runtime.python])


def outdated(cache: Path) -> Path:
    return cache / "environments" / "scikit-learn-1.2-1-py3.11-000000000000"


def test_environments_of_other_versions_go_first_and_sizes_are_told(tmp_path: Path) -> None:
    new, old = made(wanted(tmp_path)), made(outdated(tmp_path))
    said: list[str] = []
    freed = prune(tmp_path, False, said.append)
    assert not new.exists()
    assert not old.exists()
    assert said == [
        f"{old.name}, which this version does not use any more: 3 MiB removed",
        f"{new.name}: 3 MiB removed",
    ]
    assert freed >= 6 << 20


def test_those_of_this_version_stay_if_only_the_outdated_are_to_go(tmp_path: Path) -> None:
    new, old = made(wanted(tmp_path)), made(outdated(tmp_path))
    prune(tmp_path, True, print)
    assert new.exists()
    assert not old.exists()


def test_one_that_a_task_has_just_found_stays(tmp_path: Path) -> None:
    new = made(wanted(tmp_path), used=(tmp_path.stat().st_mtime))
    said: list[str] = []
    assert prune(tmp_path, False, said.append) == 0
    assert new.exists()
    assert said == [f"{new.name} was used within the last hour and stays"]


def test_one_that_is_being_built_stays(tmp_path: Path) -> None:
    path = wanted(tmp_path)
    path.mkdir(parents=True)
    said: list[str] = []
    with path.with_name(path.name + ".lock").open("a") as builder:
        fcntl.flock(builder, fcntl.LOCK_EX)
        prune(tmp_path, False, said.append)
    assert path.exists()
    assert said == [f"{path.name} is being built and stays"]


def test_what_a_killed_builder_left_goes(tmp_path: Path) -> None:
    path = wanted(tmp_path)
    path.mkdir(parents=True)
    prune(tmp_path, False, print)
    assert not path.exists()


def test_a_cache_without_environments_is_nothing_to_do(tmp_path: Path) -> None:
    assert prune(tmp_path, False, print) == 0


def test_above_a_limit_the_environments_of_other_versions_go_and_no_more_than_must(tmp_path: Path) -> None:
    new, old = made(wanted(tmp_path)), made(outdated(tmp_path), used=LONG_AGO + 60)
    assert shrink(tmp_path, 8 << 20, print) == 0
    assert shrink(tmp_path, 5 << 20, print) >= 3 << 20
    assert new.exists()
    assert not old.exists()
    assert shrink(tmp_path, 1 << 20, print) >= 3 << 20
    assert not new.exists()
