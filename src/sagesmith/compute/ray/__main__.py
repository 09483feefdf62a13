"""`python -m sagesmith.compute.ray --data DIR`: the driver, as the supervisor starts it."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from sagesmith import logging
from sagesmith.compute.base import S3Access
from sagesmith.compute.ray.cluster import Cluster, ClusterFailed
from sagesmith.compute.ray.driver import Driver, answers
from sagesmith.compute.ray.ends import Ends
from sagesmith.compute.ray.following import Follower
from sagesmith.compute.ray.launching import Launcher
from sagesmith.compute.ray.node import NodeFailed, RayNode
from sagesmith.compute.ray.records import namespace
from sagesmith.compute.ray.tunnel import Pass, Way
from sagesmith.config import Platform
from sagesmith.http.server import serve

NODE_LOOK_SECONDS = 1.0

log = logging.get("ray")


def main(data: Path) -> None:
    """Run until SIGTERM, or until the cluster is gone: then whoever starts it again begins with a new one."""
    platform = Platform.load(data)
    node = RayNode.of(platform)
    try:
        address = node.ensure(os.environ)
        os.environ.update(node.environment)
        cluster = Cluster(
            namespace(platform),
            str(platform.dir.node_tasks) if platform.ray_address is None else None,
            platform.ray_lease_seconds,
            json.loads(os.environ.get("SAGESMITH_RAY_RUNTIME_ENV") or "{}"),
        )
        cluster.connect(address)
    except (NodeFailed, ClusterFailed) as error:
        sys.exit(str(error))
    slots = platform.max_jobs if platform.ray_address is None else None
    way = _way(platform)
    ends = _ends(platform)
    follower = Follower(cluster, way, ends)
    launcher = Launcher(cluster, platform.ray_strategy, slots, way, follower)
    driver = Driver(platform.dir.ray_tasks, cluster, launcher, follower, ends)
    asyncio.run(_run(driver, node, platform.dir.ray_socket))
    # Ray's own leave-taking waits for calls that may never be answered; nothing depends on it.
    os._exit(0)


def _ends(platform: Platform) -> Ends:
    bundle = platform.dir.tls / "bundle.pem"
    access = S3Access(
        platform.s3_endpoint,
        platform.s3_access_key_id,
        platform.s3_secret_access_key,
        platform.region,
        ca_bundle=str(bundle) if bundle.exists() else None,
    )
    return Ends(access, f"sagesmith-internal-{platform.account_id}", namespace(platform))


def _way(platform: Platform) -> Way | None:
    if platform.ray_gate is None:
        return None
    host, _, port = platform.ray_gate.rpartition(":")
    return Way(host, int(port), Pass.ensure(platform.dir))


async def _run(driver: Driver, node: RayNode, socket: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await driver.recover()
    server = await serve(answers(driver), unix=socket)
    log.info("ready", socket=str(socket))
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), NODE_LOOK_SECONDS)
        except TimeoutError:
            if not node.runs():
                log.error("the Ray node has ended")
                os._exit(1)
    await server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    main(parser.parse_args().data)
