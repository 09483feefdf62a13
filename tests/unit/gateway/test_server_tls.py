"""The certificate for other machines: made for its names, kept while it is good, read again when it was renewed."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from sagesmith.gateway import certificates, server_tls
from sagesmith.gateway.server_tls import CertificateUnusable, ServerContext, ensure_server_certificate, server_context

NAMES = ["ml.example.com", "192.0.2.7", "localhost", "127.0.0.1", "::1"]


def connect(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """The client's side of a handshake in memory."""
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    mine = client.wrap_bio(ours, theirs, server_hostname=name)
    other = server.wrap_bio(theirs, ours, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (mine, other):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    return mine


def strict_client(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "server-ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("name", NAMES)
def test_a_strict_client_accepts_the_certificate_for_each_of_its_names(name: str, tmp_path: Path) -> None:
    context = server_context(ensure_server_certificate(tmp_path, tmp_path, NAMES), None)
    assert connect(context, strict_client(tmp_path), name).version() == "TLSv1.3"


def test_the_ca_certifies_no_other_host(tmp_path: Path) -> None:
    ensure_server_certificate(tmp_path, tmp_path, NAMES)
    ca_key, ca = certificates.load(tmp_path / "server-ca.key", tmp_path / "server-ca.pem")
    key = certificates.new_key()
    (tmp_path / "stolen.pem").write_bytes(
        certificates.pem(key) + certificates.make_leaf(key, ["bank.example"], ca_key, ca)
    )
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        connect(server_context(tmp_path / "stolen.pem", None), strict_client(tmp_path), "bank.example")


def test_tls_before_1_2_is_refused(tmp_path: Path) -> None:
    context = server_context(ensure_server_certificate(tmp_path, tmp_path, NAMES), None)
    client = strict_client(tmp_path)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert connect(context, client, "localhost").version() == "TLSv1.2"
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_what_is_good_is_kept_and_a_new_address_needs_no_new_ca(tmp_path: Path) -> None:
    def files() -> tuple[bytes, bytes]:
        return (tmp_path / "server-ca.pem").read_bytes(), (tmp_path / "server.pem").read_bytes()

    ensure_server_certificate(tmp_path, tmp_path, NAMES)
    ca, leaf = files()
    ensure_server_certificate(tmp_path, tmp_path, NAMES[:3])
    assert files() == (ca, leaf)
    ensure_server_certificate(tmp_path, tmp_path, [*NAMES, "192.0.2.8"])
    assert files()[0] == ca
    assert files()[1] != leaf
    ensure_server_certificate(tmp_path, tmp_path, [*NAMES, "other.example"])
    assert files()[0] != ca
    context = server_context(tmp_path / "server.pem", None)
    connect(context, strict_client(tmp_path), "other.example")


def test_a_certificate_is_renewed_a_month_before_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_server_certificate(tmp_path, tmp_path, NAMES)
    first = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    later = first.not_valid_after_utc - datetime.timedelta(days=29)
    for module in (certificates, server_tls):
        monkeypatch.setattr(module, "now", lambda: later)
    ensure_server_certificate(tmp_path, tmp_path, NAMES)
    second = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    assert second.not_valid_after_utc > first.not_valid_after_utc
    assert second.issuer == first.issuer


def test_a_ca_whose_certificate_was_not_written_any_more_is_made_anew(tmp_path: Path) -> None:
    ensure_server_certificate(tmp_path, tmp_path, NAMES)
    (tmp_path / "server-ca.key").write_bytes(certificates.pem(certificates.new_key()))
    context = server_context(ensure_server_certificate(tmp_path, tmp_path, NAMES), None)
    connect(context, strict_client(tmp_path), "localhost")


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_tls, "_LOOK_SECONDS", 0.0)
    file = ensure_server_certificate(tmp_path, tmp_path, NAMES)
    kept = ServerContext(file, None)
    first = kept.get()
    assert kept.get() is first
    file.write_text("half of a certifi")
    assert kept.get() is first
    file.unlink()
    assert kept.get() is first
    ensure_server_certificate(tmp_path, tmp_path, NAMES)
    assert kept.get() is not first


def test_what_is_no_certificate_with_its_key_is_named(tmp_path: Path) -> None:
    file = ensure_server_certificate(tmp_path, tmp_path, NAMES)
    other = tmp_path / "other.key"
    other.write_bytes(certificates.pem(certificates.new_key()))
    for certificate, key in ((file, other), (tmp_path / "server-ca.pem", None), (other, None)):
        with pytest.raises(CertificateUnusable, match=str(certificate)):
            server_context(certificate, key)
    with pytest.raises(CertificateUnusable, match=r"there is no file .*/absent"):
        server_context(tmp_path / "absent", None)
