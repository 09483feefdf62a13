"""An S3 that the user runs, in place of the embedded object store."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from sagesmith.config import StoreKms
from sagesmith.objects.errors import ObjectStoreFailed

_DEFAULT_PORTS = {"http": 80, "https": 443}
_POLL_SECONDS = 0.5
_MAY_ALL_THE_SAME = frozenset({"AccessDenied"})
"""A key that may not list all buckets may still do what jobs need."""


@dataclass(frozen=True, slots=True)
class ExternalStore:
    """An S3 endpoint that the user runs: nothing to start.

    Attributes:
        endpoint: with its port and without a trailing slash.
        kms: whether it has a KMS of its own.
    """

    endpoint: str
    access_key_id: str
    secret_access_key: str
    kms: StoreKms

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "ExternalStore | None":
        """What `SAGESMITH_S3_ENDPOINT`, `…_ACCESS_KEY_ID` and `…_SECRET_ACCESS_KEY` name, None if they name nothing.

        Raises:
            ObjectStoreFailed: only some of the three are set, the endpoint is no URL, or `SAGESMITH_S3_KMS` is wrong.
        """
        names = ("SAGESMITH_S3_ENDPOINT", "SAGESMITH_S3_ACCESS_KEY_ID", "SAGESMITH_S3_SECRET_ACCESS_KEY")
        endpoint, access_key_id, secret = (environ.get(name, "") for name in names)
        if not endpoint:
            return None
        missing = [name for name in names if not environ.get(name)]
        if missing:
            raise ObjectStoreFailed(f"SAGESMITH_S3_ENDPOINT is set, but {' and '.join(missing)} is not.")
        kms = environ.get("SAGESMITH_S3_KMS") or "store"
        if kms not in {"store", "none"}:
            raise ObjectStoreFailed(f"SAGESMITH_S3_KMS must be store or none; it is {kms!r}.")
        return cls(_address(endpoint), access_key_id, secret, cast("StoreKms", kms))

    def plan(self, front_url: str, avoid: Collection[int] = (), region: str = "us-east-1") -> None:
        """Nothing is to be planned: it runs already."""

    def wait_ready(self, timeout_seconds: float, region: str, ca_bundle: Path) -> None:
        """Return when it answers and takes the key.

        Args:
            timeout_seconds: how long it may take to answer.
            region: the region to sign for.
            ca_bundle: the certificates to trust, where it has TLS.

        Raises:
            ObjectStoreFailed: it does not answer in time, its certificate is not trusted, or it refuses the key.
        """
        # botocore takes a quarter of a second to load, which only a start with an S3 of the user's has to spend.
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, SSLError

        client = botocore.session.Session().create_client(
            "s3",
            region_name=region,
            endpoint_url=self.endpoint,
            verify=str(ca_bundle),
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=10,
                proxies={},
                ignore_configured_endpoint_urls=True,
            ),
        )
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                client.list_buckets()
                return
            except ClientError as error:
                status = error.response["ResponseMetadata"]
                if error.response["Error"].get("Code") in _MAY_ALL_THE_SAME:
                    return
                reason, final = str(error), status["HTTPStatusCode"] < 500
            except SSLError as error:
                reason, final = f"{error}. Certificates are those of the system, or of the file SSL_CERT_FILE.", True
            except BotoCoreError as error:
                reason, final = str(error), False
            if final or time.monotonic() + _POLL_SECONDS > deadline:
                raise ObjectStoreFailed(f"The S3 at {self.endpoint} (SAGESMITH_S3_ENDPOINT) cannot be used: {reason}")
            time.sleep(_POLL_SECONDS)


def _address(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        if not parts.hostname or parts.path not in {"", "/"} or parts.query or parts.username is not None:
            raise ValueError
    except (KeyError, ValueError):
        raise ObjectStoreFailed("SAGESMITH_S3_ENDPOINT must be http(s)://HOST[:PORT], with nothing after it.") from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"
