"""A router process: what `python -m sagesmith.gateway` runs."""

import argparse
import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import uvloop

from sagesmith import compiled, logging
from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.gateway.outside import Outside
from sagesmith.gateway.proxy import Proxy
from sagesmith.gateway.router import Router
from sagesmith.gateway.server_tls import ServerContext
from sagesmith.http.secure import Guard
from sagesmith.http.server import serve

log = logging.get("router")


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sagesmith.gateway")
    parser.add_argument("--data", type=Path, required=True)
    for name, help_text in (
        ("endpoint", "on loopback, without TLS"),
        ("proxy", "on loopback"),
        ("outside", "for other machines, with TLS"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar="FD", help=f"inherited socket that listens: {help_text}")
    arguments = parser.parse_args()
    logging.capture_standard_logging()
    # Each connection is a file. The limit that programs begin with is for those that know no more than 1,024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sockets = {name: getattr(arguments, name) for name in ("endpoint", "proxy", "outside")}
        runner.run(_run(arguments.data, sockets))


async def _run(data: Path, descriptors: Mapping[str, int | None]) -> None:
    platform = Platform.load(data)
    keyring = KeyRing.load(platform.dir.keys, platform.account_id)
    router = Router(platform, keyring)
    proxy = Proxy(platform, router.handle)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listening = {name: socket.socket(fileno=number) for name, number in descriptors.items() if number is not None}
    servers = [await serve(proxy.handle, listening=listening["proxy"], on_connect=proxy.connect)]
    if "endpoint" in listening:
        servers.append(await serve(router.handle, listening=listening["endpoint"], at_once=router.at_once))
    if "outside" in listening:
        outside = Outside(router.handle, proxy, keyring.proxy_token)
        guard = _guard(platform)
        servers.append(
            await serve(outside.handle, listening=listening["outside"], guard=guard, on_connect=outside.connect)
        )
    log.info("ready", port=platform.port, proxy_port=platform.proxy_port, compiled=compiled.is_compiled(logging))
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
    writers = (router.meter, router.capturer, router.asynchronous, router.serverless)
    writing = [asyncio.create_task(each.run()) for each in writers]
    logging.batch(asyncio.get_running_loop().call_soon)
    await stop.wait()
    logging.unbatch()
    for each in writing:
        each.cancel()
    await asyncio.gather(*writing, return_exceptions=True)
    await asyncio.gather(*(server.close() for server in servers))
    router.close()


def _guard(platform: Platform) -> Guard:
    assert platform.tls_cert is not None
    certificate, key = Path(platform.tls_cert), Path(platform.tls_key) if platform.tls_key else None
    advice = f"Sagesmith serves other machines by TLS alone: {platform.outside_url}"
    return Guard(ServerContext(certificate, key).get, ("127.0.0.1", "::1"), advice)
