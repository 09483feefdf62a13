"""What the store does beside its users' transactions."""

import sys
import threading
from collections.abc import Iterator

import pytest

from sagesmith.store.chores import Chore


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_closing_ends_it_whenever_that_happens() -> None:
    def close_beside_becoming_due() -> None:
        for _ in range(300):
            chore = Chore("chore", lambda: None)
            chore.due()
            chore.due()
            chore.close()

    closing = [threading.Thread(target=close_beside_becoming_due, daemon=True) for _ in range(4)]
    for each in closing:
        each.start()
    for each in closing:
        each.join(20)
    assert not any(each.is_alive() for each in closing)


def test_it_is_done_after_it_was_due_and_not_after_it_was_closed() -> None:
    done = threading.Semaphore(0)
    chore = Chore("chore", done.release)
    for _ in range(3):
        chore.due()
        assert done.acquire(timeout=20)
    chore.close()
    chore.due()
    assert not done.acquire(timeout=0)


def test_it_waits_for_a_pause_but_not_for_ever() -> None:
    done = threading.Semaphore(0)
    patient = Chore("patient", done.release, pause_seconds=0.01, latest_seconds=3600)
    patient.due()
    assert done.acquire(timeout=20)
    patient.close()

    hurried = Chore("hurried", done.release, pause_seconds=0.001, latest_seconds=0.02)
    while not done.acquire(timeout=0):
        hurried.due()
    hurried.close()
