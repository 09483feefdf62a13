"""The container engine of this machine: Podman, which runs containers below whoever asks for them, without a service.

Every container of ours is noted in its task's directory before it is made, so that whoever finds the note can end it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sagesmith.agent.failures import TaskFailed
from sagesmith.files import write_durably

LABEL = "sagesmith.task"
PREFIX = "sagesmith-"
ADVICE = "apt-get install podman (or dnf, zypper), or name one in SAGESMITH_CONTAINER_ENGINE"
_SAID = 600


@dataclass(frozen=True, slots=True)
class OwnImage:
    """An image that is not one of ours, and the engine that runs it.

    Attributes:
        notice: as of `images.base.Runtime`: there is never anything to say.
    """

    uri: str
    engine: str
    notice: None = None


def find() -> str | None:
    """The engine's program, None if there is none."""
    return shutil.which(os.environ.get("SAGESMITH_CONTAINER_ENGINE") or "podman")


def own_image(uri: str) -> OwnImage:
    """An image that an engine is to run.

    Raises:
        TaskFailed: there is no engine.
    """
    engine = find()
    if engine is None:
        raise TaskFailed(
            f"ClientError: Sagesmith has no environment of its own for the image {uri}, and this machine has no "
            f"container engine to run it in: {ADVICE}."
        )
    return OwnImage(uri, engine)


def refuse_gpus(image: OwnImage, instance_type: str, gpus: Sequence[str]) -> None:
    """Say that a container has none of the GPUs that are its task's.

    Raises:
        TaskFailed: there are such.
    """
    if gpus:
        raise TaskFailed(
            f"ClientError: The image {image.uri} cannot use the GPUs of {instance_type}: containers of images that are "
            "not ours have none here yet. Choose an instance type without GPUs."
        )


def version(engine: str) -> str:
    """What the engine calls itself.

    Raises:
        OSError: it does not run; the message says why.
    """
    done = run(engine, ["info", "--format", "podman {{.Version.Version}}, {{.Host.OCIRuntime.Name}}"])
    if done.returncode:
        raise OSError(_last(done.stderr))
    return done.stdout.decode("utf-8", "replace").strip()


def fetch(image: OwnImage, say: Callable[[str], None]) -> None:
    """Make sure that the image is here; what is not is pulled with the engine's own credentials (`podman login`).

    Raises:
        TaskFailed: it is nowhere, or may not be had.
    """
    if run(image.engine, ["image", "exists", image.uri]).returncode == 0:
        return
    say(f"Pulling the image {image.uri}")
    done = run(image.engine, ["pull", "--quiet", image.uri])
    if done.returncode:
        raise TaskFailed(
            f"ClientError: The image {image.uri} could not be pulled: {_last(done.stderr)}. Build or tag it on this "
            f"machine under this name, or log in to its registry as the platform's user: podman login."
        )


def label_of(image: OwnImage, label: str) -> str:
    """A label of an image that is here, empty if it has none of this name."""
    done = run(image.engine, ["image", "inspect", "--format", f'{{{{index .Labels "{label}"}}}}', image.uri])
    return done.stdout.decode("utf-8", "replace").strip()


def run(
    engine: str, words: Sequence[str], *, output: int | None = None, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command of the engine to its end.

    Args:
        output: where what it prints, errors too, goes; None: it is returned.
        environ: more variables for the engine itself.
    """
    to = subprocess.PIPE if output is None else output
    variables = {**os.environ, **(environ or {})}
    return subprocess.run(
        [engine, *words], stdin=subprocess.DEVNULL, stdout=to, stderr=to, cwd="/", env=variables, check=False
    )


def note(record: Path, engine: str, name: str, opt_ml: Path) -> None:
    """Write down that a container is about to be made."""
    write_durably(record, json.dumps({"engine": engine, "name": name, "opt_ml": str(opt_ml)}).encode())


def remove_noted(record: Path) -> None:
    """End and remove the container of a task whose agent did not come to do it; what it wrote becomes ours."""
    try:
        noted: dict[str, str] = json.loads(record.read_bytes())
    except FileNotFoundError:
        return
    # An engine that is no longer installed has no containers either.
    with suppress(FileNotFoundError):
        remove(noted["engine"], noted["name"])
        take_back(noted["engine"], Path(noted["opt_ml"]))
    record.unlink(missing_ok=True)


def remove(engine: str, name: str) -> None:
    """End and remove a container, if there is one of this name.

    Raises:
        OSError: the engine could not.
    """
    done = run(engine, ["rm", "--force", "--ignore", "--volumes", name])
    # Somebody else may have removed it at the same time.
    if done.returncode and run(engine, ["container", "exists", name]).returncode != 1:
        raise OSError(f"the container {name} could not be removed: {_last(done.stderr)}")


def take_back(engine: str, folder: Path) -> None:
    """Give an ordinary user what programs left there under the uids that the engine has for them."""
    if os.geteuid() and folder.exists():
        run(engine, ["unshare", "chown", "--recursive", "--no-dereference", "0:0", str(folder)])


def _last(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
    return lines[-1].removeprefix("Error: ").rstrip(".")[-_SAID:]
