"""Which place threads and the processes that they start have."""

import os
import subprocess
import sys

import pytest

PLACES = """
import os, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor
from sagesmith.priority import MIDDLE, give_way, rank_process

def place(pid):
    return os.getpriority(os.PRIO_PROCESS, pid)

def start():
    child = subprocess.Popen(["sleep", "60"])
    rank_process(child.pid, max(MIDDLE, begun))
    found = place(child.pid)
    child.kill()
    child.wait()
    return place(threading.get_native_id()) > begun, found - begun

if sys.argv[1:] == ["ordinary"] and os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
begun = place(0)
with ThreadPoolExecutor(1, initializer=give_way) as pool:
    print(*pool.submit(start).result())
"""


def places(*words: str) -> list[str]:
    """Whether a thread that gives way is behind, and how far a process is that it starts."""
    command = [sys.executable, "-c", PLACES, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_what_an_ordinary_user_starts_is_not_left_behind() -> None:
    assert places("ordinary") == ["False", "0"]


def test_a_thread_gives_way_where_what_it_starts_may_come_back() -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) - 1)
    except PermissionError:
        pytest.skip("this user may not")
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + 1)
    assert places() == ["True", "0"]
