"""`sagesmith backup`, `restore`, `prune` and `env-cache`."""

import argparse
import gzip
import os
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Collection
from pathlib import Path

from sagesmith.cli import UsageError
from sagesmith.cli.stores import opened
from sagesmith.config import DataDir, Platform, default_cache_dir
from sagesmith.images import bundle, pruning
from sagesmith.images.base import EnvironmentFailed
from sagesmith.platform import datadir, retention

_KEYS = {"format.json", "keys", "tls"}
"""What one that stands by must have in common with the platform."""
_LEFT_OUT = {"run", "logs", "tasks"}
"""What a backup does not hold: it is true only while the platform runs."""


def backup(options: argparse.Namespace) -> int:
    """Write database, objects, keys and certificates into one file, readable by its owner only."""
    directory = DataDir(options.data)
    if not directory.format_file.exists():
        raise UsageError(f"{options.data} is not a data directory.")
    if options.keys:
        _archive(directory, options.file, _KEYS)
        return 0
    lock = _lock(directory)
    try:
        if directory.database.exists():
            with sqlite3.connect(directory.database) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _archive(directory, options.file, {path.name for path in directory.root.iterdir()} - _LEFT_OUT)
    finally:
        os.close(lock)
    for what in _elsewhere(directory):
        print(f"  not in it, since it is kept elsewhere: {what}")
    return 0


def _archive(directory: DataDir, file: Path, names: Collection[str]) -> None:
    temporary = file.with_name(file.name + ".part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as output,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=output) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for path in sorted(directory.root.iterdir()):
            if path.name in names:
                print(f"  {path.name}")
                archive.add(path, path.name)
    temporary.replace(file)
    print(f"{file}: {file.stat().st_size / 2**20:.1f} MiB. It holds the keys: keep it safe.")


def restore(options: argparse.Namespace) -> int:
    """Make a new data directory from a backup; one that is there is never written over."""
    target: Path = options.data
    # A start that was refused leaves `run`, and nothing in it that counts.
    if target.exists() and ({path.name for path in target.iterdir()} - {"run"} or datadir.is_locked(DataDir(target))):
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
            shutil.rmtree(target / "run", ignore_errors=True)
            target.rmdir()
        partial.rename(target)
    except tarfile.ReadError as error:
        raise UsageError(f"{options.file} is not a backup of Sagesmith, or not all of one.") from error
    except (tarfile.TarError, OSError) as error:
        raise UsageError(f"{options.file} cannot be restored: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(f"{target} is restored: `sagesmith up --data {target}`.")
    return 0


def prune(options: argparse.Namespace) -> int:
    """Remove old log events, jobs that ended long ago, logs of the platform's own processes (if it does not
    run) and, if asked, built environments."""
    directory = DataDir(options.data)
    freed = 0
    last = Platform.last(directory.root)
    if last is not None:
        before = time.time() - options.older_than_days * 86400
        with opened(last) as store:
            jobs, chunks = retention.remove_old(store, before)
        print(f"{jobs} jobs and {chunks} chunks of logs older than {options.older_than_days:g} days removed")
    if not datadir.is_locked(directory) and directory.logs.exists():
        for path in directory.logs.glob("*.log*"):
            freed += path.stat().st_size
            path.unlink()
    if options.environments:
        freed += pruning.prune(default_cache_dir(), options.environments == "outdated", print)
    print(f"{freed / 2**20:.1f} MiB of files removed")
    return 0


def export_environments(options: argparse.Namespace) -> int:
    """Write the wheels of shipped environments, of all tags or of some, into one file."""
    try:
        chosen = bundle.runtimes(only=options.only)
        bundle.export_bundle(default_cache_dir(), options.file, print, chosen=chosen)
    except EnvironmentFailed as error:
        raise UsageError(str(error)) from error
    return 0


def import_environments(options: argparse.Namespace) -> int:
    """Take such a file in, so that environments are built from it without a network."""
    try:
        bundle.import_bundle(default_cache_dir(), options.file, print)
    except EnvironmentFailed as error:
        raise UsageError(str(error)) from error
    return 0


def _elsewhere(directory: DataDir) -> list[str]:
    """What the platform that ran here last kept outside its data directory."""
    last = Platform.last(directory.root)
    if last is None:
        return []
    found = [] if last.database_url.startswith("sqlite:") else ["the database"]
    return found if last.s3_kms == "platform" else [*found, f"the objects ({last.s3_endpoint})"]


def _lock(directory: DataDir) -> int:
    try:
        return datadir.lock(directory)
    except datadir.DataDirError as error:
        raise UsageError(f"{error} A backup needs it down.") from error
