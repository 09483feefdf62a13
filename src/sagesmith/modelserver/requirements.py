"""`requirements.txt` beside the user's code."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

from sagesmith.modelserver.errors import LoadError

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger("sagesmith.modelserver")

_OPTIONS = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--root-user-action", "ignore"]
# Of what is installed for one start of one model server, most is never imported.
_OPTIONS.append("--no-compile")


def install(requirements: Path) -> None:
    """Install what the environment does not have yet into this interpreter's environment, which is the model's own.

    Raises:
        LoadError: pip is not there, or failed; its output is in the log.
    """
    logger.info("Installing %s", requirements)
    code = subprocess.run(command(requirements), cwd=str(requirements.parent), check=False).returncode
    if code:
        raise LoadError(f"{requirements} could not be installed: pip ended with exit code {code}; its output is above.")


def command(requirements: Path) -> list[str]:
    """What installs a file of requirements into this interpreter's environment."""
    return [sys.executable, "-m", "pip", "install", *_OPTIONS, "--requirement", str(requirements)]
