"""A plugin of pytest by which tests meet the modules as they were compiled: `pytest -p tests.compiled …`."""

import os
import shutil

import pytest

from sagesmith import compiled

_USED = compiled.use()


def pytest_configure() -> None:
    if not _USED:
        # With a compiler there is a mistake in what it was given.
        failed = bool(shutil.which("cc") or shutil.which("gcc")) and os.environ.get("SAGESMITH_COMPILED") != "no"
        pytest.exit(f"the modules are not compiled here: {compiled.MEND}", returncode=int(failed))
