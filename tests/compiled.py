"""A plugin of pytest by which tests meet the modules as they were compiled: `pytest -p tests.compiled …`."""

import shutil

import pytest

from sagesmith import compiled

_USED = compiled.use()


def pytest_configure() -> None:
    if not _USED:
        reason = compiled.why_not(compiled.folder())
        # With a compiler there is a mistake in what it was given.
        failed = reason in {compiled.NOTHING, None} and bool(shutil.which("cc") or shutil.which("gcc"))
        why = "what is compiled cannot be loaded" if reason is None else reason
        pytest.exit(f"there are no tests of what is compiled: {why}", returncode=int(failed))
