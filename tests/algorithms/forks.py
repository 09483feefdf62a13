"""Runs of an algorithm's programs, forked from a process that has imported already what they import.

Each run is a process of its own, with its own standard streams, variables, signals and exit code. What a new
interpreter would take is saved: numpy, scikit-learn or PyTorch, imported once for each environment instead of at each
training and each request. The server (`forks_server.py`) runs until this process has ended.
"""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO

import sagesmith

SOURCE = Path(sagesmith.__file__).parents[1]
_SERVER = Path(__file__).with_name("forks_server.py")


class Run:
    """A run, as `subprocess.Popen` has it.

    Attributes:
        stdout: what it writes to standard output, and to standard error unless that is kept apart.
        returncode: its exit code, or minus the signal that ended it; None until `wait` has returned.
    """

    def __init__(self, stdout: IO[bytes], status: IO[bytes]) -> None:
        self.stdout = stdout
        self.returncode: int | None = None
        self._status = status
        self.pid = int(status.readline())

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._status.readline())
            self._status.close()
        return self.returncode

    def rest(self) -> bytes:
        """What it still says until its end, which is waited for."""
        with self.stdout:
            output = self.stdout.read()
        self.wait()
        return output


def start(python: str, arguments: Sequence[str], modules: Sequence[str] | None, stdin: int, stderr: int) -> Run:
    """Start a run.

    Args:
        python: the interpreter of its environment.
        arguments: as `python` takes them: `-m MODULE ...` or the path of a program.
        modules: what the server is to have imported; None: the run is a new interpreter, as in an image.
        stdin: a file that it reads.
        stderr: a file that it writes to, or `subprocess.STDOUT`.
    """
    said, stdout = os.pipe()
    status, ended = os.pipe()
    request = {"arguments": list(arguments), "modules": modules, "variables": _variables()}
    try:
        files = [stdin, stdout, stdout if stderr == subprocess.STDOUT else stderr, ended]
        socket.send_fds(_server(python), [json.dumps(request).encode()], files)
    finally:
        os.close(stdout)
        os.close(ended)
    return Run(open(said, "rb"), open(status, "rb"))


@cache
def _server(python: str) -> socket.socket:
    """The connection to an environment's server, which ends with it, that is with this process.

    The threads of OpenMP's pools sleep where they wait: they spin by default, and where several tests share the cores,
    what takes a second takes ten then.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [python, "-P", str(_SERVER), str(theirs.fileno())]
        subprocess.Popen(command, pass_fds=[theirs.fileno()], env=_variables() | {"OMP_WAIT_POLICY": "passive"})
    return ours


def _variables() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}
