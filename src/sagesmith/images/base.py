"""From an image URI to something that runs."""

from dataclasses import dataclass, field
from pathlib import Path


class ImageNotRunnable(Exception):
    """There is no runtime for an image here; the message says which image, why, and what can be done."""


class NotOurs(ImageNotRunnable):
    """An image is none of those that have runtimes: a container engine may run it."""


class EnvironmentFailed(Exception):
    """A runtime's environment could not be built; the message has the installer's last lines."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What an image URI stands for.

    Attributes:
        uri: the image as the user named it.
        repository, tag: its parts.
        lock: name of the lock file that the project ships, without its suffix.
        python: version of the interpreter to run it with, such as `3.11`.
        notice: what differs from what was asked for, None if nothing; the first line of the job's log and its
            StatusMessage.
        train_command: what `train` runs in this image, first word below the environment's `bin`.
        variables: environment variables that the image itself sets.
        entrypoint: what a processing job runs that names nothing else, empty if the image has nothing.
        programs: what must be in the PATH beside the environment's own, from `sagesmith.images.programs`.
    """

    uri: str
    repository: str
    tag: str
    lock: str
    python: str
    notice: str | None
    train_command: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """A Python environment on this node: read-only, shared by jobs.

    Attributes:
        path: its root; `path/bin/python` is the interpreter.
        read_only_paths: all that must be visible, at the same place, for it to run (the base interpreter's
            installation too).
    """

    path: Path
    read_only_paths: list[Path]
