"""A plugin of pytest by which tests meet the modules as they were compiled: `pytest -p tests.compiled …`."""

import pytest

from sagesmith import compiled

if not compiled.use():
    pytest.exit("the modules are not compiled here: python -m sagesmith.compiled", returncode=0)
