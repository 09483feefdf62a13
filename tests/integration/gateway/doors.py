"""A router process, and peers in the places of the processes behind it."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.config import Config

from sagesmith.config import DataDir, Platform
from sagesmith.credentials import Credentials, KeyRing
from sagesmith.environment import write_bundle
from sagesmith.gateway.tls import ensure_ca
from sagesmith.http.messages import Handler, Request, Response
from sagesmith.http.server import Server, serve
from sagesmith.routes import EndpointRoute, VariantRoute, write_routes
from tests import aws

ACCOUNT = "123456789012"


class Peer:
    """An HTTP server in a thread of its own, on a unix socket."""

    def __init__(self, path: Path, handler: Handler, on_connect: Any = None) -> None:
        self._path = path
        self._handler = handler
        self._on_connect = on_connect
        self._loop = asyncio.new_event_loop()
        self.server: Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    async def _start(self) -> None:
        self.server = await serve(self._handler, unix=self._path, on_connect=self._on_connect)

    def call(self, function: Callable[[], object]) -> None:
        """Call something on the server's loop."""
        self._loop.call_soon_threadsafe(function)

    def wait(self, event: asyncio.Event) -> None:
        """Wait for something that happens on the server's loop."""
        asyncio.run_coroutine_threadsafe(event.wait(), self._loop).result()

    def close(self) -> None:
        assert self.server is not None
        asyncio.run_coroutine_threadsafe(self.server.close(0), self._loop).result()
        self._path.unlink(missing_ok=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Door:
    """A running router."""

    platform: Platform
    keyring: KeyRing
    process: "subprocess.Popen[bytes]"
    log: Path
    peers: list[Peer] = field(default_factory=list)

    def client(
        self, service: str, credentials: Credentials | None = None, region: str = "us-east-1", **config: Any
    ) -> Any:
        """A boto3 client that does not try again, so that a test sees the first answer."""
        who = credentials or self.keyring.root
        keys = (who.access_key_id, who.secret_access_key, who.session_token)
        session = aws.session(*keys)
        options = Config(retries={"max_attempts": 0}, **config)
        return session.client(service, endpoint_url=self.platform.url, config=options)

    def proxied(self, service: str, region: str = "us-east-1") -> Any:
        """A boto3 client that believes to speak with AWS, by way of the proxy."""
        who = self.keyring.root
        session = aws.session(who.access_key_id, who.secret_access_key, region=region)
        options = Config(proxies={"https": self.platform.proxy_url}, retries={"max_attempts": 0})
        return session.client(service, config=options, verify=str(self.platform.dir.tls / "bundle.pem"))

    def peer(self, path: Path, handler: Handler, on_connect: Any = None) -> Peer:
        self.peers.append(Peer(path, handler, on_connect))
        return self.peers[-1]

    def api(self, handler: Handler | None = None) -> Peer:
        """A peer in the place of the API process; by default it answers what it was asked."""
        return self.peer(self.platform.dir.api_socket, handler or describe)

    def route(
        self, endpoint: str, *variants: VariantRoute, status: str = "InService", region: str = "us-east-1"
    ) -> None:
        route = EndpointRoute(endpoint, status, list(variants))
        write_routes(self.platform.dir.routes_file, {region: {endpoint.lower(): route}})

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


async def describe(request: Request) -> Response:
    """Answers a JSON request with what arrived."""
    body = await request.body.read(64 << 20)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    answer = {
        "method": request.method,
        "target": request.target.decode("latin-1"),
        "headers": headers,
        "size": len(body),
    }
    return Response(200, [(b"content-type", b"application/json")], json.dumps(answer).encode())


@contextlib.contextmanager
def opened(root: Path, environ: dict[str, str] | None = None, job_ports: Sequence[int] = ()) -> Iterator[Door]:
    """A router on free ports over a data directory of its own."""
    directory = DataDir(root)
    directory.sockets.mkdir(parents=True, exist_ok=True)
    keyring = KeyRing.create(directory.keys, ACCOUNT, None, None)
    ensure_ca(directory.keys, directory.tls)
    write_bundle(directory.tls, {})
    endpoint, tunnels = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    ports = endpoint.getsockname()[1], tunnels.getsockname()[1]
    store = ("http://127.0.0.1:9", "a", "b")
    platform = Platform(
        str(root), "127.0.0.1", *ports, 0, ACCOUNT, "us-east-1", "sqlite://", *store, str(root), 1, job_ports=job_ports
    )
    platform.save()
    log = root / "router.log"
    with log.open("wb") as output, endpoint, tunnels:
        descriptors = (endpoint.fileno(), tunnels.fileno())
        command = [sys.executable, "-m", "sagesmith.gateway", "--data", str(root)]
        process = subprocess.Popen(
            [*command, "--endpoint", str(descriptors[0]), "--proxy", str(descriptors[1])],
            stderr=output,
            env={"PATH": "/usr/bin:/bin", **(environ or {})},
            pass_fds=descriptors,
        )
    door = Door(platform, keyring, process, log)
    try:
        while '"ready"' not in log.read_text():
            if process.poll() is not None:
                raise AssertionError(log.read_text())
            time.sleep(0.01)
        yield door
    finally:
        for peer in door.peers:
            peer.close()
        process.terminate()
        process.wait()
