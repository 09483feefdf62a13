"""Tar archives of models, outputs and code: packed as a stream, unpacked with suspicion."""

import contextlib
import gzip
import os
import resource
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

_COMPRESSION_LEVEL = 3
_CHUNK_BYTES = 1 << 20
_MEMORY_BYTES = 512 << 20
_bounding = threading.Lock()
_bounded: list[tuple[int, int]] = []
"""While anybody unpacks: the limits from before, and those again for each who does."""
MAX_ENTRIES = 1_000_000
"""Of an archive: entries without content cost its sender next to nothing, and this node an inode each."""


class ArchiveRefused(Exception):
    """An archive that will not be unpacked; the message names the entry and says why."""


class ArchiveTooLarge(ArchiveRefused):
    """Its files amount to more than there is room for."""


def pack(
    folder: Path | None,
    shown_as: str,
    target: IO[bytes],
    notice: Callable[[str], None],
    others: Sequence[Path] = (),
) -> None:
    """Write a folder's content as .tar.gz, in the order of names, so that the same files give the same bytes.

    Nothing is followed and nothing outside is read, whatever links user code left: a link that points into the folder
    stays a link, any other one and special files are left out.

    Args:
        folder: what to pack; nobody changes it meanwhile. None: nothing.
        shown_as: the folder's path as user code knew it, to understand absolute links.
        notice: told of what was left out.
        others: archives that `pack` made; what the folder does not have comes from them, the first that has it.
    """
    with (
        gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, target, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        names = _pack_folder(folder, shown_as, tar, notice) if folder is not None else set()
        for other in others:
            _pack_archive(other, tar, names)


def _pack_folder(folder: Path, shown_as: str, tar: tarfile.TarFile, notice: Callable[[str], None]) -> set[str]:
    """Add a folder's content; the names of what was added."""
    names = set()
    for path in walk(folder):
        name = path.relative_to(folder).as_posix()
        entry = tar.gettarinfo(str(path), name)
        if entry is None or not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()):
            notice(f"{shown_as}/{name} is neither a file nor a directory: left out of the archive.")
            continue
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        if entry.issym():
            link = _inner_link(name, entry.linkname, shown_as)
            if link is None:
                notice(f"{shown_as}/{name} is a link to {entry.linkname}, outside: left out of the archive.")
                continue
            entry.linkname = link
        if entry.isreg():
            with open_without_following(path) as file:
                tar.addfile(entry, file)
        else:
            tar.addfile(entry)
        names.add(name)
    return names


def _pack_archive(archive: Path, tar: tarfile.TarFile, names: set[str]) -> None:
    """Add what an archive has and `names` does not, which grows by it."""
    with tarfile.open(archive, "r|gz") as other:
        while (entry := other.next()) is not None:
            cast("Any", other).members.clear()  # It would keep them all.
            if entry.name not in names:
                names.add(entry.name)
                tar.addfile(entry, other.extractfile(entry) if entry.isreg() else None)


def walk(folder: Path) -> Iterator[Path]:
    """All below a folder, sorted, parents first; links to directories are not entered."""
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        path = Path(entry.path)
        yield path
        if entry.is_dir(follow_symlinks=False):
            _make_readable(path, 0o700)
            yield from walk(path)


