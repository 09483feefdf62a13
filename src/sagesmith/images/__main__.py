"""`python -m sagesmith.images prepare`: what a job would otherwise have to do once on this machine."""

import argparse
import sys

from sagesmith.config import default_cache_dir
from sagesmith.images.base import EnvironmentFailed
from sagesmith.images.interpreters import own_interpreter, own_version
from sagesmith.images.toolkit import build_wheels


def main() -> int:
    """Build the wheels that nobody publishes, for the platform's own Python; exit code 1 if that does not work."""
    parser = argparse.ArgumentParser(prog="python -m sagesmith.images")
    parser.add_argument("action", choices=["prepare"])
    parser.parse_args()
    try:
        build_wheels(default_cache_dir(), own_version(), own_interpreter(), _say)
    except EnvironmentFailed as error:
        _say(str(error))
        return 1
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 it is a command


if __name__ == "__main__":
    sys.exit(main())
