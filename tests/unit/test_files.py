"""Files that are replaced in one step."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagesmith.files import replace_file, write_durably


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
