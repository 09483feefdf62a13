"""Looks after the claim of a platform that runs, in a thread: a server that is silent delays nobody who ends tasks."""

import threading
import time

from sagesmith.platform.claim import Claim, Claimed, DatabaseAway

LOST_SECONDS = 8.0
"""How long after the server was last asked with success another may not have the claim yet, and tasks may go on.

The question after that one is asked 2 s later, so a server may be away for 5 s without harm."""

_ASK_SECONDS = 2.0
_LOOK_SECONDS = 0.2
"""Sooner than one that stands by looks: who had the claim is to have it again when the server was started anew."""
_END_SECONDS = 10.0


class Watch:
    """Looks after a claim that has just been taken, until `end`.

    Without others that stand by, a server that is away is waited for, and the platform goes on with its jobs.

    Args:
        stands_by: whether another may take over.
        lost_seconds: what it has of `LOST_SECONDS`.
    """

    def __init__(self, claim: Claim, *, stands_by: bool, lost_seconds: float = LOST_SECONDS) -> None:
        self._claim = claim
        self._stands_by = stands_by
        self._lost_seconds = lost_seconds
        self._held_at = _now()
        self._away = ""
        self._taken = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="claim", daemon=True)
        self._thread.start()

    def must_end(self) -> str:
        """Why the platform must end: the claim is lost for good. Empty while it is not. Does not wait."""
        if self._taken:
            return self._taken
        if self._stands_by and self._is_overdue():
            return f"{self._away or 'the database does not answer'}. Another may have taken over"
        return ""

    def end(self) -> bool:
        """Look no more; whether the claim can be used, which it cannot while an unanswered question is open."""
        self._ending.set()
        self._thread.join(_END_SECONDS)
        return not self._thread.is_alive()

    def _is_overdue(self) -> bool:
        return _now() - self._held_at > self._lost_seconds

    def _keep(self) -> None:
        while not self._ending.is_set():
            # The time before the question: the claim was ours after it, and nobody knows how long the answer took.
            asked_at = _now()
            held = self._claim.holds()
            if not held:
                asked_at = _now()
                held = self._take()
            if self._taken:
                return
            if held:
                self._held_at, self._away = asked_at, ""
            self._rest()

    def _rest(self) -> None:
        """Wait until the server must be asked: soon, where the claim is lost or the server has ended the session."""
        until = _now() + _ASK_SECONDS
        while not self._ending.wait(_LOOK_SECONDS) and _now() < until and self._claim.is_quiet():
            pass

    def _take(self) -> bool:
        try:
            self._claim.take()
        except Claimed as error:
            # Without a name it is a session that is just ending, ours perhaps.
            self._away = str(error)
            self._taken = self._away if error.holder else ""
            return False
        except DatabaseAway as error:
            self._away = str(error)
            return False
        if self._stands_by and self._is_overdue():
            self._taken = "the claim to the database was lost for too long. Another may have had it meanwhile"
        return not self._taken


def _now() -> float:
    """Seconds since boot: unlike the monotonic clock it goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
