"""`sagesmith up` and `sagesmith down`."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from sagesmith.cli import UsageError
from sagesmith.compute.ray.node import RayNode
from sagesmith.config import DEFAULT_HOST, DataDir, Platform
from sagesmith.platform import datadir, processes
from sagesmith.platform.backends import end_left
from sagesmith.platform.claim import Claim, Left
from sagesmith.platform.errors import StartFailed
from sagesmith.platform.standby import STANDS_BY
from sagesmith.platform.supervisor import Options, Supervisor
from sagesmith.settings import SettingError, table

READY_SECONDS = 90.0
_HANDED_ON = ("host", "port", "config", "tls_cert", "tls_key", "standby")
"""Options that a platform in the background is started with."""


def up(options: argparse.Namespace) -> int:
    """Start the platform in the foreground until a signal ends it, or with `detach` in the background."""
    data: Path = options.data
    if options.detach:
        start_detached(data, {f"--{name.replace('_', '-')}": getattr(options, name) for name in _HANDED_ON})
        if (DataDir(data).run / "ready").read_text() == STANDS_BY:
            print(f"Sagesmith stands by; {DataDir(data).logs / 'supervisor.log'} says for whom.")
        else:
            _print_ready(Platform.load(data))
        return 0
    started = time.monotonic()
    environ = os.environ
    try:
        host = options.host or table.HOST.read(environ) or DEFAULT_HOST
        port = options.port if options.port is not None else table.PORT.read(environ)
        supervisor = Supervisor(Options(data, host, port, options.tls_cert, options.tls_key, _stands_by(options)))
        supervisor.start()
    except (datadir.DataDirError, StartFailed, SettingError) as error:
        raise UsageError(str(error)) from error
    try:
        _print_ready(supervisor.platform, time.monotonic() - started)
        (DataDir(data).run / "ready").write_text(str(os.getpid()))
        supervisor.watch()
    except StartFailed as error:
        raise UsageError(str(error)) from error
    finally:
        (DataDir(data).run / "ready").unlink(missing_ok=True)
        supervisor.stop()
    return 0


def start_detached(data: Path, arguments: Mapping[str, object], with_parent: bool = False) -> "subprocess.Popen[bytes]":
    """Start the platform in a session of its own and return when it is ready.

    Args:
        arguments: further options of `up` and their values; True: it has none; None or False: it is left out.
        with_parent: whether it ends when the calling process does, however that ends.

    Raises:
        UsageError: it did not come up; the message has its own last lines.
    """
    directory = DataDir(data)
    if datadir.is_locked(directory):
        raise UsageError(f"a platform already runs on {data}; `sagesmith status --data {data}` shows it.")
    directory.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    ready = directory.run / "ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sagesmith", "up", "--data", str(data)]
    for option, value in arguments.items():
        if value is True:
            command.append(option)
        elif value is not None and value is not False:
            command += [option, str(value)]
    log = directory.logs / "supervisor.log"
    log.write_bytes(b"")
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=processes.end_with_parent if with_parent else None,  # noqa: PLW1509 one thread runs here
        )
    deadline = time.monotonic() + READY_SECONDS
    while not ready.exists():
        if process.poll() is not None:
            raise UsageError(log.read_text(errors="replace").strip().removeprefix("sagesmith: "))
        if time.monotonic() > deadline:
            process.terminate()
            raise UsageError(f"the platform did not come up within {READY_SECONDS:.0f} s; see {directory.logs}")
        time.sleep(0.02)
    return process


def _end_left(platform: Platform) -> None:
    """End what a killed supervisor left, but for what is another platform's now, which took over from it."""
    claim = Claim(platform.database_url, platform.dir.root) if platform.standby else None
    try:
        if claim is not None:
            claim.take()
    except StartFailed:
        # Its tasks on this machine ended with it, and the other has ended those on a cluster.
        RayNode.of(platform).end()
        return
    end_left(platform)
    if claim is not None:
        claim.note(Left.NOTHING)
        claim.close()


def _stands_by(options: argparse.Namespace) -> bool:
    return bool(options.standby or table.STANDBY.read(os.environ))


def down(options: argparse.Namespace) -> int:
    """End the platform of a data directory and whatever a killed one left."""
    data: Path = options.data
    directory = DataDir(data)
    known = processes.load(directory.run / "processes.json")
    supervisors = [process for each in known if each.name == "supervisor" and (process := each.find())]
    if not supervisors and (holder := datadir.holder(directory)):
        supervisors.append(psutil.Process(holder.pid))
    processes.end(supervisors, 60.0)
    left = [process for each in known if (process := each.find())]
    processes.end(left, 10.0)
    if (platform := Platform.last(data)) is not None:
        _end_left(platform)
    for name in ("processes.json", "ready", "routes.json"):
        (directory.run / name).unlink(missing_ok=True)
    datadir.remove_sockets(directory)
    print("The platform is down." if supervisors or left else f"No platform runs on {data}.")
    return 0


def _print_ready(platform: Platform, seconds: float | None = None) -> None:
    data = platform.data
    print(f"Sagesmith is ready{f' after {seconds:.1f} s' if seconds else ''}.")
    print(f"  all AWS services   {platform.url}")
    if platform.outside_url is not None:
        print(f"  for other machines {platform.outside_url}  (there: sagesmith env --for {platform.names[0]})")
    print(f"  proxy for clients  {platform.proxy_url}")
    print(f"  health, metrics    http://127.0.0.1:{platform.admin_port}/health, /metrics (token: keys/admin.token)")
    print(f"  data directory     {data}")
    print(
        f'  use it             eval "$(sagesmith env --data {data})"  or  sagesmith run --data {data} -- COMMAND',
        flush=True,
    )
