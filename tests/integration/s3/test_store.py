"""The object store's process itself."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sagesmith.config import DataDir
from sagesmith.credentials import KeyRing
from sagesmith.objects.seaweedfs import ObjectStore, ObjectStoreFailed
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
        session = boto3.session.Session(self.store.access_key_id, self.store.secret_access_key, region_name="us-east-1")
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
