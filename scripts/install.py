"""Install locked requirements into a virtual environment: `install.py PYTHON REQUIREMENTS…`, fast, with uv.

uv does not read pip's configuration; this carries it over, so that mirrors and local wheels count here as they do
in the environments of jobs. It needs nothing but uv beside the interpreter that runs it, and this checkout.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from sagesmith.config import default_cache_dir  # noqa: E402
from sagesmith.images.installer import index_arguments, uv_binary, uv_environment  # noqa: E402


def main(python: str, requirements: list[str]) -> None:
    """Become uv."""
    options = [argument for path in requirements for argument in ("--requirement", path)]
    command = [uv_binary(), "pip", "install", "--quiet", "--python", python, "--require-hashes", "--compile-bytecode"]
    environment = uv_environment(default_cache_dir())
    os.execve(command[0], [*command, *index_arguments(), *options], environment)  # noqa: S606 no shell is needed


main(sys.argv[1], sys.argv[2:])
