"""Who runs first where more want to run than there are cores: the platform before model servers, those before jobs.

How nice a process is counts within its session only where the kernel groups processes by session (sched(7), "The
autogroup feature"), and each task has a session of its own: fifty node agents that start at once would have fifty
times the API process' share of the machine. So a session is told as well.

The platform's own processes share one session, their supervisor's, so that between them it is decided process by
process. Between sessions the kernel (6.18) made a router wait up to 60 ms for the API process' turn to end, however
nice either was.
"""

import contextlib
import os
import threading
from pathlib import Path

FRONT = -15
"""For the routers, which use a core for a millisecond and have somebody wait each time: about three times the weight of
`FIRST`, for root."""
FIRST = -10
"""For whose answers everybody waits: about nine times the weight of `MIDDLE`. Only root may say so; for others it is
enough that jobs are `LAST`."""
MIDDLE = 0
LAST = 10
"""For what nobody waits for at every moment: about a ninth of the weight of `MIDDLE`."""

BEHIND = 5
"""How much nicer than its process a thread is that works off what nobody waits for, see `give_way`."""

_VARIABLE = "SAGESMITH_PLACE"


def rank(pid: int, nice: int) -> None:
    """Give the first process of a session, what it will start, and the session its place, as far as we may."""
    # The session first: an ordinary user may say it ten times a second, and is not heard after that.
    rank_session(pid, nice)
    rank_process(pid, nice)


def rank_session(pid: int, nice: int) -> None:
    """Give a process' session its place among the others, as far as we may."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")


def rank_process(pid: int, nice: int) -> None:
    """Give a process, and what it will start, its place within its session, as far as we may."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)


def place_of_session(nice: int) -> dict[str, str]:
    """The variables of a program that is to begin with `lead_session`."""
    return {_VARIABLE: str(nice)}


def lead_session() -> None:
    """Begin a session with the place that whoever started this process has said, if it said one.

    The process does it itself: a child that begins a session before it executes its program has the place of any
    stranger until somebody ranks it, and until the program is executed its parent stands still (vfork(2)), all threads
    of a Python program with it. The API process stood up to 116 ms so while fifty node agents started.
    """
    nice = os.environ.pop(_VARIABLE, None)
    if nice is not None:
        os.setsid()
        rank(os.getpid(), int(nice))


def give_way() -> None:
    """Have the calling thread run after the other threads of its process, if what it starts can come back from there.

    A process that it starts begins at its place, and an ordinary user may not say that it is further ahead: model
    servers would stay behind everything else of that user.
    """
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):
        place = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, place - 1)  # Whoever may do this may come back.
        os.setpriority(os.PRIO_PROCESS, thread, place + BEHIND)
