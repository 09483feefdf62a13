"""The proxy that `HTTPS_PROXY` points at: AWS's hosts end here, all others pass.

It listens on loopback only, and people who reach it are on this machine already: for them it tunnels to loopback ports
as to any other. For user code in tasks it does not (`destinations`). It does not tunnel to itself, nor to the addresses
where cloud machines hand out credentials. It adds no Via and no Forwarded header: what passes is untouched.
"""

import asyncio
import base64
import contextlib
import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sagesmith import logging
from sagesmith.config import Platform
from sagesmith.gateway.destinations import Client as Asking
from sagesmith.gateway.destinations import Refused, is_this_machine
from sagesmith.gateway.tls import LeafContexts
from sagesmith.hosts import is_aws
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.connect import Relay, Takeover
from sagesmith.http.messages import Disconnected, Handler, Headers, Request, Response

CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 600.0

_MAX_REPLY_BYTES = 16 << 10

log = logging.get("proxy")


@dataclass(frozen=True, slots=True)
class Upstream:
    """The proxy that the user had before ours.

    Attributes:
        authorization: the value of Proxy-Authorization, if it wants one.
        exceptions: hosts that are reached without it, as NO_PROXY lists them.
    """

    host: str
    port: int
    authorization: bytes | None
    exceptions: tuple[str, ...]

    def serves(self, host: str) -> bool:
        return not any(_matches(host, entry) for entry in self.exceptions)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], own_port: int) -> "Upstream | None":
        """`SAGESMITH_UPSTREAM_PROXY` (with `SAGESMITH_UPSTREAM_NO_PROXY`), else the proxy of the process that started
        the platform; None if that is ourselves."""
        url = environ.get("SAGESMITH_UPSTREAM_PROXY")
        exceptions = environ.get("SAGESMITH_UPSTREAM_NO_PROXY", "")
        if url is None:
            url = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
            exceptions = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
        if not url:
            return None
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            log.warning("the upstream proxy is not used: only http:// proxies are", scheme=parts.scheme)
            return None
        port = parts.port or 80
        if port == own_port and parts.hostname in {"127.0.0.1", "localhost", "::1"}:
            return None
        authorization = None
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = b"Basic " + base64.b64encode(login.encode())
        entries = tuple(entry.strip().lower() for entry in exceptions.split(",") if entry.strip())
        return cls(parts.hostname, port, authorization, ("localhost", "127.0.0.1", "::1", *entries))


class Proxy:
    """Takes the requests of the proxy port.

    Args:
        handler: answers what is for AWS.
    """

    def __init__(self, platform: Platform, handler: Handler, environ: Mapping[str, str] = os.environ) -> None:
        self._handler = handler
        self._own_port = platform.proxy_port
        self._own_ports = frozenset((platform.port, *platform.job_ports))
        self._contexts = LeafContexts(platform.dir.keys, platform.dir.tls)
        self._upstream = Upstream.from_environment(environ, platform.proxy_port)

    async def connect(self, request: Request, takeover: Takeover) -> None:
        """Decide on a CONNECT."""
        try:
            host, port = _authority(request.target.decode("latin-1"))
            if is_aws(host):
                if port != 443:
                    raise Refused(501, f"Sagesmith answers for {host} on port 443 only.")
                await takeover.start_tls(await self._contexts.get(host), host)
                return
            relay = await self._open(host, port, self._asking(takeover.peer))
        except Refused as refused:
            takeover.refuse(_answer(refused))
            return
        takeover.tunnel(relay)

    async def handle(self, request: Request) -> Response:
        """Answer a request that stands inside a tunnel, or that was sent to the proxy in absolute form."""
        if not request.target.lower().startswith(b"http://"):
            return await self._handler(request)
        authority, _, rest = request.target[len(b"http://") :].partition(b"/")
        if b"?" in authority:
            authority, _, query = authority.partition(b"?")
            rest = b"?" + query
        try:
            host, port = _authority(authority.decode("latin-1"), 80)
            if is_aws(host):
                request.target, request.host = b"/" + rest, host
                return await self._handler(request)
            return await self._forward(request, host, port, b"/" + rest, self._asking(request.peer))
        except Refused as refused:
            return _answer(refused)

    def _asking(self, address: str) -> Asking:
        return Asking(address, self._own_ports)

    async def _open(self, host: str, port: int, asking: Asking) -> Relay:
        """A connection to a host, by way of the upstream proxy where there is one for it."""
        loop = asyncio.get_running_loop()
        upstream = self._upstream if self._upstream and self._upstream.serves(host) else None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if upstream is not None:
                    await self._check_before_upstream(host, port, asking)
                    return await _open_through(upstream, host, port)
                addresses = await self._resolve(host, port, asking)
                for address in addresses[:-1]:
                    with contextlib.suppress(OSError):
                        return (await loop.create_connection(Relay, address, port))[1]
                return (await loop.create_connection(Relay, addresses[-1], port))[1]
        except TimeoutError:
            raise Refused(504, f"No connection to {host}:{port} within {CONNECT_SECONDS:.0f} s.") from None
        except OSError as error:
            raise Refused(502, f"No connection to {host}:{port}: {error.strerror or error}.") from error

    async def _check_before_upstream(self, host: str, port: int, asking: Asking) -> None:
        """An upstream proxy on this machine has the same loopback; other ones know names that we do not."""
        asking.check(host, port)
        assert self._upstream is not None
        with contextlib.suppress(OSError):
            addresses = await self._addresses(self._upstream.host, self._upstream.port)
            if any(is_this_machine(ipaddress.ip_address(each)) for each in addresses):
                await self._resolve(host, port, asking)

    async def _resolve(self, host: str, port: int, asking: Asking) -> list[str]:
        """What is connected to is what was looked at: a name cannot change its mind in between."""
        if port == self._own_port and host in {"localhost", "127.0.0.1", "::1"}:
            raise Refused(508, "That is this proxy itself.")
        addresses = await self._addresses(host, port)
        for address in addresses:
            asking.check(address, port)
        return addresses

    async def _addresses(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(one[4][0]) for one in found]

    async def _forward(self, request: Request, host: str, port: int, target: bytes, asking: Asking) -> Response:
        upstream = self._upstream if self._upstream and self._upstream.serves(host) else None
        headers: Headers = [item for item in request.headers if item[0] != b"proxy-authorization"]
        if upstream is not None:
            await self._check_before_upstream(host, port, asking)
            addresses, port, target = [upstream.host], upstream.port, request.target
            if upstream.authorization:
                headers.append((b"proxy-authorization", upstream.authorization))
        else:
            try:
                addresses = await self._resolve(host, port, asking)
            except OSError as error:
                raise Refused(502, f"No address of {host} is known: {error.strerror}.") from error
        failure: Exception | None = None
        for address in addresses:
            try:
                return await _ask(address, port, request, target, headers)
            except ConnectFailed as error:
                failure = error
            except TimedOut as error:
                raise Refused(504, f"No answer from {host}:{port}: {error}.") from error
            except (Disconnected, BadAnswer) as error:
                raise Refused(502, f"No answer from {host}:{port}: {error}.") from error
        raise Refused(502, f"No connection to {host}:{port}.") from failure


