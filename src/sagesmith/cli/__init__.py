"""The command line: `sagesmith COMMAND`, one module for each or for those that belong together."""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sagesmith import __version__
from sagesmith.config import DEFAULT_HOST, default_data_dir
from sagesmith.settings import SettingError, load

_DATA_ALONE: Mapping[str, bool] = {"reads_settings": False, "is_platform": False}
_SETTINGS: Mapping[str, bool] = {"reads_settings": True, "is_platform": False}
_PLATFORM: Mapping[str, bool] = {"reads_settings": True, "is_platform": True}
"""What a command wants of the settings: the data directory, if none is named; all; all, as variables of its own."""


class UsageError(Exception):
    """The command cannot do what was asked; the message says why and what to do. Exit code 1."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        _read_settings(options)
        module, _, function = options.command.partition(":")
        command = getattr(importlib.import_module(f"sagesmith.cli.{module}"), function)
        return int(command(options))
    except (UsageError, SettingError) as error:
        print(f"sagesmith: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A file that is not there or not ours, a full disk: the error names it, and a traceback would not help.
        print(f"sagesmith: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _read_settings(options: argparse.Namespace) -> None:
    """Read the settings for those commands that need them: a broken file keeps nobody from `down --data DIR`.

    A command that acts as the platform does gets what the file says as variables; one that runs a user's program must
    not hand them on.
    """
    if options.reads_settings or options.data is None or options.config is not None:
        options.settings = load(os.environ, options.config)
        options.data = options.data or default_data_dir(options.settings.environ)
        if options.is_platform:
            os.environ.update(options.settings.of_the_file)


def parser() -> argparse.ArgumentParser:
    """The commands and their options; what `options.command` names is `module:function` of this package."""
    root = argparse.ArgumentParser(
        prog="sagesmith",
        description="A machine-learning platform that speaks the Amazon SageMaker API on your machines.",
    )
    root.add_argument("--version", action="version", version=f"sagesmith {__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)

    up = _command(commands, "up", "up:up", "start the platform; prints the URLs when it is ready", _PLATFORM)
    up.add_argument("--host", help=f"address to listen on (default: {DEFAULT_HOST})")
    up.add_argument(
        "--port", type=_port, help="port (default: the one this data directory had last, else 9900; 0: any)"
    )
    up.add_argument(
        "--tls-cert",
        type=_absolute,
        metavar="FILE",
        help="certificate for a --host that other machines reach (default: one of the platform's own)",
    )
    up.add_argument("--tls-key", type=_absolute, metavar="FILE", help="its private key, if it is in another file")
    up.add_argument(
        "--standby", action="store_true", help="one of two platforms on one database: the second waits until it must"
    )
    up.add_argument("--detach", action="store_true", help="return when it is ready and let it run in the background")

    _command(commands, "down", "up:down", "end the platform, its jobs and its endpoints")

    status = _command(commands, "status", "status:status", "what runs: processes, memory, jobs, endpoints")
    status.add_argument("--json", action="store_true", help="for programs")

    events = _command(commands, "events", "events:events", "what happened to resources: changes of their states")
    events.add_argument("--follow", action="store_true", help="go on with those that come, until interrupted")
    events.add_argument(
        "--json", action="store_true", help="for programs: each in EventBridge's form, on a line of its own"
    )

    interrupt = _command(
        commands,
        "interrupt",
        "interrupt:interrupt",
        "take the instances of a managed spot training job away; it goes on from its checkpoint",
    )
    interrupt.add_argument("job", metavar="JOB", help="the training job's name")
    interrupt.add_argument("--region", help="the job's region (default: the platform's)")

    _command(
        commands,
        "doctor",
        "doctor:doctor",
        "check what is needed on this machine, and how to mend what is missing",
        _PLATFORM,
    )

    config = _command(commands, "config", "config:config", "each setting, its value and where it was made", _SETTINGS)
    config.add_argument("--json", action="store_true", help="for programs")

    env = _command(commands, "env", "env:env", "print the variables that point AWS clients here")
    env.add_argument("--shell", choices=["sh", "fish", "json"], default="sh", help="syntax (default: %(default)s)")

    env.add_argument(
        "--for",
        dest="called",
        metavar="HOST",
        help="for another machine, which reaches this one by that name or address: a script for its shell",
    )

    run = _command(
        commands, "run", "env:run", "run a command with them, starting the platform if it does not run", _SETTINGS
    )
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND …")

    backup = _command(
        commands, "backup", "maintain:backup", "write a data directory into one file; the platform must be down"
    )
    backup.add_argument("file", type=Path)
    backup.add_argument(
        "--keys", action="store_true", help="keys and certificates alone, for one that stands by; it may be up"
    )
    restore = _command(commands, "restore", "maintain:restore", "make a data directory from such a file")
    restore.add_argument("file", type=Path)

    prune = _command(
        commands, "prune", "maintain:prune", "remove caches and old records that are no longer needed", _PLATFORM
    )
    prune.add_argument(
        "--older-than-days",
        type=float,
        default=30.0,
        help="how old ended jobs and log events must be (default: %(default)s)",
    )
    prune.add_argument(
        "--environments",
        nargs="?",
        const="all",
        choices=["all", "outdated"],
        help="built environments too, all that nobody uses or only those of other versions; they are built again when "
        "used (default: none)",
    )

    cache = commands.add_parser("env-cache", help="carry the environments of jobs to a machine without a network")
    actions = cache.add_subparsers(metavar="ACTION", required=True)
    for name, command, help_text in (
        ("export", "maintain:export_environments", "write what the shipped environments need into one file"),
        ("import", "maintain:import_environments", "take in such a file"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("file", type=Path)
        _add_config(action)
        if name == "export":
            action.add_argument(
                "--only",
                action="append",
                default=[],
                metavar="TAG",
                help="only what images of this tag or repository need, such as 1.2-1, pytorch-training or, for "
                "@remote functions, sagemaker-sdk-2; may be given several times (default: everything)",
            )
        action.set_defaults(command=command, data=None, **_PLATFORM)
    return root


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: str,
    help_text: str,
    settings: Mapping[str, bool] = _DATA_ALONE,
) -> argparse.ArgumentParser:
    added = commands.add_parser(name, help=help_text, description=help_text)
    added.add_argument("--data", type=_data_dir, help="data directory (default: $SAGESMITH_DATA or ~/.sagesmith)")
    _add_config(added)
    added.set_defaults(command=command, **settings)
    return added


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        type=_absolute,
        metavar="FILE",
        help="settings file (default: $SAGESMITH_CONFIG or ~/.config/sagesmith/config.toml)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 0 to 65535")
    return int(text)


def _data_dir(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _absolute(text: str) -> Path:
    return Path(text).expanduser().absolute()
