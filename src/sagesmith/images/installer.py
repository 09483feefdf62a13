"""Running `uv` with the user's own pip configuration, in a process of its own, with its progress passed on."""

import configparser
import os
import queue
import subprocess
import sys
import sysconfig
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sagesmith.images.base import EnvironmentFailed

Progress = Callable[[str], None]

TORCH_WHEELS = "https://download.pytorch.org/whl/cpu/torch/"
_HEARTBEAT_SECONDS = 3.0
_LAST_LINES = 15
_TRUE = {"1", "true", "yes", "on"}


def offline(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `SAGESMITH_OFFLINE` forbids the network."""
    return environ.get("SAGESMITH_OFFLINE", "").strip().lower() in _TRUE


def uv_environment(cache: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment variables for `uv`: pip's configuration carried over, unless uv has its own.

    uv reads neither pip's files nor `PIP_*` (https://docs.astral.sh/uv/pip/compatibility/). Wheels in the cache count
    too; with `SAGESMITH_OFFLINE=1` they, and what uv has kept, are all there is. Every requirement carries a hash, so
    it is safe to take a package from whichever index has it, as pip does.
    """
    pip = pip_settings(environ)
    result = {name: value for name, value in environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    result |= {
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
    }
    wheels = cache / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    links = [str(wheels), *pip.get("find-links", "").split()]
    result["UV_FIND_LINKS"] = ",".join([*links, *filter(None, [environ.get("UV_FIND_LINKS")])])
    if offline(environ):
        result["UV_OFFLINE"] = "1"
    result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    carried = {
        "UV_DEFAULT_INDEX": pip.get("index-url"),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("timeout") or pip.get("default-timeout"),
        "SSL_CERT_FILE": pip.get("cert"),
        "SSL_CLIENT_CERT": pip.get("client-cert"),
        "ALL_PROXY": pip.get("proxy"),
    }
    for name, value in carried.items():
        if value:
            result.setdefault(name, value)
    return result


def index_arguments(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Arguments for `uv pip install`: pip's `no-index`, which uv takes from no variable."""
    return ["--no-index"] if pip_settings(environ).get("no-index", "").lower() in _TRUE else []


def torch_arguments(version: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Arguments for `uv pip install` and pip that find PyTorch's wheels for CPUs, which PyPI does not have.

    They come from a folder that pip's configuration names, else from the page `SAGESMITH_TORCH_WHEELS`, by default
    PyTorch's own; `none` asks no page. Either way they must have the lock file's hash.

    Args:
        version: the one that is wanted, such as `2.13.0+cpu`; None if none is.
    """
    page = environ.get("SAGESMITH_TORCH_WHEELS", TORCH_WHEELS)
    if version is None or page == "none" or offline(environ) or index_arguments(environ):
        return []
    links = pip_settings(environ).get("find-links", "").split()
    folders = [Path(urlsplit(link).path) for link in links if urlsplit(link).scheme in ("", "file")]
    if any(any(folder.glob(f"torch-{version}-*.whl")) for folder in folders):
        return []
    return ["--find-links", page]


def pip_settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """pip's settings for `install`, later ones first to count: global, user and site files, `PIP_CONFIG_FILE`, `PIP_*`.

    Values are as written; lists are separated by white space. Source:
    https://pip.pypa.io/en/stable/topics/configuration/.
    """
    home = Path(environ.get("HOME") or "/nonexistent")
    config_home = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    xdg = [
        Path(folder) / "pip" / "pip.conf" for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if folder
    ]
    files = [*xdg, Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config_home / "pip" / "pip.conf"]
    files.append(Path(sys.prefix) / "pip.conf")
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        files = []
    elif own:
        files.append(Path(own))
    settings: dict[str, str] = {}
    for section in ("global", "install"):
        for file in files:
            parser = configparser.RawConfigParser()
            try:
                parser.read(file, encoding="utf-8")
            except (configparser.Error, OSError, UnicodeDecodeError):
                continue
            if parser.has_section(section):
                settings |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for name, value in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def uv_binary() -> str:
    """The `uv` that was installed with the platform, else the one on `PATH`."""
    own = Path(sysconfig.get_path("scripts")) / "uv"
    return str(own) if own.exists() else "uv"


def run(command: Sequence[str], environ: Mapping[str, str], cwd: Path, what: str, progress: Progress) -> None:
    """Run an installer and pass on what it says, or that it still runs, at least every three seconds.

    It inherits what the caller has made inheritable: the lock on what it writes to, which must outlast a caller that
    is killed for as long as the installer goes on.

    Raises:
        EnvironmentFailed: it could not be started or ended with an error; its last lines are in the message.
    """
    try:
        process = subprocess.Popen(
            command,
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            close_fds=False,
        )
    except OSError as error:
        raise EnvironmentFailed(f"{what}: {command[0]} cannot be started: {error.strerror}") from error
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
    last: deque[str] = deque(maxlen=_LAST_LINES)
    start = time.monotonic()
    while True:
        try:
            line = lines.get(timeout=_HEARTBEAT_SECONDS)
        except queue.Empty:
            progress(f"{what}: {time.monotonic() - start:.0f} s so far")
            continue
        if line is None:
            break
        last.append(line)
        if line.startswith(("Downloading", "Resolved", "Prepared", "Installed", "Bytecode", "Building", " Downloaded")):
            progress(f"{what}: {line.strip()}")
    if process.wait() != 0:
        raise EnvironmentFailed(f"{what} failed:\n" + "\n".join(last))


def _pump(process: subprocess.Popen[str], lines: "queue.SimpleQueue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip():
            lines.put(line.rstrip())
    lines.put(None)
