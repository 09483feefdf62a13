"""The certificate authority of a data directory and the certificates that it issues to the proxy.

A client that trusts it trusts it for AWS's domains only: the certificate says so itself (RFC 5280, section 4.2.1.10),
and everything that Python 3.13's VERIFY_X509_STRICT asks for is in it.
"""

import asyncio
import datetime
import ipaddress
import os
import ssl
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.files import replace_file, write_durably
from sagesmith.hosts import DOMAINS

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

CA_DAYS = 3650
LEAF_DAYS = 365
RENEW_DAYS = 30
_KEPT_CONTEXTS = 256


def ensure_ca(keys: Path, tls: Path) -> None:
    """Make the CA if there is none, or if it is about to expire: `keys/ca.key` (mode 0600) and `tls/ca.pem`."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key_file, certificate_file = keys / "ca.key", tls / "ca.pem"
    try:
        key, certificate = _load(key_file, certificate_file)
        if certificate.not_valid_after_utc - _now() > datetime.timedelta(days=LEAF_DAYS + RENEW_DAYS):
            return
    except (OSError, ValueError):
        pass
    key = ec.generate_private_key(ec.SECP256R1())
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    tls.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(key_file, _pem(key))
    write_durably(certificate_file, _make_ca(key))


class LeafContexts:
    """Server contexts with a certificate for the name asked for, made on demand and kept.

    Args:
        keys: has `ca.key`.
        tls: has `ca.pem`.
    """

    def __init__(self, keys: Path, tls: Path) -> None:
        self._keys = keys
        self._tls = tls
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._contexts: OrderedDict[str, tuple[datetime.datetime, ssl.SSLContext]] = OrderedDict()

    async def get(self, host: str) -> ssl.SSLContext:
        """The context for a host in AWS's domains, lower case. The first one of a host is made off the loop."""
        kept = self._contexts.get(host)
        if kept is not None and kept[0] > _now():
            self._contexts.move_to_end(host)
            return kept[1]
        context = await asyncio.to_thread(self._make, host)
        self._contexts[host] = (_now() + datetime.timedelta(days=LEAF_DAYS - RENEW_DAYS), context)
        while len(self._contexts) > _KEPT_CONTEXTS:
            self._contexts.popitem(last=False)
        return context

    def _make(self, host: str) -> ssl.SSLContext:
        from cryptography.hazmat.primitives.asymmetric import ec

        ca_key, ca = _load(self._keys / "ca.key", self._tls / "ca.pem")
        key = self._key = self._key or ec.generate_private_key(ec.SECP256R1())
        chain = _pem(key) + _make_leaf(key, host, ca_key, ca)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        with tempfile.TemporaryDirectory() as folder:  # ssl reads certificates from files only
            path = Path(folder) / "chain.pem"
            replace_file(path, chain)
            context.load_cert_chain(path)
        return context


def _load(key_file: Path, certificate_file: Path) -> "tuple[ec.EllipticCurvePrivateKey, x509.Certificate]":
    """Raises ValueError if the two do not belong together: the process that wrote them died between the two."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(key_file.read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the CA's key and certificate do not match")
    return key, certificate


def _make_ca(key: "ec.EllipticCurvePrivateKey") -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Sagesmith CA {os.urandom(4).hex()}")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    no_addresses = [x509.IPAddress(ipaddress.ip_network(network)) for network in ("0.0.0.0/0", "::/0")]
    builder = _builder(name, name, key, CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(
        x509.NameConstraints([x509.DNSName(domain) for domain in DOMAINS], no_addresses), critical=True
    )
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _make_leaf(
    key: "ec.EllipticCurvePrivateKey", host: str, ca_key: "ec.EllipticCurvePrivateKey", ca: "x509.Certificate"
) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host if len(host) <= 64 else "Sagesmith")])
    builder = _builder(subject, ca.subject, key, LEAF_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    issuer = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False
    )
    return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: "x509.Name", issuer: "x509.Name", key: "ec.EllipticCurvePrivateKey", days: int
) -> "x509.CertificateBuilder":
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(days=1))
        .not_valid_after(_now() + datetime.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: "ec.EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
