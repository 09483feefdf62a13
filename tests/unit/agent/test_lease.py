import os
import signal
import subprocess
import sys

from sagesmith.agent import lease

HOLDER = """
import signal, subprocess, sys
from sagesmith.agent import lease
child = subprocess.Popen(["sleep", "1000"])
print(child.pid, flush=True)
lease.hold_if_any()
signal.pause()
"""


def start(read_end: int) -> "tuple[subprocess.Popen[str], int]":
    """A process under a lease, and the pid of what it started."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={**os.environ, lease.VARIABLE: str(read_end)},
        pass_fds=[read_end],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    os.close(read_end)
    assert holder.stdout is not None
    return holder, int(holder.stdout.readline())


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


def test_an_agent_and_what_it_started_end_when_whoever_placed_it_is_gone() -> None:
    read_end, write_end = os.pipe()
    lease.renew(write_end, 1000)
    holder, child = start(read_end)
    os.close(write_end)
    assert holder.wait() == -signal.SIGKILL
    while not is_gone(child):
        pass


def test_an_agent_ends_when_its_lease_is_not_renewed() -> None:
    read_end, write_end = os.pipe()
    lease.renew(write_end, 0.2)
    holder, _ = start(read_end)
    assert holder.wait() == -signal.SIGKILL
    os.close(write_end)


def test_an_agent_goes_on_for_as_long_as_its_lease_is_renewed() -> None:
    read_end, write_end = os.pipe()
    lease.renew(write_end, 0.5)
    lease.renew(write_end, 1000)
    holder, _ = start(read_end)
    # Longer than the first lease: it must still be there then.
    try:
        holder.wait(1.0)
    except subprocess.TimeoutExpired:
        os.killpg(holder.pid, signal.SIGTERM)
    assert holder.wait() == -signal.SIGTERM
    os.close(write_end)
