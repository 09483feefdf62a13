"""`sagesmith backup`, `restore`, `prune` and `env-cache`."""

import argparse
import gzip
import os
import shutil
import sqlite3
import tarfile
import time
from pathlib import Path

from sagesmith.cli import UsageError
from sagesmith.config import DataDir, default_cache_dir
from sagesmith.images import bundle
from sagesmith.platform import datadir
from sagesmith.store import Store

_LEFT_OUT = {"run", "logs", "tasks"}
"""What a backup does not hold: it is true only while the platform runs."""


def backup(options: argparse.Namespace) -> int:
    """Write database, objects, keys and certificates into one file, readable by its owner only."""
    directory = DataDir(options.data)
    if not directory.format_file.exists():
        raise UsageError(f"{options.data} is not a data directory.")
    lock = _lock(directory)
    try:
        if directory.database.exists():
            with sqlite3.connect(directory.database) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        temporary = options.file.with_name(options.file.name + ".part")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with (
            os.fdopen(descriptor, "wb") as output,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=output) as packed,
            tarfile.open(fileobj=packed, mode="w|") as archive,
        ):
            for path in sorted(directory.root.iterdir()):
                if path.name not in _LEFT_OUT:
                    print(f"  {path.name}")
                    archive.add(path, path.name)
        temporary.replace(options.file)
    finally:
        os.close(lock)
    print(f"{options.file}: {options.file.stat().st_size / 2**20:.1f} MiB. It holds the keys: keep it safe.")
    return 0


def restore(options: argparse.Namespace) -> int:
    """Make a new data directory from a backup; one that is there is never written over."""
    target: Path = options.data
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty; restore into a new directory with --data.")
    partial = target.with_name(target.name + ".restoring")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    try:
        with tarfile.open(options.file) as archive:
            archive.extractall(partial, filter="data")
        if not DataDir(partial).format_file.exists():
            raise UsageError(f"{options.file} is not a backup of Sagesmith.")
        for key in DataDir(partial).keys.iterdir():
            key.chmod(0o600)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except (tarfile.TarError, OSError) as error:
        raise UsageError(f"{options.file} cannot be restored: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(f"{target} is restored: `sagesmith up --data {target}`.")
    return 0


def prune(options: argparse.Namespace) -> int:
    """Remove logs of the platform's own processes, old log events and, if asked, built environments."""
    directory = DataDir(options.data)
    freed = 0
    if directory.database.exists():
        before = time.time() - options.older_than_days * 86400
        store = Store.open(os.environ.get("SAGESMITH_DATABASE_URL") or f"sqlite:///{directory.database}")
        with store.write() as tx:
            events = tx.prune_logs(int(before * 1000))
        store.close()
        print(f"{events} log events older than {options.older_than_days:g} days removed")
    if not datadir.is_locked(directory) and directory.logs.exists():
        for path in directory.logs.glob("*.log"):
            freed += path.stat().st_size
            path.unlink()
    if options.environments:
        environments = default_cache_dir() / "environments"
        freed += sum(path.lstat().st_size for path in environments.rglob("*") if not path.is_dir())
        _remove_tree(environments)
    print(f"{freed / 2**20:.1f} MiB of files removed")
    return 0


def export_environments(options: argparse.Namespace) -> int:
    """Write the wheels of every shipped environment into one file."""
    bundle.export_bundle(default_cache_dir(), options.file, print)
    return 0


def import_environments(options: argparse.Namespace) -> int:
    """Take such a file in, so that environments are built from it without a network."""
    bundle.import_bundle(default_cache_dir(), options.file, print)
    return 0


def _lock(directory: DataDir) -> int:
    try:
        return datadir.lock(directory)
    except datadir.DataDirError as error:
        raise UsageError(f"{error} A backup needs it down.") from error


def _remove_tree(path: Path) -> None:
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
