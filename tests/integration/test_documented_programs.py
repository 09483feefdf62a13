"""The programs in the documentation, run as a reader runs them."""

import re
from pathlib import Path

from tests.integration.conftest import ROOT, Running, environment_python

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_program_of_the_page_on_the_control_plane(platform: Running, tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "control-plane.md").read_text())
    assert len(blocks) > 1
    program = tmp_path / "control_plane.py"
    program.write_text("\n".join(blocks))
    answer = platform.run([environment_python("sdk-v2"), str(program)])
    assert answer.returncode == 0, answer.stderr[-4000:]
