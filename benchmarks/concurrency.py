"""Many clients at once: mixed calls a second of 1 and of 32 clients, on SQLite and on PostgreSQL.

A client is a thread with a connection of its own, which signs each request and reads each answer, and little else:
boto3 takes a millisecond of a core for every call, so that 32 of it would measure themselves. They are spread over a
process a core. Half of what they call changes something. An answer that is not 200 ends the measurement.
"""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from benchmarks.control_plane import CONTAINER, ROLE
from benchmarks.figures import Figure, Figures
from sagesmith.http.messages import Headers
from sagesmith.wire import sigv4
from tests.integration import postgres
from tests.integration.conftest import ROOT, Running, sagesmith, start

CLIENTS = 32
SECONDS = 10.0
REACH = 1000.0
REGION = "eu-west-3"


class Client:
    """A client on one connection. Not thread safe.

    Args:
        service: the name that it signs for.
        target: the service's in `X-Amz-Target`.
    """

    def __init__(
        self,
        url: str,
        access_key_id: str,
        secret: str,
        service: str = "sagemaker",
        target: str = "SageMaker",
        region: str = REGION,
    ) -> None:
        address = urlsplit(url)
        assert address.hostname is not None and address.port is not None
        self._host = address.netloc.encode()
        self._keys = access_key_id, secret
        self._scope = region, service
        self._target = target
        self._socket = socket.create_connection((address.hostname, address.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, operation: str, **params: Any) -> Any:
        """The answer of an operation. Raises RuntimeError if it is an error."""
        body = orjson.dumps(params)
        headers: Headers = [
            (b"host", self._host),
            (b"content-type", b"application/x-amz-json-1.1"),
            (b"x-amz-target", f"{self._target}.{operation}".encode()),
        ]
        digest = hashlib.sha256(body).hexdigest()
        signed = sigv4.sign("POST", b"/", headers, digest, *self._keys, *self._scope, time.time())
        lines = [name + b": " + value for name, value in (*signed, (b"content-length", str(len(body)).encode()))]
        self._socket.sendall(b"\r\n".join((b"POST / HTTP/1.1", *lines, b"", body)))
        status, answer = self._read()
        if status != b"200":
            raise RuntimeError(f"{operation} was answered {status.decode()}: {answer.decode()}")
        return orjson.loads(answer) if answer else None

    def _read(self) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        _, _, after = head.lower().partition(b"content-length:")
        length = int(after.partition(b"\r\n")[0])
        pieces, size = [body], len(body)
        while size < length:
            pieces.append(self._more())
            size += len(pieces[-1])
        return head.split(b" ", 2)[1], b"".join(pieces)

    def _more(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionError("the platform closed the connection")
        return received


def mixed(client: Client, prefix: str) -> Iterator[None]:
    """Makes the calls of one client for ever, one a step."""
    number = 0
    while True:
        number += 1
        name = f"{prefix}-{number}"
        made = client.call("CreateModel", ModelName=name, PrimaryContainer=CONTAINER, ExecutionRoleArn=ROLE)
        yield
        client.call("DescribeModel", ModelName=name)
        yield
        client.call("CreateModelPackageGroup", ModelPackageGroupName=name)
        yield
        client.call("ListModels", NameContains=prefix, MaxResults=10)
        yield
        client.call("AddTags", ResourceArn=made["ModelArn"], Tags=[{"Key": "a", "Value": "b"}])
        yield
        client.call("DescribeModelPackageGroup", ModelPackageGroupName=name)
        yield
        client.call("ListTags", ResourceArn=made["ModelArn"])
        yield
        if number % 2:
            client.call("DeleteModel", ModelName=name)
        else:
            client.call("DeleteModelPackageGroup", ModelPackageGroupName=name)
        yield


def run_clients(url: str, key: str, secret: str, clients: int) -> int:
    """Let clients work in threads of this process for SECONDS; returns how many calls were answered."""
    ready = threading.Barrier(clients)

    def work(number: int) -> int:
        client = Client(url, key, secret)
        ready.wait()
        until, calls = time.monotonic() + SECONDS, 0
        for _ in mixed(client, f"c{os.getpid()}-{number}"):
            calls += 1
            if time.monotonic() > until:
                break
        return calls

    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(work, range(clients)))


def per_second(platform: Running, clients: int) -> float:
    """Mixed calls a second of so many clients, in a process a core."""
    processes = min(clients, os.cpu_count() or 1)
    keys = [str(platform.variables[name]) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    words = [sys.executable, "-m", "benchmarks.concurrency", platform.url, *keys, str(clients // processes)]
    running = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    calls = 0
    for each in running:
        output, _ = each.communicate()
        if each.returncode:
            raise RuntimeError("a call was refused, or not answered; which and why stands above")
        calls += int(output)
    return calls / SECONDS


@contextmanager
def on_postgres(folder: Path) -> Iterator[Running]:
    """A platform of its own on a PostgreSQL server of its own."""
    programs = postgres.binaries()
    if programs is None:
        raise FileNotFoundError("there is no PostgreSQL on this machine")
    with postgres.server(programs) as server, postgres.database(server) as url:
        platform = start(folder, environ={"SAGESMITH_DATABASE_URL": url})
        try:
            yield platform
        finally:
            sagesmith("down", "--data", str(folder))


def figures(platform: Running) -> Figures:
    yield from of("SQLite", platform)
    with on_postgres(platform.data.parent / "postgres") as other:
        yield from of("PostgreSQL", other)


def of(database: str, platform: Running) -> Figures:
    alone, many = per_second(platform, 1), per_second(platform, CLIENTS)
    name = f"mixed calls of {CLIENTS} clients, {database}"
    yield Figure(name, "/s", many, "times", round(REACH / alone, 2), alone, "1 client")


if __name__ == "__main__":
    url, key, secret, clients = sys.argv[1:]
    print(run_clients(url, key, secret, int(clients)))
