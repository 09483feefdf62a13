"""The Python interpreters of this machine that environments can be built on."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

_NAME = re.compile(r"python3\.\d+")


def own_version() -> str:
    """The version of the interpreter that runs the platform, such as `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def own_interpreter() -> Path:
    """The interpreter that the platform's own environment was made from."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def interpreters(environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Version → interpreter, the platform's own first, then the others from the newest to the oldest.

    `SAGESMITH_PYTHONS` says where others are looked for: `auto` (the default: `PATH`, pyenv's and uv's installations),
    `none`, or interpreters' paths joined with `:`. Found ones count only with their C headers, as `sagemaker-training`
    must be compiled for them. No interpreter is started: names and places tell the version.
    """
    setting = environ.get("SAGESMITH_PYTHONS", "").strip() or "auto"
    keys = ("PATH", "HOME", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME")
    return dict(_search(setting, tuple((key, environ.get(key, "")) for key in keys)))


@cache
def _search(setting: str, places: tuple[tuple[str, str], ...]) -> tuple[tuple[str, Path], ...]:
    others: dict[str, Path] = {}
    if setting == "auto":
        found = _look_around(dict(places))
    elif setting == "none":
        found = iter(())
    else:
        found = (Path(path).expanduser() for path in setting.split(":") if path)
    for path in found:
        real = _real(path)
        if real is not None:
            others.setdefault(real.name.removeprefix("python"), real)
    own = own_version()
    others.pop(own, None)
    newest_first = sorted(others.items(), key=lambda item: _number(item[0]), reverse=True)
    return ((own, own_interpreter()), *newest_first)


def _look_around(environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in environ["PATH"].split(os.pathsep):
        directory = Path(folder)
        # pyenv's shims stand for whatever version is chosen at the moment; the real ones are listed below.
        if folder and directory.name != "shims":
            yield from _matching(directory)
    home = Path(environ["HOME"] or "/nonexistent")
    pyenv = Path(environ["PYENV_ROOT"] or home / ".pyenv") / "versions"
    data = Path(environ["XDG_DATA_HOME"] or home / ".local" / "share")
    for root in (pyenv, Path(environ["UV_PYTHON_INSTALL_DIR"] or data / "uv" / "python")):
        try:
            installations = sorted(root.iterdir(), reverse=True)
        except OSError:
            continue
        for installation in installations:
            yield from _matching(installation / "bin")


def _matching(directory: Path) -> Iterator[Path]:
    try:
        # A path object for each of the thousands of files in /usr/bin would cost every job 20 ms.
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if entry.name.startswith("python3."))
    except OSError:
        return
    yield from (directory / name for name in names if _NAME.fullmatch(name))


def _real(path: Path) -> Path | None:
    """The installation's interpreter behind `path`, None if it cannot be used."""
    try:
        real = path.resolve(strict=True)
    except OSError:
        return None
    if not _NAME.fullmatch(real.name) or not os.access(real, os.X_OK):
        return None
    include = real.parent.parent / "include"
    headers = (include / name / "Python.h" for name in (real.name, real.name + "m"))
    return real if any(header.exists() for header in headers) else None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
