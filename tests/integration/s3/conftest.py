"""A real object store behind the real S3 front, without the rest of the platform (and so without its KMS)."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from sagesmith.config import DataDir, Platform
from sagesmith.credentials import Credentials, KeyRing
from sagesmith.objects.seaweedfs import ObjectStore
from tests import aws

ROOT = Path(__file__).parents[3]
ACCOUNT = "123456789012"


@dataclass
class Front:
    """What runs, and how clients reach it."""

    url: str
    keyring: KeyRing
    store: ObjectStore
    log: Path
    process: "subprocess.Popen[str]"
    store_process: "subprocess.Popen[bytes] | None" = None
    bucket: str = "data-bucket"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, credentials: Credentials | None = None, region: str = "us-east-1", **config: Any) -> Any:
        """A boto3 client that does not try again, so that a test sees the first answer."""
        who = credentials or self.keyring.root
        session = aws.session(who.access_key_id, who.secret_access_key, who.session_token, region)
        options = Config(**{"retries": {"max_attempts": 0}, **config})
        return session.client("s3", endpoint_url=self.url, config=options)

    def direct(self) -> Any:
        """A client of the store itself."""
        session = aws.session(self.store.access_key_id, self.store.secret_access_key)
        return session.client("s3", endpoint_url=self.store.endpoint)

    def start_store(self) -> None:
        self.store_process = subprocess.Popen(
            self.store.command(), env=self.store.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill_store(self) -> None:
        assert self.store_process is not None
        self.store_process.kill()
        self.store_process.wait()

    def stop_store(self) -> None:
        assert self.store_process is not None
        end(self.store_process)


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    directory = DataDir(tmp_path_factory.mktemp("s3") / "data")
    keyring = KeyRing.create(directory.keys, ACCOUNT, None, None)
    with ExitStack() as started:
        store = ObjectStore(directory)
        store.plan("http://127.0.0.1:1")
        platform = Platform(
            data=str(directory.root),
            host="127.0.0.1",
            port=0,
            proxy_port=0,
            admin_port=0,
            account_id=ACCOUNT,
            region="us-east-1",
            database_url="",
            s3_endpoint=store.endpoint,
            s3_access_key_id=store.access_key_id,
            s3_secret_access_key=store.secret_access_key,
            cache="",
            routers=1,
        )
        platform.save()
        log = directory.root / "front.log"
        process = start("tests.integration.s3.front", log, started, str(directory.root))
        running = Front(f"http://127.0.0.1:{port_of(process)}", keyring, store, log, process)
        running.start_store()
        started.callback(running.stop_store)
        assert running.store_process is not None
        store.wait_ready(30, running.store_process.pid)
        running.client().create_bucket(Bucket=running.bucket)
        yield running


def start(module: str, log: Path, started: ExitStack, *arguments: str) -> "subprocess.Popen[str]":
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    started.callback(end, process)
    return process


def end(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    process.wait(30)


def port_of(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.fixture
def s3(front: Front) -> Any:
    return front.client()


def exchange(port: int, sent: bytes) -> bytes:
    """Send raw bytes, read until the server closes."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        received = bytearray()
        while piece := connection.recv(65536):
            received += piece
    return bytes(received)
