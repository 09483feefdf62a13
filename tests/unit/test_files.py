"""Files that are replaced in one step, and trees that others made."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagesmith.files import free_beginning, is_locked, remove_tree, replace_file, write_durably


@pytest.fixture
def open_umask() -> Iterator[None]:
    former = os.umask(0)
    yield
    os.umask(former)


@pytest.mark.parametrize("write", [replace_file, write_durably])
@pytest.mark.usefixtures("open_umask")
def test_a_file_is_its_owners_alone_unless_it_is_to_be_shared(write: Callable[..., None], tmp_path: Path) -> None:
    write(tmp_path / "key", b"secret")
    write(tmp_path / "bundle", b"public", mode=0o644)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "bundle").stat().st_mode) == 0o644


@pytest.mark.parametrize("write", [replace_file, write_durably])
def test_who_has_a_file_open_goes_on_reading_what_it_was(write: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "table"
    write(path, b"old")
    with path.open("rb") as reader:
        write(path, b"new and longer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new and longer"


def test_what_a_killed_writer_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "table.tmp").write_bytes(b"half of something that was much longer")
    write_durably(tmp_path / "table", b"whole")
    assert (tmp_path / "table").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_the_beginning_of_a_file_is_freed_and_its_end_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (1 << 20) + b"end")
    before = path.stat().st_blocks
    free_beginning(path, 1 << 20)
    assert path.read_bytes() in (bytes(1 << 20) + b"end", b"x" * (1 << 20) + b"end")
    assert path.stat().st_blocks < before or path.read_bytes().startswith(b"x")
    free_beginning(tmp_path / "gone", 1 << 20)


def test_no_tree_is_too_deep_to_remove(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(3_000):
        os.mkdir("d", dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove_tree(root)
    assert not root.exists()


def test_a_tree_is_removed_whatever_modes_and_links_are_in_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "file").touch()
    root = tmp_path / "tree"
    (root / "shut" / "inner" / "empty").mkdir(parents=True)
    (root / "shut" / "inner" / "file").touch()
    (root / "shut" / "out").symlink_to(outside)
    (root / "out").symlink_to(outside)
    os.mkfifo(root / "pipe")
    (root / "shut" / "inner").chmod(0)
    (root / "shut").chmod(0)
    root.chmod(0)
    remove_tree(root)
    assert not root.exists()
    assert (outside / "file").exists()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o755


def test_what_is_not_there_needs_no_removal_and_a_link_goes_alone(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    remove_tree(tmp_path / "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_a_lock_is_seen_while_it_is_held_and_looking_takes_none(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert is_locked(path)
    assert not is_locked(path)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
