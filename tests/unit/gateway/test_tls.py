"""The CA and its leaves, judged by OpenSSL."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from sagesmith.gateway.tls import LeafContexts, ensure_ca
from sagesmith.hosts import DOMAINS

HOST = "bucket.s3.us-east-1.amazonaws.com"
PYENV = Path("~/.pyenv/versions/3.13.0/bin/python").expanduser()
STRICT_PYTHON = str(PYENV) if PYENV.exists() else shutil.which("python3.13")
HANDSHAKE = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
plain = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
print(context.wrap_socket(plain, server_hostname=sys.argv[3]).version())
"""


def handshake(folder: Path, host: str, *, asked: str | None = None) -> None:
    """TLS in memory between a strict client and the context for `host`.

    Raises:
        ssl.SSLError: the client does not accept the certificate.
    """
    server_context = asyncio.run(LeafContexts(folder, folder).get(host))
    client_context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(ours, theirs, server_hostname=asked or host)
    server = server_context.wrap_bio(theirs, ours, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass


@pytest.mark.parametrize("host", [HOST, "sts.amazonaws.com", "s3.x.amazonaws.com.cn", "x" * 63 + ".s3.amazonaws.com"])
def test_a_strict_client_accepts_a_leaf_for_any_aws_host(host: str, tmp_path: Path) -> None:
    ensure_ca(tmp_path, tmp_path)
    handshake(tmp_path, host)


def test_every_domain_that_the_proxy_ends_is_in_the_cas_name(tmp_path: Path) -> None:
    ensure_ca(tmp_path, tmp_path)
    for domain in DOMAINS:
        handshake(tmp_path, f"service.region.{domain}")


@pytest.mark.parametrize("host", ["www.example.com", "pypi.org", "amazonaws.com.example.com", "aws.amazon.com"])
def test_the_ca_cannot_speak_for_anybody_else(host: str, tmp_path: Path) -> None:
    ensure_ca(tmp_path, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        handshake(tmp_path, host)


def test_a_leaf_is_for_its_own_name_only(tmp_path: Path) -> None:
    ensure_ca(tmp_path, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(tmp_path, HOST, asked="sts.amazonaws.com")


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    ensure_ca(tmp_path / "keys", tmp_path / "tls")
    assert (tmp_path / "keys" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_ca_that_is_good_stays(tmp_path: Path) -> None:
    ensure_ca(tmp_path, tmp_path)
    before = (tmp_path / "ca.pem").read_bytes()
    ensure_ca(tmp_path, tmp_path)
    assert (tmp_path / "ca.pem").read_bytes() == before


def test_a_crash_between_key_and_certificate_is_mended(tmp_path: Path) -> None:
    ensure_ca(tmp_path, tmp_path)
    old = (tmp_path / "ca.pem").read_bytes()
    (tmp_path / "ca.key").unlink()
    ensure_ca(tmp_path, tmp_path)
    key = (tmp_path / "ca.key").read_bytes()
    (tmp_path / "ca.pem").write_bytes(old)
    ensure_ca(tmp_path, tmp_path)
    assert (tmp_path / "ca.key").read_bytes() != key
    handshake(tmp_path, HOST)


def test_a_context_is_made_once_a_name(tmp_path: Path) -> None:
    ensure_ca(tmp_path, tmp_path)

    async def main() -> None:
        contexts = LeafContexts(tmp_path, tmp_path)
        assert await contexts.get(HOST) is await contexts.get(HOST)
        assert await contexts.get(HOST) is not await contexts.get("sts.amazonaws.com")

    asyncio.run(main())


@pytest.mark.skipif(STRICT_PYTHON is None, reason="no Python 3.13 on this machine, which is strict by default")
def test_python_3_13_accepts_it(tmp_path: Path) -> None:
    ensure_ca(tmp_path, tmp_path)

    async def main() -> str:
        context = await LeafContexts(tmp_path, tmp_path).get(HOST)
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        arguments = (str(STRICT_PYTHON), "-c", HANDSHAKE, str(tmp_path / "ca.pem"), str(port), HOST)
        process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
        output, _ = await process.communicate()
        server.close()
        return output.decode().strip()

    assert asyncio.run(main()) == "TLSv1.3"
