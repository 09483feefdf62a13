"""The certificate authority of a data directory and the certificates that it issues to the proxy.

A client that trusts it trusts it for AWS's domains only: the certificate says so itself.
"""

import asyncio
import datetime
import ssl
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.files import replace_file, write_durably
from sagesmith.gateway.certificates import LEAF_DAYS, RENEW_DAYS, load, make_ca, make_leaf, new_key, now, pem
from sagesmith.hosts import DOMAINS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

_KEPT_CONTEXTS = 256


def ensure_ca(keys: Path, tls: Path) -> None:
    """Make the CA if there is none, or if it is about to expire: `keys/ca.key` (mode 0600) and `tls/ca.pem`."""
    key_file, certificate_file = keys / "ca.key", tls / "ca.pem"
    try:
        key, certificate = load(key_file, certificate_file)
        if certificate.not_valid_after_utc - now() > datetime.timedelta(days=LEAF_DAYS + RENEW_DAYS):
            return
    except (OSError, ValueError):
        pass
    key = new_key()
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    tls.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(key_file, pem(key))
    write_durably(certificate_file, make_ca(key, "Sagesmith CA", DOMAINS))


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
        if kept is not None and kept[0] > now():
            self._contexts.move_to_end(host)
            return kept[1]
        context = await asyncio.to_thread(self._make, host)
        self._contexts[host] = (now() + datetime.timedelta(days=LEAF_DAYS - RENEW_DAYS), context)
        while len(self._contexts) > _KEPT_CONTEXTS:
            self._contexts.popitem(last=False)
        return context

    def _make(self, host: str) -> ssl.SSLContext:
        ca_key, ca = load(self._keys / "ca.key", self._tls / "ca.pem")
        key = self._key = self._key or new_key()
        chain = pem(key) + make_leaf(key, [host], ca_key, ca)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        with tempfile.TemporaryDirectory() as folder:  # ssl reads certificates from files only
            path = Path(folder) / "chain.pem"
            replace_file(path, chain)
            context.load_cert_chain(path)
        return context
