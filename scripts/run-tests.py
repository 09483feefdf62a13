"""Run tests, and those few that fail once more by themselves: `run-tests.py [ARGUMENT OF PYTEST …]`.

Most tests start real processes and wait for real events, four files at a time on whatever machine this is. One that
fails there and passes by itself wanted a core, or has a race that is to be found: it is named at the end, so that it is
looked at. One that fails by itself as well has failed. More than a few are never tried again.
"""

import json
import subprocess
import sys
from pathlib import Path

MOST = 5
"""So many failures may be for want of a core."""

_FAILED = 1
_CACHE = Path(".pytest_cache/v/cache/lastfailed")


def main(arguments: list[str]) -> int:
    """What pytest returned."""
    ended = _pytest("--cache-clear", *arguments)
    failed = sorted(json.loads(_CACHE.read_text())) if ended == _FAILED and _CACHE.exists() else []
    if not 0 < len(failed) <= MOST:
        return ended
    sys.stdout.write(f"== {len(failed)} failed: once more, by themselves\n")
    sys.stdout.flush()
    ended = _pytest("-v", *failed)
    if not ended:
        sys.stdout.write("\n   ".join(["== failed beside other tests, and passed by themselves:", *failed]) + "\n")
    return ended


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
