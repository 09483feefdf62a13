"""TCP between the platform's machine and the nodes of a user's cluster, of which neither listens where the other is.

The platform listens on loopback, and so may its object store; model servers listen on unix sockets. A gate on the
platform's machine carries connections of nodes to the front door, the proxy and the embedded store; a listener of each
task's host carries those of routers to its model server, another one those of the job's other hosts (`switch`). All of
them speak TLS with a certificate that the platform makes and both ends pin, and want a token first: `TOKEN NAME` and a
line's end.
"""

import asyncio
import datetime
import hmac
import secrets
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sagesmith.config import DataDir
from sagesmith.files import write_durably

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GREETING_SECONDS = 10.0
CONNECT_SECONDS = 10.0
_PIECE_BYTES = 256 << 10
_CERTIFICATE_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Pass:
    """What proves to both ends that they belong together.

    Attributes:
        identity: a private key and its certificate, PEM.
        token: said first.
    """

    identity: str
    token: str

    @classmethod
    def ensure(cls, directory: DataDir) -> "Pass":
        """The platform's own; made if need be."""
        identity, token = directory.gate_identity, directory.gate_token
        if not identity.exists():
            write_durably(identity, _make_identity())
        if not token.exists():
            write_durably(token, secrets.token_urlsafe(32).encode())
        return cls(identity.read_text(), token.read_text())

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.identity)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Trusts this one certificate, whatever the name of the machine that has it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=self.identity[self.identity.index("-----BEGIN CERTIFICATE") :])
        return context


@dataclass(frozen=True, slots=True)
class Way:
    """How a node reaches the gate: what the platform tells a task's host."""

    host: str
    port: int
    by: Pass

    def connect(self, name: str, context: ssl.SSLContext) -> Connect:
        """Connects to one of the gate's targets."""

        async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await dial(self.by, self.host, self.port, name, context)

        return connected


async def dial(
    by: Pass, host: str, port: int, name: str, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a target of who listens there.

    Raises:
        OSError: nobody does, or not with the certificate.
    """
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.write(f"{by.token} {name}\n".encode())
    return reader, writer


async def listen_plainly(connect: Connect) -> tuple[asyncio.Server, int]:
    """Carry what connects to a port of loopback; the server and the port."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, connect)

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


async def listen(by: Pass, targets: Mapping[str, Connect], host: str, port: int) -> tuple[asyncio.Server, int]:
    """Carry what connects with the token to the target that it names; the server and its port.

    Raises:
        OSError: the port is taken, or the address not this machine's.
    """
    return await serve(by, {name: partial(_join, connect=connect) for name, connect in targets.items()}, host, port)


async def serve(by: Pass, handlers: Mapping[str, Handler], host: str, port: int) -> tuple[asyncio.Server, int]:
    """Give what connects with the token to the handler that it names; the server and its port.

    Args:
        handlers: looked at when somebody connects; there may be others later.

    Raises:
        OSError: the port is taken, or the address not this machine's.
    """

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = None
        try:
            line = await asyncio.wait_for(reader.readline(), GREETING_SECONDS)
            token, _, name = line.decode("ascii").strip().partition(" ")
            if hmac.compare_digest(token.encode(), by.token.encode()):
                handler = handlers.get(name)
        except (OSError, ValueError, TimeoutError):
            pass
        if handler is None:
            writer.close()
        else:
            await handler(reader, writer)

    server = await asyncio.start_server(greet, host, port, ssl=by.server_context())
    return server, int(server.sockets[0].getsockname()[1])


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connect: Connect) -> None:
    """Carry bytes both ways until one side ends. (TLS knows no half of a connection: both halves end together.)"""
    try:
        far_reader, far_writer = await asyncio.wait_for(connect(), CONNECT_SECONDS)
    except (OSError, TimeoutError):
        writer.close()
        return
    ways = [asyncio.create_task(_carry(reader, far_writer)), asyncio.create_task(_carry(far_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in ways:
            each.cancel()
        for side in (writer, far_writer):
            side.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_PIECE_BYTES):
            writer.write(data)
            await writer.drain()
    except OSError:
        return


def _make_identity() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sagesmith-gate")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_CERTIFICATE_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
