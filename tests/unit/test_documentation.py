"""What the documentation says of the code is so."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_list_of_what_is_built_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "api-coverage.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_example_of_a_new_kind_is_the_one_that_runs() -> None:
    declared = (ROOT / "src" / "sagesmith" / "services" / "sagemaker" / "code_repositories.py").read_text()
    assert f"```python\n{declared}```\n" in (DOCS / "architecture.md").read_text()
    assert len(declared.splitlines()) <= 60
