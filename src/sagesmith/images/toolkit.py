"""Wheels that nobody publishes: `sagemaker-training`, `chainer` and others are sources only, built once a Python.

`toolkit.txt` locks those that every environment has.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sagesmith.images.base import EnvironmentFailed
from sagesmith.images.installer import Progress, index_arguments, run, uv_binary, uv_environment
from sagesmith.images.lockfile import canonical, read, requirements

NAME = "toolkit"
_WHAT = "Building sagemaker-training"
_STALE_SECONDS = 86_400.0


def folder(cache: Path, python: str) -> Path:
    """Where the wheels lie that were built on this machine for a Python version."""
    return cache / "wheels" / f"py{python}-{os.uname().machine}"


def built_wheels(cache: Path, python: str, lock: str = NAME) -> list[Path] | None:
    """A source lock's wheels for a Python version, None if one of them has yet to be built."""
    found = []
    for name, version in requirements(lock):
        match = sorted(folder(cache, python).glob(f"{canonical(name)}-{version}-*.whl"))
        if not match:
            return None
        found.append(match[-1])
    return found


def build_wheels(
    cache: Path,
    python: str,
    interpreter: Path,
    progress: Progress,
    environ: Mapping[str, str] = os.environ,
    lock: str = NAME,
) -> list[Path]:
    """Build a source lock's wheels for a Python version into the cache, or find them there.

    Raises:
        EnvironmentFailed: no compiler or headers (the message says what to install), or the build went wrong.
    """
    wheels = built_wheels(cache, python, lock)
    if wheels is not None:
        return wheels
    what = _WHAT if lock == NAME else f"Building {lock}"
    path = environ.get("PATH", os.defpath)
    if not any(shutil.which(name, path=path) for name in (environ.get("CC") or "cc", "cc", "gcc")):
        raise EnvironmentFailed(
            "sagemaker-training has to be compiled once for this Python, and there is no C compiler: "
            "apt-get install gcc python3-dev (or sagesmith env-cache import a bundle made on a like machine)."
        )
    progress(f"{what} for Python {python}, once on this machine")
    with pip_environment(cache, python, interpreter, progress, environ) as pip:
        work = pip.parent.parent.parent
        sources, out = work / f"{lock}.txt", work / "out"
        sources.write_text(read(lock), encoding="utf-8")
        command = [str(pip), "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
        command += ["--require-hashes", "--no-binary", ":all:", "-r", str(sources), "-w", str(out)]
        try:
            run(command, pip_variables(environ), work, what, progress)
        except EnvironmentFailed as error:
            if "Python.h" not in str(error):
                raise
            message = f"{error}\nPython's headers are missing: apt-get install python3-dev"
            raise EnvironmentFailed(message) from error
        for wheel in out.glob("*.whl"):
            wheel.chmod(0o644)
            wheel.replace(folder(cache, python) / wheel.name)
    wheels = built_wheels(cache, python, lock)
    if wheels is None:
        raise EnvironmentFailed(f"{what} made no wheel of the version that was asked for.")
    return wheels


@contextmanager
def pip_environment(
    cache: Path, python: str, interpreter: Path, progress: Progress, environ: Mapping[str, str]
) -> Iterator[Path]:
    """The interpreter of a short-lived environment below the cache that has pip, setuptools and wheel, as locked.

    pip reads its user's configuration by itself, and it can build and download wheels, which uv cannot.
    """
    home = folder(cache, python)
    home.mkdir(parents=True, exist_ok=True)
    for left in home.glob(".build-*"):
        # A builder that was killed leaves its directory; nobody builds for a day.
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=home) as name:
        work = Path(name)
        variables = uv_environment(cache, environ)
        uv, venv, lock = uv_binary(), work / "venv", work / "build.txt"
        run([uv, "venv", "--quiet", "--python", str(interpreter), str(venv)], variables, work, _WHAT, progress)
        lock.write_text(read(f"build-py{python}"), encoding="utf-8")
        install = [uv, "pip", "install", "--quiet", "--python", str(venv), "--require-hashes", "--only-binary", ":all:"]
        run([*install, "--no-deps", *index_arguments(environ), "-r", str(lock)], variables, work, _WHAT, progress)
        yield venv / "bin" / "python"


def pip_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Environment variables for pip in such an environment."""
    return {name: value for name, value in environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
