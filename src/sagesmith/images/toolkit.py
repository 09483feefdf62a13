"""Wheels that nobody publishes: `sagemaker-training` and what it needs come as sources only, built here once a Python."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from sagesmith.images.base import EnvironmentFailed
from sagesmith.images.installer import Progress, run, uv_binary, uv_environment
from sagesmith.images.lockfile import read, requirements

NAME = "toolkit"


def built_wheels(cache: Path, python: str) -> list[Path] | None:
    """The toolkit's wheels for a Python version, None if one of them has yet to be built."""
    folder = cache / "wheels" / f"py{python}"
    found = []
    for name, version in requirements(NAME):
        match = sorted(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
        if not match:
            return None
        found.append(match[-1])
    return found


def build_wheels(
    cache: Path, python: str, interpreter: Path, progress: Progress, environ: Mapping[str, str] = os.environ
) -> list[Path]:
    """Build the toolkit's wheels into `<cache>/wheels/py<python>`, or find them there.

    Raises:
        EnvironmentFailed: no compiler or headers (the message says what to install), or the build went wrong.
    """
    wheels = built_wheels(cache, python)
    if wheels is not None:
        return wheels
    if not any(map(shutil.which, (environ.get("CC") or "cc", "cc", "gcc"))):
        raise EnvironmentFailed(
            "sagemaker-training has to be compiled once for this Python and there is no C compiler: "
            "apt-get install gcc python3-dev (or import a bundle: sagesmith env-cache import)."
        )
    folder = cache / "wheels" / f"py{python}"
    folder.mkdir(parents=True, exist_ok=True)
    progress(f"Building sagemaker-training for Python {python}, once on this machine")
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as name:
        work = Path(name)
        variables = uv_environment(cache / "wheels", cache, environ)
        uv, venv = uv_binary(), work / "venv"
        what = "Building sagemaker-training"
        run([uv, "venv", "--quiet", "--python", str(interpreter), str(venv)], variables, work, what, progress)
        lock = work / "build.txt"
        lock.write_text(read(f"build-py{python}"), encoding="utf-8")
        install = [uv, "pip", "install", "--quiet", "--python", str(venv), "--require-hashes", "--only-binary", ":all:"]
        run([*install, "-r", str(lock)], variables, work, what, progress)
        sources = work / "toolkit.txt"
        sources.write_text(read(NAME), encoding="utf-8")
        pip = [
            str(venv / "bin" / "python"),
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--no-cache-dir",
        ]
        hashed = ["--require-hashes", "--no-binary", ":all:", "-r", str(sources), "-w", str(work / "out")]
        pip_variables = {name: value for name, value in environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        try:
            run([*pip, *hashed], pip_variables, work, what, progress)
        except EnvironmentFailed as error:
            if "Python.h" in str(error):
                raise EnvironmentFailed(
                    f"{error}\nPython's headers are missing: apt-get install python3-dev"
                ) from error
            raise
        for wheel in (work / "out").glob("*.whl"):
            wheel.chmod(0o644)
            wheel.replace(folder / wheel.name)
    wheels = built_wheels(cache, python)
    if wheels is None:
        raise EnvironmentFailed(f"{what} made no wheel that fits {resources.files('sagesmith.images') / 'locks'}.")
    return wheels
