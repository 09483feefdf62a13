"""A router process: `python -m sagesmith.gateway --data DIR --listening FD FD`."""

import argparse
import asyncio
import gc
import signal
import socket
from pathlib import Path

import uvloop

from sagesmith import logging
from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.gateway.proxy import Proxy
from sagesmith.gateway.router import Router
from sagesmith.http.server import serve

log = logging.get("router")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sagesmith.gateway")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--listening",
        type=int,
        nargs=2,
        metavar="FD",
        required=True,
        help="inherited sockets of the endpoint and of the proxy, which listen already",
    )
    arguments = parser.parse_args()
    logging.capture_standard_logging()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(arguments.data, arguments.listening))


async def _run(data: Path, listening: list[int]) -> None:
    platform = Platform.load(data)
    router = Router(platform, KeyRing.load(platform.dir.keys, platform.account_id))
    proxy = Proxy(platform, router.handle)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    endpoint, tunnels = (socket.socket(fileno=descriptor) for descriptor in listening)
    servers = [
        await serve(router.handle, listening=endpoint),
        await serve(proxy.handle, listening=tunnels, on_connect=proxy.connect),
    ]
    log.info("ready", port=platform.port, proxy_port=platform.proxy_port)
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
    await stop.wait()
    await asyncio.gather(*(server.close() for server in servers))
    router.close()


if __name__ == "__main__":
    main()
