"""What stands for an SSH server on a job's hosts: SDK v3's MPI driver starts one on each, and asks it whether it is
there.

Commands go by `remote`, which the program `ssh` beside it asks. Nobody but the job's hosts reaches either, for they
have a network of their own: whoever comes is let in. The driver's client insists on a key, so there is one.

Source: sagemaker/train/container_drivers/distributed_drivers/mpi_utils.py of the SageMaker Python SDK v3.
"""

import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import Any

import paramiko
from sagesmith_frameworks import remote

PORT = 22


def main() -> None:
    """Serve for as long as the driver runs; it ends with its sandbox."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("", PORT)) as server:
        threading.Thread(target=_serve_commands, daemon=True).start()
        _leave_a_key(key)
        while True:
            connection, _ = server.accept()
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(event=threading.Event(), server=_Anybody())


def _leave_a_key(key: Any) -> None:
    """Where paramiko's client looks for one."""
    folder = Path.home() / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    unfinished = folder / "unfinished"
    key.write_private_key_file(str(unfinished))
    unfinished.replace(folder / "id_ecdsa")


def _serve_commands() -> None:
    while True:
        remote.serve()


class _Anybody(paramiko.ServerInterface):  # type: ignore[misc]
    def get_allowed_auths(self, _username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, _username: str, _key: Any) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)
