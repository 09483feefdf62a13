"""An S3 that "the user" runs: SeaweedFS with keys of its own and no KMS, plain or with TLS."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sagesmith.config import DataDir
from sagesmith.credentials import KeyRing
from sagesmith.objects.ports import find_ports
from sagesmith.objects.seaweedfs import ObjectStore
from tests import aws


@dataclass(frozen=True)
class UserStore:
    """Where it is, with which keys, and the certificate to trust if it speaks TLS."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    certificate: Path | None

    def settings(self) -> dict[str, str]:
        """The variables that make a platform use it."""
        found = {
            "SAGESMITH_S3_ENDPOINT": self.endpoint,
            "SAGESMITH_S3_ACCESS_KEY_ID": self.access_key_id,
            "SAGESMITH_S3_SECRET_ACCESS_KEY": self.secret_access_key,
        }
        return {**found, "SSL_CERT_FILE": str(self.certificate)} if self.certificate else found

    def client(self) -> Any:
        """A boto3 client of it, past the platform."""
        session = aws.session(self.access_key_id, self.secret_access_key)
        verify = str(self.certificate) if self.certificate else None
        return session.client("s3", endpoint_url=self.endpoint, verify=verify)

    def answers(self) -> bool:
        try:
            self.client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True


@contextmanager
def user_store(folder: Path, tls: bool) -> Iterator[UserStore]:
    """Run one in a folder of its own until the end of the block."""
    directory = DataDir(folder)
    KeyRing.create(directory.keys, "123456789012", None, None)
    store = ObjectStore(directory)
    store.plan("http://127.0.0.1:1")
    configuration = directory.objects / "s3.json"
    settings = json.loads(configuration.read_text())
    del settings["kms"]
    configuration.write_text(json.dumps(settings))
    command, endpoint, certificate = store.command(), store.endpoint, None
    if tls:
        port = find_ports(folder / "tls.json", store.ports.all()).s3
        certificate, key = _certificate(folder)
        command += [f"-s3.port.https={port}", f"-s3.cert.file={certificate}", f"-s3.key.file={key}"]
        endpoint = f"https://localhost:{port}"
    with (folder / "weed.log").open("w") as log:
        process = subprocess.Popen(command, env=store.environment(), stdout=log, stderr=log)
    try:
        found = UserStore(endpoint, store.access_key_id, store.secret_access_key, certificate)
        while not found.answers():
            assert process.poll() is None, (folder / "weed.log").read_text()
            time.sleep(0.05)
        yield found
    finally:
        process.terminate()
        process.wait()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the user's S3")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
