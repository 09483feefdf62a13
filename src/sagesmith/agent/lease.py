"""A lease on running: whoever placed the agent on its node says over a pipe until when it may go on.

On a cluster a node may be given up, and its task started anew elsewhere, while its processes still run: its manager
froze, or the network parted. Two agents at one task would write the same objects. So an agent that was started under a
lease ends at once, and with it all that it started, when the pipe is closed or the lease was not renewed in time.
"""

import math
import os
import select
import signal
import struct
import threading
import time

VARIABLE = "SAGESMITH_LEASE"
"""Names the pipe's descriptor in the agent's environment."""
UNTIMED = "-"
"""Stands behind the descriptor where nobody renews the lease: only the pipe's end counts then."""
LEASE_SECONDS = 20.0
_LOOK_SECONDS = 1.0
_DEADLINE = struct.Struct("<d")


def renew(pipe: int, seconds: float = LEASE_SECONDS) -> None:
    """Let the agent at the pipe's other end go on for so long from now.

    Raises:
        OSError: there is none any more.
    """
    os.write(pipe, _DEADLINE.pack(_now() + seconds))


def hold_if_any() -> None:
    """Begin to watch the lease that the environment names; nothing if this agent was started without one."""
    text = os.environ.pop(VARIABLE, None)
    if text is not None:
        pipe = int(text.removesuffix(UNTIMED))
        os.set_inheritable(pipe, False)
        seconds = math.inf if text.endswith(UNTIMED) else LEASE_SECONDS
        threading.Thread(target=_hold, args=(pipe, seconds), name="lease", daemon=True).start()


def _hold(pipe: int, seconds: float) -> None:
    deadline = _now() + seconds
    while _now() < deadline:
        readable, _, _ = select.select([pipe], [], [], _LOOK_SECONDS)
        if readable:
            data = os.read(pipe, 512 * _DEADLINE.size)
            if not data:
                break
            (deadline,) = _DEADLINE.unpack(data[-_DEADLINE.size :])
    _end()


def _now() -> float:
    """Seconds since boot: unlike the monotonic clock it goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _end() -> None:
    """SIGKILL to ourselves and to what we started outside the sandbox, which ends by itself with us."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