def open_without_following(path: Path) -> IO[bytes]:
    """Open a regular file for reading; a link in its place is an error."""
    _make_readable(path, 0o400)
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def unpack(archive: Path, target: Path, max_bytes: int) -> None:
    """Unpack a tar archive, compressed or not, into a folder, as files of this process' user.

    Args:
        target: an empty folder that nobody else writes to.
        max_bytes: how much the files may amount to.

    Raises:
        ArchiveRefused: it is no archive, or an entry's path, link or kind leads out of the folder, or it is too big.
    """
    total = count = 0
    try:
        with _bounded_memory(), tarfile.open(archive, "r|*") as tar:
            while (entry := tar.next()) is not None:
                cast("Any", tar).members.clear()  # It would keep them all.
                count += 1
                if count > MAX_ENTRIES:
                    raise ArchiveRefused(f"it has more than {MAX_ENTRIES} entries")
                total += entry.size if entry.isreg() else 0
                if total > max_bytes:
                    raise ArchiveTooLarge(
                        f"at {entry.name!r} its files amount to more than the {max_bytes} bytes that may be used"
                    )
                _unpack_entry(tar, entry, target)
    except MemoryError as error:
        raise ArchiveRefused(f"reading it takes more than {_MEMORY_BYTES >> 20} MiB of memory") from error
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError) as error:
        raise ArchiveRefused(f"it is not a tar archive, or a damaged one: {error}") from error
    except OSError as error:
        if error.errno is None:
            # The decompressors raise bare OSErrors for damaged data.
            raise ArchiveRefused(f"it is not a tar archive, or a damaged one: {error}") from error
        raise


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let this process take only so much more memory: a few KB of archive can hold a header or a dictionary of many GB,
    which tarfile and the decompressors would read into memory whole. Several threads have as much more together."""
    with _bounding:
        if not _bounded:
            _bounded.append(resource.getrlimit(resource.RLIMIT_AS))
        soft, hard = _bounded[0]
        _bounded.append(_bounded[0])
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        wanted = pages * resource.getpagesize() + _MEMORY_BYTES
        limits = [each for each in (wanted, soft, hard) if each != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        with _bounding:
            _bounded.pop()
            if len(_bounded) == 1:
                resource.setrlimit(resource.RLIMIT_AS, _bounded.pop())


def _unpack_entry(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    parts = _parts(entry.name)
    if parts is None:
        raise ArchiveRefused(f"the entry {entry.name!r} leads out of the folder")
    if not parts:
        return
    path = target.joinpath(*parts)
    _make_parents(target, parts[:-1], entry.name)
    if entry.isdir():
        if not _is_directory(path):
            path.unlink(missing_ok=True)
            path.mkdir()
        return
    if _is_directory(path):
        raise ArchiveRefused(f"the entry {entry.name!r} is both a folder and a file")
    path.unlink(missing_ok=True)
    if entry.issym():
        if _inner_link("/".join(parts), entry.linkname, None) is None:
            raise ArchiveRefused(f"the entry {entry.name!r} is a link to {entry.linkname!r}, out of the folder")
        path.symlink_to(entry.linkname)
    elif entry.islnk():
        original = _parts(entry.linkname)
        source = target.joinpath(*original) if original else None
        if source is None or not _is_file_behind_no_link(target, source):
            raise ArchiveRefused(f"the entry {entry.name!r} is a link to {entry.linkname!r}, out of the folder")
        path.hardlink_to(source)
    elif entry.isreg():
        _unpack_file(tar, entry, path)
    else:
        raise ArchiveRefused(f"the entry {entry.name!r} is a device or a pipe")


def _unpack_file(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(entry)
    assert source is not None
    mode = 0o755 if entry.mode & 0o111 else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            # Holes stay holes: a sparse file must not fill the disk with zeros.
            if chunk.count(0) == len(chunk):
                file.seek(len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)
        if file.tell() != entry.size:
            raise ArchiveRefused(f"the entry {entry.name!r} ends too early")
        file.truncate()


def _parts(name: str) -> tuple[str, ...] | None:
    """A safe entry's path, None if it is absolute or climbs."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        return None
    return path.parts


def _make_parents(target: Path, parts: tuple[str, ...], name: str) -> None:
    """Make the folders above an entry. Nothing is ever written through a link, so that none can lead out."""
    path = target
    for part in parts:
        path /= part
        try:
            path.mkdir()
        except FileExistsError:
            if not _is_directory(path):
                raise ArchiveRefused(f"the entry {name!r} lies below a link or a file of the archive") from None


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _is_file_behind_no_link(target: Path, path: Path) -> bool:
    parent = path.parent
    while parent != target:
        if not _is_directory(parent):
            return False
        parent = parent.parent
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _inner_link(name: str, link: str, shown_as: str | None) -> str | None:
    """A symbolic link's target relative to the entry `name`, None if it is not below the archive's root."""
    if os.path.isabs(link):  # noqa: PTH117
        if shown_as is None:
            return None
        inside = os.path.relpath(os.path.normpath(link), shown_as)
        result = os.path.relpath(inside, os.path.dirname(name) or ".")  # noqa: PTH120
    else:
        inside = os.path.normpath(os.path.join(os.path.dirname(name), link))  # noqa: PTH118, PTH120
        result = link
    return None if inside == ".." or inside.startswith("../") else result


def _make_readable(path: Path, bits: int) -> None:
    """Files that user code made unreadable are still ours to read where it shares our uid."""
    mode = path.lstat().st_mode
    if mode & bits != bits and not stat.S_ISLNK(mode) and os.geteuid() != 0:
        path.chmod(stat.S_IMODE(mode) | bits)
