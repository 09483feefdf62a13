"""Commands from one host of a job to another, in the place of SSH.

Nobody but the job's hosts reaches this port, for they have a network of their own: there is no key to hand out.
`python -m sagesmith_frameworks.remote [OPTION…] HOST COMMAND…` runs a command on a host that listens, as `ssh` would.
"""

import json
import socket
import subprocess
import sys
import threading
import time

PORT = 7022
_RETRY_SECONDS = 0.1


def serve() -> None:
    """Run what the other hosts ask for, until one of them says that it is over. Output goes where ours goes."""
    with socket.create_server(("", PORT)) as server:
        over = threading.Event()
        while not over.is_set():
            connection, _ = server.accept()
            asked = json.loads(connection.makefile("rb").readline() or b'{"nothing": ""}')
            if "end" in asked:
                over.set()
            elif "command" in asked:
                threading.Thread(target=_run, args=(connection, asked["command"]), daemon=True).start()
                continue
            connection.close()


def run(host: str, command: str) -> int:
    """Run a shell command on another host; its exit code."""
    with _asking(host, {"command": command}) as connection:
        return int(connection.makefile("rb").readline() or 255)


def end(host: str) -> None:
    """Tell a host that nothing more will be asked of it."""
    _asking(host, {"end": ""}).close()


def wait_for(host: str) -> None:
    """Wait until a host listens."""
    while True:
        try:
            _asking(host, {"nothing": ""}).close()
            return
        except OSError:
            time.sleep(_RETRY_SECONDS)


def _asking(host: str, what: "dict[str, str]") -> socket.socket:
    connection = socket.create_connection((host, PORT))
    connection.sendall(json.dumps(what).encode() + b"\n")
    return connection


def _run(connection: socket.socket, command: str) -> None:
    done = subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, check=False)
    with connection:
        connection.sendall(b"%d\n" % done.returncode)


def main(arguments: "list[str]") -> int:
    """Run what `ssh` was asked to, whose options (`-x` of Open MPI) mean nothing here; the command's exit code."""
    while arguments and arguments[0].startswith("-"):
        arguments = arguments[1:]
    if len(arguments) < 2:
        sys.stderr.write("usage: ssh [option …] host command …\n")
        return 255
    try:
        return run(arguments[0], " ".join(arguments[1:]))
    except OSError as error:
        sys.stderr.write(f"ssh: connect to host {arguments[0]}: {error.strerror or error}\n")
        return 255


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
