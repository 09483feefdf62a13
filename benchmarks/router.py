"""What the front door costs: requests a second through a router process, its start and its memory.

The peer behind it is the least that speaks HTTP on a unix socket, so that what is measured is the door: two HTTP hops
and the verification of a signature. `python -m benchmarks.router` from the project's root.
"""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import uvloop

from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.http.client import Client
from sagesmith.http.messages import Headers, Request, Response
from sagesmith.http.server import serve
from sagesmith.routes import VariantRoute
from sagesmith.wire import sigv4
from tests.integration.gateway.doors import Door, opened

SECONDS = 3.0
BODY = b'{"MaxResults":10}'


async def peer(request: Request) -> Response:
    await request.body.read(1 << 20)
    return Response(200, [(b"content-type", b"application/json")], b"{}")


def signed(keyring: KeyRing, platform: Platform, target: bytes, headers: Headers) -> bytes:
    """A whole request, signed once: it is good for a quarter of an hour."""
    root = keyring.root
    host = [(b"host", f"{platform.host}:{platform.port}".encode()), *headers]
    digest = hashlib.sha256(BODY).hexdigest()
    all_headers = sigv4.sign(
        "POST", target, host, digest, root.access_key_id, root.secret_access_key, "us-east-1", "sagemaker", time.time()
    )
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in all_headers)
    length = b"content-length: %d\r\n\r\n" % len(BODY)
    return b"POST " + target + b" HTTP/1.1\r\n" + lines + length + BODY


class Loop(asyncio.Protocol):
    """Sends the same bytes again as soon as an answer came."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request = request
        self._latencies = latencies

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            raise SystemExit(data.decode())
        self._latencies.append(time.perf_counter() - self._began)
        self._send()


async def measure(port: int, request: bytes, connections: int) -> str:
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    opened_ones = [
        await loop.create_connection(lambda: Loop(request, latencies), "127.0.0.1", port) for _ in range(connections)
    ]
    await asyncio.sleep(0.3)
    latencies.clear()
    await asyncio.sleep(SECONDS)
    count = len(latencies)
    for transport, _ in opened_ones:
        transport.abort()
    return f"{count / SECONDS:8.0f}/s  p50 {sorted(latencies)[count // 2] * 1e3:5.2f} ms"


async def copy_speed() -> None:
    """Streams of one gigabyte through one of our servers and one of our clients in one process."""
    piece = bytes(1 << 18)

    async def handler(request: Request) -> Response:
        size = 0
        async for part in request.body:
            size += len(part)
        return Response(200, [], b"%d" % size)

    async def gigabyte() -> AsyncIterator[bytes]:
        for _ in range(4096):
            yield piece

    server = await serve(handler, tcp=("127.0.0.1", 0))
    client = Client(f"http://127.0.0.1:{server.port}")
    began = time.perf_counter()
    await client.request("PUT", b"/", [(b"content-length", b"%d" % (1 << 30))], gigabyte())
    print(f"1 GiB over loopback, both ends in one process   {1.074 / (time.perf_counter() - began):5.2f} GB/s")
    began = time.perf_counter()
    for _ in range(5000):
        await client.request("POST", b"/", [], b"{}")
    print(f"a small request, both ends in one process       {(time.perf_counter() - began) / 5000 * 1e6:5.0f} µs")
    client.close()
    await server.close()


async def main(door: Door) -> None:
    sockets = door.platform.dir.sockets
    servers = [await serve(peer, unix=door.platform.dir.api_socket), await serve(peer, unix=sockets / "model")]
    door.route("churn", VariantRoute("AllTraffic", 1, [f"unix:{sockets / 'model'}"]))
    target = {b"x-amz-target": b"SageMaker.ListModels", b"content-type": b"application/x-amz-json-1.1"}
    kinds = {
        "API": signed(door.keyring, door.platform, b"/", list(target.items())),
        "invoke": signed(
            door.keyring, door.platform, b"/endpoints/churn/invocations", [(b"content-type", b"text/csv")]
        ),
    }
    for name, request in kinds.items():
        for connections in (1, 8, 32):
            print(f"{name:7} {connections:3} clients  {await measure(door.platform.port, request, connections)}")
    await copy_speed()
    for server in servers:
        await server.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with opened(Path(folder)) as running:
            print(f"start of a router, keys and CA included   {time.perf_counter() - started:5.2f} s")
            memory = psutil.Process(running.process.pid).memory_full_info()
            print(f"its memory, idle   PSS {memory.pss / 1e6:.0f} MB, USS {memory.uss / 1e6:.0f} MB")
            uvloop.run(main(running))
            used = psutil.Process(running.process.pid).memory_full_info()
            print(f"its memory, after   PSS {used.pss / 1e6:.0f} MB")
