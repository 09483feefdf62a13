"""`python -m sagesmith.compiled`: compile the modules of a router, unless that was done. Exits 0 where it cannot be
done, too: everything runs without, only slower."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sagesmith.compiled import folder, why_not

KEPT = 8
"""So many folders stay in the cache, the latest ones: several versions of the sources may be in use."""

_BUILT_SECONDS = 3600.0
"""What is older was not finished and has nobody any more who builds it."""
_SHOWN_LINES = 5
_UNFINISHED = ".new-"


def main() -> None:
    """Say in one line what came of it."""
    os.umask(0o022)  # What others may write no router uses.
    wanted = folder()
    if not os.access(wanted, os.F_OK):
        print("== compiling what predictions pass through (half a minute)", flush=True)
        began = time.monotonic()
        reason = make(wanted)
        print(f"   compiled in {time.monotonic() - began:.0f} s" if reason is None else f"   not compiled: {reason}")
        if reason is not None:
            return
    if (reason := why_not(wanted)) is not None:
        print(f"   routers run as they are written: {reason}")


def make(wanted: Path) -> str | None:
    """Make a folder of compiled modules, whole or not at all; None, or why it could not be made."""
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=wanted.parent, prefix=_UNFINISHED) as name:
            made = Path(name) / "lib"
            command = [sys.executable, "-m", "sagesmith.compiled.build", str(made)]
            built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if built.returncode:
                return "\n".join(["it was said:", *built.stdout.strip().splitlines()[-_SHOWN_LINES:]])
            with contextlib.suppress(FileExistsError):  # somebody else has made the same meanwhile
                rename_new(made, wanted)
        _forget_old(wanted.parent)
    except OSError as error:
        return None if wanted.is_dir() else str(error)
    return None


def rename_new(made: Path, wanted: Path) -> None:
    """Move a folder to where none is yet.

    Raises:
        FileExistsError: there is one.
    """
    try:
        made.rename(wanted)
    except OSError:
        if wanted.is_dir():
            raise FileExistsError(wanted) from None
        raise


def _forget_old(parent: Path) -> None:
    """Remove what was built before the latest ones, and what somebody who was killed was building."""
    latest_first = sorted(parent.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
    old = [path for path in latest_first if not path.name.startswith(".")][KEPT:]
    oldest = time.time() - _BUILT_SECONDS
    left = [path for path in parent.glob(f"{_UNFINISHED}*") if path.stat().st_mtime < oldest]
    for path in (*old, *left):
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