async def _ask(address: str, port: int, request: Request, target: bytes, headers: Headers) -> Response:
    """Pass a request on over a connection of its own."""
    authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    client = Client(f"http://{authority}", connect_seconds=CONNECT_SECONDS, answer_seconds=ANSWER_SECONDS)
    has_body = any(name in {b"content-length", b"transfer-encoding"} for name, _ in headers)
    try:
        answer = await client.request(request.method, target, headers, aiter(request.body) if has_body else b"")
    except BaseException:
        client.close()
        raise
    close = answer.close

    def finish() -> None:
        if close is not None:
            close()
        client.close()

    return Response(answer.status, answer.headers, answer.body, finish)


class _Dialogue(Relay):
    """The connection to an upstream proxy: collects the answer to our CONNECT, then relays."""

    def __init__(self) -> None:
        super().__init__()
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        if self.reply.done():
            super().data_received(data)
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            self.reply.set_result(head)
            if rest:
                super().data_received(rest)
        elif len(self._head) > _MAX_REPLY_BYTES:
            self.reply.set_exception(OSError("the upstream proxy's answer is not HTTP"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.reply.done():
            self.reply.set_exception(OSError("the upstream proxy closed the connection"))
        super().connection_lost(exc)


async def _open_through(upstream: Upstream, host: str, port: int) -> Relay:
    transport, dialogue = await asyncio.get_running_loop().create_connection(_Dialogue, upstream.host, upstream.port)
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    login = b"Proxy-Authorization: " + upstream.authorization + b"\r\n" if upstream.authorization else b""
    transport.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n".encode() + login + b"\r\n")
    try:
        status = (await dialogue.reply).split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise OSError(f"the upstream proxy answered {b''.join(status).decode('latin-1') or 'nothing'}")
    except BaseException:
        transport.abort()
        raise
    return dialogue


def _authority(text: str, default_port: int | None = None) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        host, port = text, str(default_port or "")
    host = host.strip("[]").lower().rstrip(".")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or any(mark in host for mark in "@/ "):
        raise Refused(400, f"not a host and a port: {text[:200]}")
    return host, int(port)


def _matches(host: str, entry: str) -> bool:
    """Whether a NO_PROXY entry means a host: `*`, a name with its subdomains, an address, a network."""
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass
    name = entry.removeprefix("*").lstrip(".")
    return host == name or host.endswith("." + name)


def _answer(refused: Refused) -> Response:
    return Response(
        refused.status, [(b"content-type", b"text/plain; charset=utf-8")], (refused.message + "\n").encode()
    )
