"""Stateful sessions: which instance has which. A file each, so that all routers know, and a new one after a crash.

The model makes a session's id and says when it ends.
Source: https://docs.aws.amazon.com/sagemaker/latest/dg/stateful-sessions.html
"""

import hashlib
import json
import re
import time
from calendar import timegm
from dataclasses import asdict, dataclass
from pathlib import Path

from sagesmith import logging
from sagesmith.files import replace_file
from sagesmith.http.messages import Headers

NEW_SESSION_ID = b"x-amzn-sagemaker-new-session-id"
CLOSED_SESSION_ID = b"x-amzn-sagemaker-closed-session-id"

_NEW = re.compile(r"([a-zA-Z0-9](?:-*[a-zA-Z0-9])*);\s?Expires=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_SWEEP_SECONDS = 60.0

log = logging.get("router")


@dataclass(frozen=True, slots=True)
class Session:
    """A session.

    Attributes:
        variant, address: the model server that has it.
        expires_at: seconds since the epoch.
    """

    id: str
    variant: str
    address: str
    expires_at: float


class Sessions:
    """The sessions of all endpoints. Looking one up reads a file of a hundred bytes.

    Args:
        folder: made when there is something to put into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next_sweep = 0.0

    def find(self, region: str, endpoint: str, session: str) -> Session | None:
        """A session that has not ended, None if there is none of that id."""
        try:
            found = Session(**json.loads(self._path(region, endpoint, session).read_bytes()))
        except FileNotFoundError:
            return None
        return found if found.expires_at > time.time() else None

    def note(self, region: str, endpoint: str, variant: str, address: str, headers: Headers) -> None:
        """Keep what a model server's answer says of sessions that it began and ended."""
        for name, value in headers:
            if name == NEW_SESSION_ID:
                self._begin(region, endpoint, variant, address, value.decode("latin-1"))
            elif name == CLOSED_SESSION_ID:
                self._path(region, endpoint, value.decode("latin-1").strip()).unlink(missing_ok=True)

    def _begin(self, region: str, endpoint: str, variant: str, address: str, value: str) -> None:
        match = _NEW.fullmatch(value.strip())
        if match is None:
            log.warning("a model's new session is not `ID; Expires=YYYY-MM-DDThh:mm:ssZ`", endpoint=endpoint)
            return
        try:
            expires_at = float(timegm(time.strptime(match[2], "%Y-%m-%dT%H:%M:%SZ")))
        except ValueError:
            log.warning("a model's new session ends at a time that does not exist", endpoint=endpoint)
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        session = Session(match[1], variant, address, expires_at)
        replace_file(self._path(region, endpoint, session.id), json.dumps(asdict(session)).encode())

    def _sweep(self) -> None:
        """Remove what has ended, now and then."""
        now = time.time()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        for path in self._folder.glob("*.json"):
            try:
                if json.loads(path.read_bytes())["expires_at"] < now:
                    path.unlink()
            except (OSError, ValueError, KeyError):
                continue

    def _path(self, region: str, endpoint: str, session: str) -> Path:
        key = f"{region}/{endpoint.lower()}/{session}"
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"
