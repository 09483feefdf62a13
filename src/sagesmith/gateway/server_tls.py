"""The certificate with which the front door serves other machines: the user's, or one that the platform makes itself.

The platform's own is signed by a CA of its own, apart from the proxy's, so that a client that speaks with the front
door alone need not trust a CA for AWS's domains. That CA may certify the names of this machine alone, and addresses.
"""

import contextlib
import datetime
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith import logging
from sagesmith.files import write_durably
from sagesmith.gateway.certificates import RENEW_DAYS, load, make_ca, make_leaf, new_key, now, pem

if TYPE_CHECKING:
    from cryptography import x509

CA_FILE = "server-ca.pem"
"""Below `tls`: what clients of the platform's own certificate trust."""

_ALL_ADDRESSES = ("0.0.0.0/0", "::/0")
_LOOK_SECONDS = 1.0

log = logging.get("tls")


class CertificateUnusable(Exception):
    """A certificate or its key cannot be used; the message names the file."""


def ensure_server_certificate(keys: Path, tls: Path, names: Sequence[str]) -> Path:
    """Make the platform's own certificate where there is none that is good for all names for another month.

    Args:
        keys: gets the CA's key and `server.pem`, key and certificate in one file, so that they are always each other's.
        tls: gets the CA's certificate.
        names: host names and addresses, at least one of each.

    Returns:
        The file with key and certificate.
    """
    key_file, ca_file, leaf_file = keys / "server-ca.key", tls / CA_FILE, keys / "server.pem"
    soon = datetime.timedelta(days=RENEW_DAYS)
    with contextlib.suppress(OSError, ValueError):
        ca_key, ca = load(key_file, ca_file)
        if ca.not_valid_after_utc - now() > soon and _permits(ca, names):
            with contextlib.suppress(OSError, ValueError):
                leaf = _certificate(leaf_file)
                if leaf.not_valid_after_utc - now() > soon and set(names) <= _names(leaf) and _signed(leaf, ca):
                    return leaf_file
            key = new_key()
            write_durably(leaf_file, pem(key) + make_leaf(key, names, ca_key, ca))
            return leaf_file
    ca_key = new_key()
    write_durably(key_file, pem(ca_key))
    write_durably(ca_file, make_ca(ca_key, "Sagesmith server CA", _domains(names), _ALL_ADDRESSES))
    return ensure_server_certificate(keys, tls, names)


def server_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """A context that serves HTTP/1.1 over TLS 1.2 or later.

    Args:
        certificate: the server's certificate and those that lead to a CA, in PEM.
        key: its private key; None: it stands in the same file.

    Raises:
        CertificateUnusable: a file cannot be read, has something else in it, or the two are not each other's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise CertificateUnusable(f"there is no file {file}.")
    try:
        context.load_cert_chain(certificate, key, _refuse_to_ask)
    except (OSError, ValueError) as error:
        source = f"{certificate} and {key}" if key is not None else str(certificate)
        raise CertificateUnusable(
            f"{source} cannot be used as a certificate with its private key: {error}. They must be in PEM, belong "
            "together, and the key must not be encrypted."
        ) from error
    return context


class ServerContext:
    """The present context of a certificate's files: read again when they change, as they do when it is renewed."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._seen = self._look()
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self._context = server_context(certificate, key)

    def get(self) -> ssl.SSLContext:
        """The context for a new connection. What cannot be used, as between two writes, leaves the former in place."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                try:
                    self._context = server_context(self._certificate, self._key)
                    log.info("the certificate was read again", file=str(self._certificate))
                except CertificateUnusable as error:
                    log.error("the former certificate stays in use", reason=str(error))
        return self._context

    def _look(self) -> list[tuple[int, int, int] | None]:
        found: list[tuple[int, int, int] | None] = []
        for file in (self._certificate, self._key):
            try:
                status = file.stat() if file is not None else None
            except OSError:
                status = None
            found.append(status and (status.st_ino, status.st_mtime_ns, status.st_size))
        return found


def _refuse_to_ask() -> str:
    raise ValueError("the key is encrypted")


def _certificate(file: Path) -> "x509.Certificate":
    from cryptography import x509

    return x509.load_pem_x509_certificate(file.read_bytes())


def _names(leaf: "x509.Certificate") -> set[str]:
    from cryptography import x509

    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def _signed(leaf: "x509.Certificate", ca: "x509.Certificate") -> bool:
    return leaf.issuer == ca.subject


def _permits(ca: "x509.Certificate", names: Sequence[str]) -> bool:
    from cryptography import x509

    permitted = ca.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    return set(_domains(names)) <= {str(name.value) for name in permitted if isinstance(name, x509.DNSName)}


def _domains(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.replace(".", "").isdecimal() and ":" not in name]
