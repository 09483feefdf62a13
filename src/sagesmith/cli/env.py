"""`sagesmith env` and `sagesmith run`."""

import argparse
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sagesmith.cli import UsageError, elsewhere, up
from sagesmith.config import DEFAULT_PORT, DataDir, Platform
from sagesmith.credentials import KeyRing
from sagesmith.environment import client_environment
from sagesmith.objects.ports import is_free
from sagesmith.platform import datadir
from sagesmith.settings import Settings, table


def env(options: argparse.Namespace) -> int:
    """Print the variables in the syntax of a shell, or as one JSON object (null: unset it)."""
    data: Path = options.data
    shell: str = options.shell
    if not DataDir(data).platform_file.exists():
        raise UsageError(f"no platform was ever started on {data}: `sagesmith up --data {data}` first.")
    if options.called is not None:
        if shell != "sh":
            raise UsageError("--for prints a script for sh alone; run it in that, and start other shells from there.")
        print(elsewhere.script(Platform.load(data), options.called), end="")
        return 0
    variables = _variables(data)
    if shell == "json":
        print(json.dumps(variables, indent=1))
        return 0
    for name, value in variables.items():
        if shell == "fish":
            print(f"set -e {name};" if value is None else f"set -gx {name} {_fish_quote(value)};")
        else:
            print(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
    return 0


def run(options: argparse.Namespace) -> int:
    """Run a command with the variables set and return its exit code; a platform that it started is ended after it."""
    data: Path = options.data
    words: list[str] = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise UsageError("what shall be run? sagesmith run [--data DIR] -- COMMAND …")
    started = None
    if not datadir.is_locked(DataDir(data)):
        settings: Settings = options.settings
        started = up.start_detached(
            data, {"--port": _port(data, settings), "--config": options.config}, with_parent=True
        )
    try:
        environment = dict(os.environ)
        for name, value in _variables(data).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        return _run_in_front(words, environment)
    finally:
        if started is not None:
            started.terminate()
            started.wait()


def _port(data: Path, settings: Settings) -> int | None:
    """The port that `up` would take, if it is free; else any, for nobody but the command needs to know it."""
    if table.PORT.read(settings.environ) is not None:
        return None
    last = Platform.last(data)
    return None if is_free(last.port if last else DEFAULT_PORT) else 0


def _run_in_front(words: Sequence[str], environment: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(list(words), env=environment)
    except OSError as error:
        raise UsageError(f"cannot run {words[0]}: {error.strerror}") from error
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the command as well
    signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, former)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return code if code >= 0 else 128 - code


def _variables(data: Path) -> dict[str, str | None]:
    platform = Platform.load(data)
    root = KeyRing.load(platform.dir.keys, platform.account_id).root
    return client_environment(platform, root, os.environ)


def _fish_quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
