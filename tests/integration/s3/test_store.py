"""The object store's process itself."""

import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagesmith.config import DataDir
from sagesmith.credentials import KeyRing
from sagesmith.objects.errors import ObjectStoreFailed
from sagesmith.objects.seaweedfs import ObjectStore
from tests import aws
from tests.integration.s3.conftest import ACCOUNT, end


class Running:
    def __init__(self, data: Path) -> None:
        self.directory = DataDir(data)
        KeyRing.create(self.directory.keys, ACCOUNT, None, None)
        self.store = ObjectStore(self.directory)
        self.process: subprocess.Popen[bytes] | None = None

    def plan(self) -> None:
        self.store.plan("http://127.0.0.1:1")

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.store.command(),
            env=self.store.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def client(self) -> Any:
        session = aws.session(self.store.access_key_id, self.store.secret_access_key)
        return session.client("s3", endpoint_url=self.store.endpoint)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path / "data")
    made.plan()
    yield made
    if made.process is not None:
        end(made.process)


def test_a_port_that_somebody_took_is_named(running: Running) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", running.store.ports.s3))
        taken.listen()
        running.start()
        with pytest.raises(ObjectStoreFailed, match=str(running.store.ports.s3)):
            running.store.wait_ready(30)


def test_it_listens_on_loopback_only(running: Running) -> None:
    running.start()
    running.store.wait_ready(30)
    assert running.process is not None
    listening = subprocess.run(["cat", f"/proc/{running.process.pid}/net/tcp"], capture_output=True, text=True)
    ports = {f"{port:04X}" for port in running.store.ports.all()}
    addresses = [line.split()[1] for line in listening.stdout.splitlines()[1:] if line.split()[3] == "0A"]
    ours = [address for address in addresses if address.split(":")[1] in ports]
    assert len(ours) >= 8
    assert {address.split(":")[0] for address in ours} == {"0100007F"}


def test_what_was_acknowledged_survives_kill_9_and_other_ports(running: Running) -> None:
    running.start()
    running.store.wait_ready(30)
    s3 = running.client()
    s3.create_bucket(Bucket="durable")
    for number in range(50):
        s3.put_object(Bucket="durable", Key=str(number), Body=b"%d" % number)
    assert running.process is not None
    running.process.kill()
    running.process.wait()
    (running.directory.objects / "ports.json").unlink()
    running.plan()
    running.start()
    running.store.wait_ready(30)
    s3 = running.client()
    assert all(s3.get_object(Bucket="durable", Key=str(n))["Body"].read() == b"%d" % n for n in range(50))
    s3.put_object(Bucket="durable", Key="more", Body=b"more")


def test_without_the_stores_own_certificate_nobody_gets_past_its_inner_ports(running: Running, tmp_path: Path) -> None:
    running.start()
    running.store.wait_ready(30)
    client = running.client()
    client.create_bucket(Bucket="private")
    client.put_object(Bucket="private", Key="secret", Body=b"do not tell")
    ports = running.store.ports
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for port, path in (
        (ports.master, "/dir/assign"),
        (ports.master, "/dir/lookup?volumeId=1&fileId=1,01&read=yes"),
        (ports.master, "/vol/vacuum"),
        (ports.filer, "/buckets/private/secret"),
        (ports.volume, "/1,01"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open(f"http://127.0.0.1:{port}{path}", timeout=10)
        assert refused.value.code in {401, 404}
        assert "authorization" not in refused.value.headers
    for port in (port for port in ports.all() if port not in ports.http()):
        for context in (None, ssl._create_unverified_context()):
            assert not _speaks_http2(port, context)


def _speaks_http2(port: int, context: ssl.SSLContext | None) -> bool:
    """Whether a gRPC server sends its SETTINGS to somebody who shows no certificate. Its TLS 1.3 refuses after the
    handshake: only what comes after it tells."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            if context is not None:
                context.set_alpn_protocols(["h2"])
            connection = context.wrap_socket(plain) if context is not None else plain
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            head = connection.recv(9)
    except OSError:
        return False
    return len(head) > 3 and head[3] == 4
