"""`requirements.txt` beside the user's code, as an overlay over an environment that is read-only and shared."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from sagesmith.modelserver.errors import LoadError

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger("sagesmith.modelserver")


def install(requirements: Path) -> None:
    """Install what the environment does not have into `PIP_TARGET`, or a new directory, and put it first on the path.

    `pip install --target` looks away from what is installed: a second NumPy would come with every package that needs
    one. So pip resolves first, in sight of the environment, and then installs what it found missing, no dependencies.

    Raises:
        LoadError: pip is not there, or failed; its output is in the log.
    """
    target = os.environ.get("PIP_TARGET") or tempfile.mkdtemp(prefix="requirements-")
    environ = {name: value for name, value in os.environ.items() if name != "PIP_TARGET"}
    environ.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_ROOT_USER_ACTION="ignore")
    if "HOME" not in environ or not os.access(environ["HOME"], os.W_OK):
        environ["PIP_CACHE_DIR"] = os.path.join(tempfile.gettempdir(), "pip-cache")  # noqa: PTH118
    logger.info("Installing %s", requirements)
    handle, report = tempfile.mkstemp(suffix=".json")
    os.close(handle)
    try:
        _pip(["--dry-run", "--quiet", "--report", report, "--requirement", str(requirements)], environ, requirements)
        with open(report, encoding="utf-8") as file:  # noqa: PTH123
            missing = [_pinned(entry) for entry in json.load(file)["install"]]
    finally:
        os.unlink(report)  # noqa: PTH108
    if missing:
        logger.info("Not in the environment yet: %s", " ".join(missing))
        _pip(["--no-deps", "--quiet", "--target", target, *missing], environ, requirements)
        sys.path.insert(0, target)
        inherited = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{target}{os.pathsep}{inherited}" if inherited else target
    else:
        logger.info("The environment has all of it.")


def _pinned(entry: dict[str, dict[str, object]]) -> str:
    name, version = entry["metadata"]["name"], entry["metadata"]["version"]
    if entry.get("is_direct"):
        return f"{name} @ {entry['download_info']['url']}"
    return f"{name}=={version}"


def _pip(arguments: list[str], environ: dict[str, str], requirements: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", *arguments]
    code = subprocess.run(command, env=environ, cwd=str(requirements.parent), check=False).returncode
    if code:
        raise LoadError(f"{requirements} could not be installed: pip ended with exit code {code}; its output is above.")
