"""`python -m sagesmith.compute.ray.gate --data DIR`: lets the nodes of the user's cluster reach the platform.

A process of its own, so that transfers go on while the driver is started again.
"""

import argparse
import asyncio
import signal
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from sagesmith import logging
from sagesmith.compute.ray.tunnel import Connect, Pass, listen
from sagesmith.config import Platform
from sagesmith.hosts import TASKS_SOURCE_ADDRESS

log = logging.get("ray-gate")


def targets(platform: Platform) -> dict[str, Connect]:
    """What nodes may reach, by its port: what user code may, and the embedded store for the agents."""
    places = [(platform.host, platform.port), *(("127.0.0.1", port) for port in platform.job_ports)]
    store = urlsplit(platform.s3_endpoint)
    if is_loopback(platform.s3_endpoint) and store.hostname is not None and store.port is not None:
        places.append((store.hostname, store.port))
    found: dict[str, Connect] = {str(port): partial(asyncio.open_connection, host, port) for host, port in places}
    # Who asks the proxy from a node is user code, which it lets through to no port of this machine.
    found[str(platform.proxy_port)] = partial(
        asyncio.open_connection, "127.0.0.1", platform.proxy_port, local_addr=(TASKS_SOURCE_ADDRESS, 0)
    )
    return found


def is_loopback(url: str) -> bool:
    """Whether an address is of use on its own machine only."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


async def run(platform: Platform) -> None:
    """Serve until SIGTERM."""
    assert platform.ray_gate is not None
    host, _, port = platform.ray_gate.rpartition(":")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await listen(Pass.ensure(platform.dir), targets(platform), host, int(port))
    log.info("ready", address=platform.ray_gate)
    await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    asyncio.run(run(Platform.load(parser.parse_args().data)))
