"""The certificate by which the object store's parts know each other.

Its gRPC services ask nobody who they are unless they speak mutual TLS: every program on this machine could list, read
and remove everything. One self-signed certificate, made anew for every start, is authority, server and client at once;
whoever cannot read its key cannot connect.

Source: `weed scaffold -config=security`, section `[grpc]` ("All gRPC TLS authentications are mutual").
"""

import datetime
import ipaddress
from collections.abc import Callable
from pathlib import Path

DAYS = 3650
_COMPONENTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "MQ", "MSG_BROKER", "MSG_AGENT", "CLIENT")


def make_certificate(folder: Path, write: Callable[[Path, str], None]) -> None:
    """Write `grpc.pem` and `grpc.key` into a folder.

    Args:
        write: puts a text into a file of mode 0600 in one step.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sagesmith object store")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A clock that is set back must not lock the store's parts out.
        .not_valid_before(now - datetime.timedelta(days=DAYS))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write(folder / "grpc.key", secret.decode())
    write(folder / "grpc.pem", certificate.public_bytes(pem).decode())


def variables(folder: Path) -> dict[str, str]:
    """The environment that makes every part of the store use what `make_certificate` wrote."""
    certificate, key = str(folder / "grpc.pem"), str(folder / "grpc.key")
    return {
        "WEED_GRPC_CA": certificate,
        **{f"WEED_GRPC_{component}_CERT": certificate for component in _COMPONENTS},
        **{f"WEED_GRPC_{component}_KEY": key for component in _COMPONENTS},
    }
