"""Which backend a platform has, what serves it, and the end of all that runs on it."""

import os
import subprocess
import sys
import time
from pathlib import Path

from sagesmith.agent.lease import UNTIMED, VARIABLE
from sagesmith.compute import warm
from sagesmith.compute.base import Backend, Process
from sagesmith.compute.local import LocalBackend
from sagesmith.compute.ray.backend import RayBackend
from sagesmith.compute.ray.node import RayNode
from sagesmith.config import Platform

GRACE_SECONDS = 5.0
DRIVER_SECONDS = 90.0
_LOOK_SECONDS = 0.05


def backend_of(platform: Platform, lease: int | None = None, *, warm_servers: int = 0) -> Backend:
    """The backend that a platform was started with.

    Args:
        lease: a pipe, at whose end the node agents of this machine end as well.
        warm_servers: how many model servers are kept ready for each environment that endpoints have, on this machine.
    """
    directory = platform.dir
    if platform.compute == "ray":
        return RayBackend(directory.ray_tasks, directory.ray_socket)
    if lease is None:
        return LocalBackend(directory.tasks, directory.sockets, warm_servers=warm_servers)
    variables = {VARIABLE: f"{lease}{UNTIMED}"}
    return LocalBackend(
        directory.tasks, directory.sockets, variables=variables, descriptors=[lease], warm_servers=warm_servers
    )


def driver_command(data: Path) -> list[str]:
    """The Ray driver's."""
    return [sys.executable, "-m", "sagesmith.compute.ray", "--data", str(data)]


def gate_command(data: Path) -> list[str]:
    """That of the gate by which the nodes of a user's cluster reach the platform."""
    return [sys.executable, "-m", "sagesmith.compute.ray.gate", "--data", str(data)]


def processes_of(platform: Platform) -> list[Process]:
    """What runs on this machine for the backend beside the supervisor's children: tasks, and a Ray node."""
    found = [process for task in backend_of(platform).tasks() for process in task.processes]
    found += warm.processes_of(warm.warm_directory(platform.dir.tasks))
    node = RayNode.of(platform).process()
    return found if node is None else [Process(node.pid, "ray"), *found]


def end_tasks(backend: Backend) -> None:
    """End all jobs and model servers, politely first.

    Raises:
        OSError: some could not be ended.
    """
    alive = [task.id for task in backend.tasks() if task.alive]
    for task in alive:
        backend.stop(task)
    deadline = time.monotonic() + GRACE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        alive = [task for task in alive if (seen := backend.inspect(task)) and seen.alive]
    for task in alive:
        backend.kill(task)


def end_warm(platform: Platform) -> None:
    """End the model servers that an API process which is gone has kept ready."""
    warm.end_all(warm.warm_directory(platform.dir.tasks), platform.dir.sockets)


def end_left(platform: Platform) -> None:
    """End what a killed supervisor left: tasks, of whichever backend, and a Ray node.

    Tasks in a Ray cluster are ended by a driver that is started for it.
    """
    directory = platform.dir
    end_warm(platform)
    if directory.tasks.exists():
        end_tasks(LocalBackend(directory.tasks, directory.sockets))
    backend = RayBackend(directory.ray_tasks, directory.ray_socket)
    if any(task.alive for task in backend.tasks()):
        directory.ray_socket.unlink(missing_ok=True)
        with (directory.logs / "ray-driver.log").open("ab") as log:
            driver = subprocess.Popen(
                driver_command(directory.root), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ)
            )
        try:
            give_up = time.monotonic() + DRIVER_SECONDS
            while not directory.ray_socket.exists() and driver.poll() is None and time.monotonic() < give_up:
                time.sleep(_LOOK_SECONDS)
            end_tasks(backend)
        finally:
            driver.terminate()
            driver.wait()
    RayNode.of(platform).end()
