"""Taking the claim to a database at the start: at once, or as one that stands by when its holder is gone."""

import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec

from sagesmith.config import DataDir
from sagesmith.platform.claim import TAKEOVER_SECONDS, Claim, Claimed, DatabaseAway, Left
from sagesmith.platform.datadir import is_locked
from sagesmith.platform.errors import StartFailed
from sagesmith.platform.watch import LOST_SECONDS
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
    if not _is_postgresql(url):
        if standby:
            raise StartFailed("--standby wants a PostgreSQL database that both platforms use: SAGESMITH_DATABASE_URL.")
        return None  # Without the driver the API process says what to install.
    claim = Claim(url, directory.root)
    if not standby:
        _take(claim)
        _check_keys(claim.fingerprint(), directory, fingerprint)
        return claim
    if not table.S3_ENDPOINT.read(environ):
        raise StartFailed("--standby wants an S3 that both platforms use: SAGESMITH_S3_ENDPOINT.")
    if table.COMPUTE.read(environ) == "ray" and not table.RAY_ADDRESS.read(environ):
        # A Ray of the platform's own outlives its supervisor, and the other platform could not end what runs on it.
        raise StartFailed("--standby with SAGESMITH_COMPUTE=ray wants a cluster that both use: SAGESMITH_RAY_ADDRESS.")
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


def check_keys_are_there(environ: Mapping[str, str], directory: DataDir, *, standby: bool) -> None:
    """Refuse to make keys for a database that has those of another platform, before any are made.

    Raises:
        StartFailed: saying where the keys come from, or who runs on the database.
    """
    url = table.DATABASE_URL.read(environ) or ""
    if (directory.keys / "master.key").exists() or not _is_postgresql(url):
        return
    claim = Claim(url, directory.root)
    try:
        claim.take()
        known = claim.fingerprint()
    except Claimed as error:
        if not standby:
            raise
        known = error.fingerprint
    finally:
        claim.close()
    _check_keys(known, directory, "")


def is_standing_by(directory: DataDir) -> bool:
    """Whether a platform on this directory waits for another's end."""
    try:
        return is_locked(directory) and (directory.run / "ready").read_text() == STANDS_BY
    except OSError:
        return False


def _is_postgresql(url: str) -> bool:
    return url.startswith("postgres") and find_spec("psycopg") is not None


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
        pause = _LOOK_SECONDS
        try:
            return claim.take()
        except Claimed as error:
            _check_keys(error.fingerprint, directory, fingerprint)
            reason = f"standing by for {error.holder.removeprefix('sagesmith ')}"
        except DatabaseAway as error:
            reason = f"standing by, but {error}"
            # Whoever had the claim is to have it again when the server is back, or has ended until then.
            pause = LOST_SECONDS
        if reason != said:
            _say(reason)
            said = reason
            (directory.run / "ready").write_text(STANDS_BY)
        time.sleep(pause)


def _check_keys(known: str | None, directory: DataDir, fingerprint: str) -> None:
    if known not in {None, fingerprint}:
        raise StartFailed(
            f"the database is that of a platform whose keys {directory.root} has not, and what is sealed in it cannot "
            "be opened here. Use another database (SAGESMITH_DATABASE_URL), or make a data directory from "
            "`sagesmith backup --keys FILE` there and `sagesmith restore FILE` here."
        )


def _say(message: str) -> None:
    print(f"sagesmith: {message}", file=sys.stderr, flush=True)  # noqa: T201 the supervisor's log is its terminal
