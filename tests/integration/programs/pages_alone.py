"""Programs on the built-in algorithms' pages that are run as they stand, and nothing after them.

Usage: pages_alone.py ANSWERS DOCS PAGE...
"""

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import soon

soon.hurry()
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(path):
    """What a page's program prints."""
    printed = []
    (program,) = BLOCK.findall(path.read_text())
    os.chdir(tempfile.mkdtemp(dir=Path(sys.argv[1]).parent))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(program, path.stem, "exec"), {"__name__": "__main__", "print": lambda *said: printed.extend(said)})
    return printed


answers = {page: {"saw": run(Path(sys.argv[2]) / f"{page}.md")} for page in sys.argv[3:]}
Path(sys.argv[1]).write_text(json.dumps(answers), encoding="utf-8")
