"""A port for TLS, spoken to in TLS, without it, and not at all."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from sagesmith.gateway.server_tls import ensure_server_certificate, server_context
from sagesmith.http import secure
from sagesmith.http.messages import Request, Response
from sagesmith.http.secure import Guard
from sagesmith.http.server import Server, serve

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def guarded(folder: Path, plain_at: Collection[str] = (), host: str = "127.0.0.1") -> AsyncIterator[Server]:
    async def handler(request: Request) -> Response:
        return Response(200, [], f"{request.scheme} {request.peer}".encode())

    certificate = ensure_server_certificate(folder, folder, ["localhost"])
    listening = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    if host == "::":
        listening.close()
        listening = socket.create_server((host, 0), family=socket.AF_INET6, dualstack_ipv6=True)
    context = server_context(certificate, None)
    server = await serve(handler, listening=listening, guard=Guard(lambda: context, plain_at, "use https://here"))
    try:
        yield server
    finally:
        await server.close(0)


def trusting(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "server-ca.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def ask(port: int, context: ssl.SSLContext | None, host: str = "127.0.0.1") -> bytes:
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    writer.write(REQUEST)
    answer = await reader.read()
    writer.close()
    return answer


def test_requests_within_tls_know_it_and_their_peer(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as server:
            answer = await ask(server.port, trusting(tmp_path))
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(b"https 127.0.0.1")

    asyncio.run(main())


def test_http_1_1_is_agreed_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as server:
            context = trusting(tmp_path)
            _, writer = await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=context, server_hostname="localhost"
            )
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            writer.close()

    asyncio.run(main())


def test_a_client_without_tls_is_told_what_to_use(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as server:
            answer = await ask(server.port, None)
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert answer.endswith(b"use https://here\n")
            assert not server.connections

    asyncio.run(main())


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_loopback_is_served_without_tls_where_that_is_allowed(host: str, tmp_path: Path) -> None:
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")

    async def main() -> None:
        async with guarded(tmp_path, ("127.0.0.1",), host) as server:
            assert (await ask(server.port, None)).endswith(b"http 127.0.0.1")
            assert b"400 Bad Request" in await ask(server.port, None, "127.0.0.9")
            assert (await ask(server.port, trusting(tmp_path), "127.0.0.9")).endswith(b"https 127.0.0.1")

    asyncio.run(main())


def test_a_client_that_says_nothing_or_nonsense_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secure, "_HANDSHAKE_SECONDS", 3.0)

    async def main() -> None:
        async with guarded(tmp_path) as server:
            silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(5)]
            silent[0][1].write(b"\x16\x03\x01 this is no handshake" * 50)
            silent[1][1].close()
            assert (await ask(server.port, trusting(tmp_path))).endswith(b"https 127.0.0.1")
            with contextlib.suppress(OSError):
                await silent[0][0].read()
            for _, writer in silent:
                writer.close()
            assert (await ask(server.port, trusting(tmp_path))).endswith(b"https 127.0.0.1")

    asyncio.run(main())


def test_a_client_that_does_not_trust_the_certificate_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as server:
            with pytest.raises(ssl.SSLCertVerificationError):
                await ask(server.port, ssl.create_default_context())
            assert (await ask(server.port, trusting(tmp_path))).endswith(b"https 127.0.0.1")

    asyncio.run(main())
