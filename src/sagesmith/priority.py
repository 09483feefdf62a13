"""Who runs first where more want to run than there are cores: the platform before model servers, those before jobs.

How nice a process is counts within its session only where the kernel groups processes by session (sched(7), "The
autogroup feature"), and each of ours has a session of its own: fifty node agents that start at once would have fifty
times the API process' share of the machine. So a session is told as well.
"""

import contextlib
import os
from pathlib import Path

FIRST = -10
"""For whose answers everybody waits: about nine times the weight of `MIDDLE`. Only root may say so; for others it is
enough that jobs are `LAST`."""
MIDDLE = 0
LAST = 10
"""For what nobody waits for at every moment: about a ninth of the weight of `MIDDLE`."""


def rank(pid: int, nice: int) -> None:
    """Give the first process of a session, what it will start, and the session its place, as far as we may."""
    # The session first: an ordinary user may say it ten times a second, and is not heard after that.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
