"""Removing environments from the cache: first those that this version has no lock file for any more."""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path

from sagesmith.images.environments import last_used, place, remove
from sagesmith.images.interpreters import interpreters

RECENT_SECONDS = 3600.0
"""A task finds its environment before it fetches its data, and only then does a sandbox show it: one that was found
lately may be about to be used."""

_LOCK_NAME = re.compile(r"(?P<lock>.+-py(?P<python>\d+\.\d+))\.txt")


def prune(cache: Path, outdated_only: bool, say: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> int:
    """Remove environments that nobody uses, and say of each what became of it and how large it is.

    Args:
        cache: the cache directory.
        outdated_only: whether those stay that jobs of this version may still want.
        say: called with a line for people for each environment that is removed or in use.

    Returns:
        The bytes that were freed.
    """
    wanted = _wanted(cache, environ)
    found = sorted(_environments(cache), key=lambda path: path in wanted)
    shown = _mounted()
    return sum(_remove(path, wanted, shown, say) for path in found if not (outdated_only and path in wanted))


def shrink(cache: Path, limit_bytes: int, say: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> int:
    """Remove the environments that were used longest ago, until the others take no more than a limit.

    Those of other versions go first; those in use stay, whatever the limit.

    Returns:
        The bytes that were freed.
    """
    wanted = _wanted(cache, environ)
    found = sorted(_environments(cache), key=lambda path: (path in wanted, last_used(path)))
    excess = sum(map(_size, found)) - limit_bytes
    freed, shown = 0, _mounted()
    for path in found:
        if freed >= excess:
            break
        freed += _remove(path, wanted, shown, say)
    return freed


def _environments(cache: Path) -> list[Path]:
    return [path for path in (cache / "environments").glob("*/") if not path.is_symlink()]


def _remove(path: Path, wanted: set[Path], shown: str, say: Callable[[str], None]) -> int:
    """Remove one environment unless somebody needs it, and say so; the bytes that this freed."""
    with _unless_built(path) as is_free:
        if not is_free:
            say(f"{path.name} is being built and stays")
        elif f" {path} " in shown:
            say(f"{path.name} is in use and stays")
        elif time.time() - last_used(path) < RECENT_SECONDS:
            say(f"{path.name} was used within the last hour and stays")
        else:
            size = _size(path)
            remove(path)
            why = "" if path in wanted else ", which this version does not use any more"
            say(f"{path.name}{why}: {size / 2**20:.0f} MiB removed")
            return size
    return 0


def _wanted(cache: Path, environ: Mapping[str, str]) -> set[Path]:
    """Where the environments of all lock files that this version ships would lie on this machine."""
    available = interpreters(environ)
    names = (entry.name for entry in resources.files("sagesmith.images").joinpath("locks").iterdir())
    matches = [match for name in names if (match := _LOCK_NAME.fullmatch(name)) and match["python"] in available]
    return {place(match["lock"], cache, available[match["python"]]) for match in matches}


def _size(path: Path) -> int:
    """What removing it frees: files that the installer's cache has too stay there."""
    status = (each.lstat() for each in path.rglob("*") if not each.is_dir())
    return sum(each.st_blocks * 512 for each in status if each.st_nlink == 1)


def _mounted() -> str:
    """The mounts of all processes that we may look at, as proc(5) has them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace"))
    return "\n".join(found)


@contextlib.contextmanager
def _unless_built(path: Path) -> Iterator[bool]:
    """Hold off whoever wants to build there; False if somebody builds already."""
    with path.with_name(path.name + ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
