"""`python -m sagesmith.agent DIRECTORY [NAME]`; the name only shows in process lists."""

import os
import sys
from pathlib import Path

from sagesmith.agent.main import run

if __name__ == "__main__":
    code = run(Path(sys.argv[1]))
    sys.stderr.flush()
    # Threads of a transfer that was given up may still wait for an answer: nothing depends on them.
    os._exit(code)
