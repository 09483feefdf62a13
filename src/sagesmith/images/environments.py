"""Environments on this node: built once from a lock file, read-only, shared by all jobs."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sagesmith.images.base import BuiltEnvironment, EnvironmentFailed, Runtime
from sagesmith.images.interpreters import interpreters
from sagesmith.images.lockfile import read, sources

_COMPLETE = ".complete"
_WAIT_SECONDS = 3.0


def ensure(
    runtime: Runtime,
    cache: Path,
    progress: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> BuiltEnvironment:
    """The environment of a runtime on this node, built if it is not there yet.

    It lies in `<cache>/environments/<lock>-<hash of lock files and interpreter>`. A virtual environment has its own
    path written into its scripts, so it is built where it stays; it counts once its marker is written, and whoever
    finds one without a marker (a build that was killed) makes it anew. A file lock lets one builder work while the
    others wait.

    Args:
        runtime: from `sagesmith.images.registry.resolve`.
        cache: the cache directory, shared by all data directories.
        progress: called with a line for people, at least every few seconds while something is built.
        environ: where settings and pip's configuration are looked up.

    Raises:
        EnvironmentFailed: it could not be built; nothing is left that looks complete.
    """
    interpreter = interpreters(environ).get(runtime.python)
    if interpreter is None:
        raise EnvironmentFailed(
            f"Python {runtime.python}, which {runtime.lock} needs, is not on this machine any more."
        )
    path = place(runtime.lock, cache, interpreter)
    found = _complete(path)
    if found is not None:
        with contextlib.suppress(OSError):
            os.utime(path / _COMPLETE)
        return found
    with _lock(path, progress):
        found = _complete(path)
        if found is not None:
            return found
        # Imported here: a job whose environment stands must not pay for the installer.
        from sagesmith.images.builder import build

        remove(path)
        try:
            build(runtime, path, cache, interpreter, progress, environ)
            return _seal(path, interpreter)
        except OSError as error:
            remove(path)
            raise EnvironmentFailed(f"The environment {path.name} could not be built: {error}") from error
        except EnvironmentFailed:
            remove(path)
            raise


def place(lock: str, cache: Path, interpreter: Path) -> Path:
    """Where the environment of a lock file lies."""
    parts = "\0".join((read(lock), *map(read, sources(lock)), str(interpreter)))
    return cache / "environments" / f"{lock}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


def last_used(path: Path) -> float:
    """When `ensure` last found the environment, in seconds since the epoch; 0 if it is not complete."""
    try:
        return (path / _COMPLETE).stat().st_mtime
    except OSError:
        return 0.0


def _complete(path: Path) -> BuiltEnvironment | None:
    try:
        marker = json.loads((path / _COMPLETE).read_text(encoding="utf-8"))
        paths = [Path(entry) for entry in marker["read_only_paths"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # An interpreter that was uninstalled leaves a link to nothing.
    return BuiltEnvironment(path, paths) if (path / "bin" / "python").exists() else None


def _seal(path: Path, interpreter: Path) -> BuiltEnvironment:
    """Make the environment readable by every user and writable by none, flush it, and mark it as complete."""
    built = BuiltEnvironment(path, [path, *_installation(interpreter)])
    marker = path / _COMPLETE
    temporary = path / (_COMPLETE + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"read_only_paths": [str(entry) for entry in built.read_only_paths]}, file)
        file.flush()
        # Everything that the installer wrote must be on the disk before the marker is.
        os.sync()
        os.fsync(file.fileno())
    for folder, _, files in os.walk(path):
        for name in files:
            _read_only(Path(folder) / name)
    temporary.replace(marker)
    for folder, _, _ in os.walk(path, topdown=False):
        _read_only(Path(folder))
    return built


def _read_only(path: Path) -> None:
    if not path.is_symlink():
        mode = path.stat().st_mode & 0o777
        path.chmod((mode | 0o444 | (0o111 if mode & 0o100 else 0)) & ~0o222)


def _installation(interpreter: Path) -> list[Path]:
    """The base interpreter's installation: its prefix, `/usr` for the system's own."""
    return [interpreter.parent.parent]


def remove(path: Path) -> None:
    """Remove an environment, whole or not; nothing if it is not there."""
    if not path.exists():
        return
    # Killed half-way, it must not count as complete.
    path.chmod(0o700)
    (path / _COMPLETE).unlink(missing_ok=True)
    # A folder without write permission keeps what is in it, whoever owns it.
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path)


@contextmanager
def _lock(path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """One builder at a time, over processes; the kernel lets go of the lock when its last holder is gone.

    The installer inherits it: if its caller is killed, the next one waits until nobody writes any more.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("a") as file:
        os.set_inheritable(file.fileno(), True)
        start = time.monotonic()
        said = start
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                now = time.monotonic()
                if now - said >= _WAIT_SECONDS:
                    progress(f"Another task builds this environment: waiting for it ({now - start:.0f} s)")
                    said = now
                time.sleep(0.1)
        yield
