"""The lock files that the project ships: pinned, hashed requirements, one file an environment."""

import re
from importlib import resources

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", re.MULTILINE)
_SOURCES = re.compile(r"^# sources: (\S+)$", re.MULTILINE)
_TORCH = "torch"


def read(name: str) -> str:
    """The text of the lock file `name` (without its suffix).

    Raises:
        FileNotFoundError: the project ships none of this name.
    """
    return resources.files("sagesmith.images").joinpath("locks", f"{name}.txt").read_text(encoding="utf-8")


def requirements(name: str) -> list[tuple[str, str]]:
    """(distribution, version) of every pin in a lock file."""
    return [(match[1], match[2]) for match in _PIN.finditer(read(name))]


def sources(name: str) -> list[str]:
    """The lock files of what an environment has beside a lock file's wheels, published as sources only: the toolkit
    that runs users' scripts, and what the lock file names; nothing at all where it names `none`."""
    named = _SOURCES.findall(read(name))
    return [] if named == ["none"] else ["toolkit", *named]


def torch(name: str) -> str | None:
    """The version of PyTorch in a lock file, None if it has none. Its wheels are on an index of PyTorch's own."""
    return dict(requirements(name)).get(_TORCH)


def canonical(name: str) -> str:
    """A distribution's name as it stands in a wheel's file name, in lower case."""
    return re.sub(r"[-_.]+", "_", name).lower()
