"""The modules that every prediction passes through in a router, as machine code where that was made of them.

`python -m sagesmith.compiled` has mypyc compile them, which `make setup` does. What comes of it is in a folder of the
cache that is named after all that it was made of: the sources, this Python, this machine. A router looks for the
folder of its own sources and finds that one or none, and without it runs the same sources as they stand. So what is
compiled is never older than what is written, beside a source that somebody changes as little as beside one installed.
A router has keys, and a cache may be shared: what somebody else could have put there is not used.

Only routers use it: model servers run in environments of their own, and whoever debugs or tests wants the sources.
"""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import platform
import stat
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from sagesmith.config import default_cache_dir

ROOT = Path(__file__).parents[1]
"""The package's own folder."""

NOTHING = "nothing is compiled"
MEND = "python -m sagesmith.compiled, with mypy and setuptools installed"
"""Why `why_not`, where nothing is there, and what makes it."""

GROUP = "sagesmith_compiled"
LIBRARY = f"{GROUP}__mypyc"
"""The module that has the code of all others, by mypyc's naming; what is imported under their names leads to it."""

MODULES = (
    "sagesmith.gateway.components",
    "sagesmith.gateway.hops",
    "sagesmith.gateway.invocation",
    "sagesmith.gateway.invocation_log",
    "sagesmith.gateway.invoke",
    "sagesmith.gateway.metering",
    "sagesmith.gateway.prompt",
    "sagesmith.gateway.router",
    "sagesmith.gateway.servers",
    "sagesmith.gateway.target_models",
    "sagesmith.gateway.targets",
    "sagesmith.http.client",
    "sagesmith.http.client_connection",
    "sagesmith.http.connection",
    "sagesmith.http.exchange",
    "sagesmith.http.frames",
    "sagesmith.http.frames_client",
    "sagesmith.http.incoming",
    "sagesmith.http.messages",
    "sagesmith.http.server",
    "sagesmith.http.writing",
    "sagesmith.identifiers",
    "sagesmith.logging",
    "sagesmith.routes",
    "sagesmith.wire.canonical",
    "sagesmith.wire.sigv4",
)
"""What is compiled, together: among each other they call functions and read attributes as C does."""

_SOURCES = ("*.py", "compiled/*.py", "gateway/**/*.py", "http/*.py", "wire/**/*.py")
"""What `MODULES` are and import: compiled code relies on the types of what it uses."""


class AlreadyImported(RuntimeError):
    """A module runs as it stands already: half of them compiled would not know the other half's classes."""


def sources() -> list[Path]:
    """The files of which the compiled modules are made, in a fixed order."""
    # An editor's lock beside a file that is open in it may be a link to nothing.
    return sorted(path for pattern in _SOURCES for path in ROOT.glob(pattern) if path.is_file())


def key() -> str:
    """The name of the folder that belongs to the sources as they stand now."""
    digest = hashlib.sha256()
    made_for = (sys.version, sysconfig.get_config_var("SOABI"), platform.machine(), *platform.libc_ver())
    digest.update(repr(made_for).encode())
    for path in sources():
        content = path.read_bytes()
        digest.update(b"%s %d\n" % (str(path.relative_to(ROOT)).encode(), len(content)))
        digest.update(content)
    return digest.hexdigest()[:32]


def folder() -> Path:
    """Where the compiled modules are, or would be."""
    return default_cache_dir() / "compiled" / key()


def use() -> bool:
    """From now on import `MODULES` as they were compiled; False, and nothing is changed, if `why_not` says why.

    Raises:
        AlreadyImported: too late.
    """
    late = sorted(sys.modules.keys() & set(MODULES))
    if late:
        raise AlreadyImported(", ".join(late))
    found = folder()
    if why_not(found) is not None:
        return False
    finder = _Finder(found)
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module(LIBRARY)
    except ImportError:  # made where libraries are others, as in a home directory that several machines share
        sys.meta_path.remove(finder)
        return False
    return True


def why_not(found: Path) -> str | None:
    """Why routers do not use a folder; None if what it has is whole and nobody else's."""
    if os.environ.get("SAGESMITH_COMPILED") == "no":
        return "SAGESMITH_COMPILED is no"
    try:
        if not found.is_dir():
            return NOTHING
        if not all(path.is_file() for path in _files(found).values()):
            return f"{found} is not whole: remove it"
        others = next((path for path in (*found.rglob("*"), found, *found.parents) if _is_others(path)), None)
    except OSError as error:
        return str(error)
    return None if others is None else f"other users may change {others}: take that from them, or set SAGESMITH_CACHE"


def _is_others(path: Path) -> bool:
    """Whether a user besides this one and root decides what is found at a path.

    A group that has its owner's number is that user's own: many systems have one for each.
    """
    status = path.lstat()
    if status.st_uid not in {0, os.geteuid()} or stat.S_ISLNK(status.st_mode):
        return True
    writers = stat.S_IWOTH if status.st_gid == status.st_uid else stat.S_IWOTH | stat.S_IWGRP
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    return bool(status.st_mode & writers) and not sticky


def is_compiled(module: ModuleType) -> bool:
    """Whether a module runs as machine code."""
    return isinstance(module.__loader__, importlib.machinery.ExtensionFileLoader)


def _files(found: Path) -> dict[str, Path]:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    return {name: found / (name.replace(".", "/") + suffix) for name in (LIBRARY, *MODULES)}


class _Finder:
    """Finds `MODULES` in a folder, and nothing else: `sys.meta_path` asks it first."""

    def __init__(self, found: Path) -> None:
        self._files = _files(found)

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        path = self._files.get(name)
        return None if path is None else importlib.util.spec_from_file_location(name, path)
