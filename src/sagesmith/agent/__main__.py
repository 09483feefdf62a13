"""`python -m sagesmith.agent DIRECTORY [NAME]`; the name only shows in process lists."""

import os
import signal
import sys
from pathlib import Path

from sagesmith.agent.main import run
from sagesmith.priority import lead_session

if __name__ == "__main__":
    lead_session()
    code = run(Path(sys.argv[1]))
    sys.stderr.flush()
    if os.getpgrp() == os.getpid():
        # An installer of a task that was stopped meanwhile.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
    # Threads of a transfer that was given up may still wait for an answer: nothing depends on them.
    os._exit(code)
