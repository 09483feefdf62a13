"""Access keys: the root key of a data directory and temporary credentials that carry their own proof.

A temporary credential's session token holds its claims, sealed with the data directory's master key, and its secret is
derived from the master key, so that any process that has the master key can verify a request without asking a database.
"""

import base64
import functools
import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sagesmith.files import write_durably


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    expires_at: float | None = None
    """Seconds since the epoch, None for a key that does not expire."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a verified request comes from."""

    arn: str
    account_id: str
    access_key_id: str
    user_id: str
    job_arn: str | None = None
    """The job or endpoint that the credentials were made for, None for a person's."""


class ExpiredCredentials(Exception):
    """The session token was ours, but its time is over."""


class UnknownCredentials(Exception):
    """No such key, or a session token that is not ours or not this key's."""


class KeyRing:
    """Looks keys up and makes temporary ones. Immutable after construction, safe to share between threads.

    Args:
        master: 32 bytes, the data directory's master key.
        root: the key that `sagesmith env` hands out.
        account_id: the account of the root key.
    """

    def __init__(self, master: bytes, root: Credentials, account_id: str) -> None:
        self._secret_key = hmac.digest(master, b"sagesmith:temporary-secret", "sha256")
        self._sealer = AESGCM(hmac.digest(master, b"sagesmith:session-token", "sha256"))
        self._hosts_key = hmac.digest(master, b"sagesmith:hosts-of-a-job", "sha256")
        self._proxy_key = hmac.digest(master, b"sagesmith:proxy-token", "sha256")
        self.fingerprint = hmac.digest(master, b"sagesmith:fingerprint", "sha256").hex()[:32]
        """By which platforms that have the same keys know each other; it tells nothing of the keys."""
        self.root = root
        self.account_id = account_id

    @property
    def proxy_token(self) -> str:
        """What clients on other machines show to the proxy."""
        return base64.urlsafe_b64encode(self._proxy_key).rstrip(b"=").decode()

    def hosts_key(self, gang: str) -> str:
        """By which the hosts of one attempt at a job know each other, and nobody else."""
        return hmac.digest(self._hosts_key, gang.encode(), "sha256").hex()

    @classmethod
    def load(cls, keys: Path, account_id: str) -> "KeyRing":
        """Read `access_key.json` and `master.key` from a data directory's `keys` folder."""
        root = json.loads((keys / "access_key.json").read_text())
        return cls((keys / "master.key").read_bytes(), Credentials(**root), account_id)

    @classmethod
    def create(cls, keys: Path, account_id: str, access_key_id: str | None, secret_access_key: str | None) -> "KeyRing":
        """Make the keys that are missing in `keys`; a root key that is given replaces the one that is there."""
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys.chmod(0o700)
        if not (keys / "master.key").exists():
            write_durably(keys / "master.key", secrets.token_bytes(32))
        if access_key_id and secret_access_key:
            root = {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
            write_durably(keys / "access_key.json", json.dumps(root).encode())
        elif not (keys / "access_key.json").exists():
            root = {"access_key_id": "AKIA" + _random_id(16), "secret_access_key": secrets.token_urlsafe(30)}
            write_durably(keys / "access_key.json", json.dumps(root).encode())
        return cls.load(keys, account_id)

    def mint(
        self, role_arn: str, session_name: str, duration_seconds: float, job_arn: str | None = None
    ) -> Credentials:
        """Temporary credentials for a session of a role.

        Args:
            role_arn: `arn:aws:iam::ACCOUNT:role/[path/]NAME`.
            session_name: the session's name, the last part of the assumed role's ARN.
            duration_seconds: how long they live, from now.
            job_arn: the job that they are for.
        """
        access_key_id = "ASIA" + _random_id(16)
        expires_at = time.time() + duration_seconds
        claims = json.dumps({"role": role_arn, "session": session_name, "expires": expires_at, "job": job_arn})
        nonce = os.urandom(12)
        sealed = nonce + self._sealer.encrypt(nonce, claims.encode(), access_key_id.encode())
        return Credentials(
            access_key_id, self._temporary_secret(access_key_id), base64.b64encode(sealed).decode(), expires_at
        )

    def find(self, access_key_id: str, session_token: str | None) -> tuple[Principal, str]:
        """The principal and the secret of a key.

        Raises:
            UnknownCredentials: the key is not known, or its token is missing, broken or another key's.
            ExpiredCredentials: the token is no longer valid.
        """
        if session_token is None:
            if not hmac.compare_digest(access_key_id.encode(), self.root.access_key_id.encode()):
                raise UnknownCredentials
            role = f"arn:aws:iam::{self.account_id}:role/SageMakerExecutionRole"
            return _principal(access_key_id, role, "sagesmith", None), self.root.secret_access_key
        try:
            sealed = base64.b64decode(session_token, validate=True)
            claims = json.loads(self._sealer.decrypt(sealed[:12], sealed[12:], access_key_id.encode()))
        except (ValueError, InvalidTag) as error:
            raise UnknownCredentials from error
        if time.time() > claims["expires"]:
            raise ExpiredCredentials
        principal = _principal(access_key_id, claims["role"], claims["session"], claims["job"])
        return principal, self._temporary_secret(access_key_id)

    def _temporary_secret(self, access_key_id: str) -> str:
        return base64.b64encode(hmac.digest(self._secret_key, access_key_id.encode(), "sha256")).decode()[:40]


@functools.lru_cache(maxsize=1024)
def _principal(access_key_id: str, role_arn: str, session: str, job_arn: str | None) -> Principal:
    account, role = role_arn.split(":", 5)[4:6]
    name = role.rsplit("/", 1)[-1]
    arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
    return Principal(arn, account, access_key_id, f"{role_id(role_arn)}:{session}", job_arn)


def role_id(role_arn: str) -> str:
    """The unique id of a role, the first part of its sessions' user ids."""
    return "AROA" + base64.b32encode(hashlib.sha256(role_arn.encode()).digest()).decode()[:17]


def _random_id(length: int) -> str:
    return base64.b32encode(secrets.token_bytes(length)).decode()[:length]
