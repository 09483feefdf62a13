"""Archives: what is packed, and what is not unpacked."""

import gzip
import io
import os
import resource
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagesmith.agent.archive import ArchiveRefused, pack, unpack

ROOM = 1 << 40


def archive(path: Path, *entries: tuple[str, bytes, dict[str, Any]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content, fields in entries:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(content))
    return path


def symlink(target: str) -> dict[str, Any]:
    return {"type": tarfile.SYMTYPE, "linkname": target}


def hardlink(target: str) -> dict[str, Any]:
    return {"type": tarfile.LNKTYPE, "linkname": target}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def packed(folder: Path) -> tuple[bytes, list[str]]:
    buffer, notices = io.BytesIO(), []
    pack(folder, "/opt/ml/model", buffer, notices.append)
    return buffer.getvalue(), notices


def test_what_was_packed_comes_out_again(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "source"
    (source / "deep" / "empty").mkdir(parents=True)
    (source / "deep" / "file").write_bytes(b"content")
    (source / "run.sh").write_bytes(b"#!/bin/sh\n")
    (source / "run.sh").chmod(0o700)
    (source / "deep" / "link").symlink_to("../run.sh")
    (source / "absolute").symlink_to("/opt/ml/model/deep/file")
    os.link(source / "run.sh", source / "same")
    body, notices = packed(source)
    (tmp_path / "a.tar.gz").write_bytes(body)
    unpack(tmp_path / "a.tar.gz", target, ROOM)
    assert notices == []
    assert (target / "deep" / "empty").is_dir()
    assert (target / "deep" / "link").read_bytes() == b"#!/bin/sh\n"
    assert (target / "same").read_bytes() == b"#!/bin/sh\n"
    assert (target / "absolute").readlink() == Path("deep/file")
    assert os.access(target / "run.sh", os.X_OK)


def test_other_archives_add_what_the_folder_and_those_before_do_not_have(tmp_path: Path, target: Path) -> None:
    for host, files in {"one": "ab", "two": "bc", "three": "cd"}.items():
        (tmp_path / host / "deep").mkdir(parents=True)
        for name in files:
            (tmp_path / host / "deep" / name).write_text(host)
    others = []
    for host in ("two", "three"):
        others.append(tmp_path / f"{host}.tar.gz")
        others[-1].write_bytes(packed(tmp_path / host)[0])
    with (tmp_path / "all.tar.gz").open("wb") as file:
        pack(tmp_path / "one", "/opt/ml/model", file, print, others)
    unpack(tmp_path / "all.tar.gz", target, ROOM)
    assert {path.name: path.read_text() for path in (target / "deep").iterdir()} == {
        "a": "one",
        "b": "one",
        "c": "two",
        "d": "three",
    }


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("b", "a", "c"):
        (source / name).write_text(name)
    assert packed(source)[0] == packed(source)[0]


def test_links_out_and_special_files_are_left_out_with_a_notice(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    os.mkfifo(source / "pipe")
    (source / "shadow").symlink_to("/etc/shadow")
    (source / "up").symlink_to("../../x")
    (source / "kept").write_text("1")
    body, notices = packed(source)
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ["kept"]
    assert len(notices) == 3


@pytest.mark.parametrize(
    "entries",
    [
        [("../x", b"1", {})],
        [("a/../../x", b"1", {})],
        [("/x", b"1", {})],
        [("l", b"", symlink("/etc/passwd"))],
        [("l", b"", symlink("../outside"))],
        [("d/l", b"", symlink("../../outside"))],
        [("l", b"", hardlink("../outside"))],
        [("l", b"", hardlink("/etc/passwd"))],
        [("here", b"", symlink(".")), ("here/x", b"1", {})],
        [("real/x", b"1", {}), ("here", b"", symlink("real")), ("l", b"", hardlink("here/x"))],
        [("f", b"", {"type": tarfile.FIFOTYPE})],
        [("d", b"", {"type": tarfile.BLKTYPE})],
        [("file", b"1", {}), ("file/x", b"1", {})],
        [("dir/x", b"1", {}), ("dir", b"1", {})],
    ],
)
def test_an_entry_that_leads_out_or_is_no_file_is_refused_by_name(
    tmp_path: Path, target: Path, entries: list[tuple[str, bytes, dict[str, Any]]]
) -> None:
    with pytest.raises(ArchiveRefused, match=repr(entries[-1][0])):
        unpack(archive(tmp_path / "a.tar.gz", *entries), target, ROOM)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.gz", "target"}


def test_a_file_over_a_link_replaces_the_link(tmp_path: Path, target: Path) -> None:
    made = archive(tmp_path / "a.tar.gz", ("x", b"old", {}), ("l", b"", symlink("x")), ("l", b"new", {}))
    unpack(made, target, ROOM)
    assert (target / "x").read_bytes() == b"old"
    assert (target / "l").read_bytes() == b"new"


def test_too_much_is_refused_before_it_is_written(tmp_path: Path, target: Path) -> None:
    with pytest.raises(ArchiveRefused, match="'big'"):
        unpack(archive(tmp_path / "a.tar.gz", ("small", b"1", {}), ("big", bytes(1000), {})), target, 1000)
    assert not (target / "big").exists()


def test_a_sparse_file_counts_with_its_whole_size_and_fills_no_disk(tmp_path: Path, target: Path) -> None:
    made = archive(tmp_path / "a.tar.gz", ("hole", bytes(64 << 20), {}))
    with pytest.raises(ArchiveRefused):
        unpack(made, target, 1 << 20)
    unpack(made, target, ROOM)
    found = (target / "hole").stat()
    assert found.st_size == 64 << 20
    assert found.st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08\x00broken", b"\xfd7zXZ\x00broken", b"BZh9broken"])
def test_what_is_no_archive_is_refused(tmp_path: Path, target: Path, content: bytes) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(ArchiveRefused, match="not a tar archive"):
        unpack(path, target, ROOM)


def test_an_archive_that_ends_too_early_is_refused(tmp_path: Path, target: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", ("x", os.urandom(100_000), {}))
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(ArchiveRefused, match="damaged"):
        unpack(path, target, ROOM)


def bomb(path: Path, kind: bytes, size: int) -> Path:
    """An archive of a few KB whose one header has a body of `size` zeros."""
    header = tarfile.TarInfo("bomb")
    header.type, header.size = kind, size
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return path


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, target: Path, kind: bytes) -> None:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(ArchiveRefused, match="memory"):
        unpack(bomb(tmp_path / "a.tar.gz", kind, 600 << 20), target, ROOM)
    assert resource.getrlimit(resource.RLIMIT_AS) == limits
    assert not list(target.iterdir())


def test_entries_without_end_are_refused(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagesmith.agent.archive.MAX_ENTRIES", 10)
    folders = [(f"d{number}", b"", {"type": tarfile.DIRTYPE}) for number in range(11)]
    with pytest.raises(ArchiveRefused, match="more than 10 entries"):
        unpack(archive(tmp_path / "a.tar.gz", *folders), target, ROOM)


def test_no_rights_come_out_of_an_archive(tmp_path: Path, target: Path) -> None:
    unpack(archive(tmp_path / "a.tar.gz", ("x", b"x", {"mode": 0o6777}), ("y", b"y", {"mode": 0o000})), target, ROOM)
    assert [(target / name).stat().st_mode & 0o7777 for name in "xy"] == [0o755, 0o644]


def test_the_second_of_two_entries_of_one_name_never_writes_through_the_first(tmp_path: Path, target: Path) -> None:
    entries = [("inner", b"1", {}), ("x", b"", symlink("inner")), ("x", b"2", {})]
    unpack(archive(tmp_path / "a.tar.gz", *entries), target, ROOM)
    assert [(target / name).read_text() for name in ("inner", "x")] == ["1", "2"]
    assert not (target / "x").is_symlink()
