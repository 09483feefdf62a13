"""Taking the claim to a database at the start: at once, or as one that stands by when its holder is gone."""

import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from sagesmith.config import DataDir
from sagesmith.platform.claim import TAKEOVER_SECONDS, Claim, Claimed, DatabaseAway, Left
from sagesmith.platform.errors import StartFailed
from sagesmith.settings import table

STANDS_BY = "standby"
"""What `run/ready` says of a platform that stands by."""

_LOOK_SECONDS = 1.0
_OWN_SECONDS = 40.0
_OWN_LOOK_SECONDS = 0.1


def claimed(environ: Mapping[str, str], directory: DataDir, fingerprint: str, *, standby: bool) -> Claim | None:
    """The claim to the database that is set, taken; None for SQLite, which the lock on the data directory guards.

    Args:
        fingerprint: that of the platform's keys.
        standby: wait for it.

    Raises:
        StartFailed: another platform has it, the database is that of other keys, or one cannot stand by for it.
    """
    url = table.DATABASE_URL.read(environ) or ""
    if not urlsplit(url).scheme.startswith("postgres") or find_spec("psycopg") is None:
        if standby:
            raise StartFailed("--standby wants a PostgreSQL database that both platforms use: SAGESMITH_DATABASE_URL.")
        return None  # Without the driver the API process says what to install.
    claim = Claim(url, directory.root)
    if not standby:
        _take(claim)
        return claim
    if not table.S3_ENDPOINT.read(environ):
        raise StartFailed("--standby wants an S3 that both platforms use: SAGESMITH_S3_ENDPOINT.")
    _wait(claim, directory, fingerprint)
    _check_keys(claim.fingerprint(), directory, fingerprint)
    left = claim.left()
    if left is Left.TASKS:
        raise StartFailed(
            "the platform that ran on the database last was started without --standby and has not been ended: its jobs "
            "may still run. Start it once more as before, end it with `sagesmith down`, and start both with --standby."
        )
    if left is Left.LEASED_TASKS:
        _say(f"the claim is ours; what the former platform ran has ended in {TAKEOVER_SECONDS:.0f} s")
        time.sleep(TAKEOVER_SECONDS)
        if not claim.holds():
            raise StartFailed("the claim to the database was lost again before the start. Start it anew.")
    return claim


def _take(claim: Claim) -> None:
    """Take the claim at once, or as soon as the server has noticed that this directory's own former platform died."""
    give_up = time.monotonic() + _OWN_SECONDS
    while True:
        try:
            return claim.take()
        except Claimed as error:
            # Who holds the directory's lock knows that its former holder is gone.
            if error.holder not in {claim.name, ""} or time.monotonic() > give_up:
                raise
        time.sleep(_OWN_LOOK_SECONDS)


def _wait(claim: Claim, directory: DataDir, fingerprint: str) -> None:
    said = ""
    while True:
        try:
            return claim.take()
        except Claimed as error:
            _check_keys(error.fingerprint, directory, fingerprint)
            reason = f"standing by for {error.holder.removeprefix('sagesmith ')}"
        except DatabaseAway as error:
            reason = f"standing by, but {error}"
        if reason != said:
            _say(reason)
            said = reason
            (directory.run / "ready").write_text(STANDS_BY)
        time.sleep(_LOOK_SECONDS)


def _check_keys(known: str | None, directory: DataDir, fingerprint: str) -> None:
    if known not in {None, fingerprint}:
        raise StartFailed(
            f"the database is that of a platform with other keys than {directory.root} has. Make a data directory from "
            "`sagesmith backup --keys FILE` there and `sagesmith restore FILE` here."
        )


def _say(message: str) -> None:
    print(f"sagesmith: {message}", file=sys.stderr, flush=True)  # noqa: T201 the supervisor's log is its terminal
