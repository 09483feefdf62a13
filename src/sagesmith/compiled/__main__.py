"""`python -m sagesmith.compiled`: compile the modules of a router, unless that was done. Exits 0 where it cannot be
done, too: everything runs without, only slower."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sagesmith.compiled import folder

KEPT = 8
"""So many folders stay in the cache, the latest ones: several versions of the sources may be in use."""

_SHOWN_LINES = 5


def main() -> None:
    """Say in one line what came of it."""
    wanted = folder()
    if wanted.is_dir():
        return
    print("== compiling what predictions pass through (half a minute)", flush=True)
    began = time.monotonic()
    reason = make(wanted)
    if reason is None:
        print(f"   compiled in {time.monotonic() - began:.0f} s")
    else:
        print(f"   not compiled, predictions take longer so; {reason}")


def make(wanted: Path) -> str | None:
    """Make a folder of compiled modules, whole or not at all; None, or why it could not be made."""
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=wanted.parent, prefix=".new-") as name:
            made = Path(name) / "lib"
            command = [sys.executable, "-m", "sagesmith.compiled.build", str(made)]
            built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if built.returncode:
                return "\n".join(["it was said:", *built.stdout.strip().splitlines()[-_SHOWN_LINES:]])
            with contextlib.suppress(FileExistsError):  # somebody else has made the same meanwhile
                rename_new(made, wanted)
    except OSError as error:
        return str(error)
    _forget_old(wanted.parent)
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
    folders = [path for path in parent.iterdir() if not path.name.startswith(".")]
    for path in sorted(folders, key=lambda each: each.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
