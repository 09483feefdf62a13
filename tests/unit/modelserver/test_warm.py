"""When what a model server has imported in advance could be something else for the user's code."""

from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.modelserver.settings import Settings
from sagesmith.modelserver.warm import must_start_anew


@pytest.mark.parametrize("name", ["json.py", "json", "json.cpython-311-x86_64-linux-gnu.so"])
def test_code_with_a_module_of_a_name_that_is_taken_has_all_imported_anew(tmp_path: Path, name: str) -> None:
    settings = replace(Settings.from_environment({}), code_dir=tmp_path, model_dir=tmp_path)
    (tmp_path / "inference.py").touch()
    assert not must_start_anew(settings)
    (tmp_path / name).touch()
    assert must_start_anew(settings)
