"""From a task's image to the environment, the command and the variables that run it here."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sagesmith.agent.engine import OwnImage, own_image
from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.sandbox import HOME, PACKAGE_DIRECTORY, VENV
from sagesmith.compute.base import TaskSpec
from sagesmith.images.base import BuiltEnvironment, EnvironmentFailed, ImageNotRunnable, NotOurs, Runtime

Progress = Callable[[str], None]
TOOLKITS = f"{PACKAGE_DIRECTORY}/toolkits"
WEIGHTS = f"{PACKAGE_DIRECTORY}/weights"
"""Where a built-in algorithm looks for pretrained weights."""


class Environments(Protocol):
    """Where runtimes and their environments come from."""

    def resolve(self, uri: str) -> Runtime:
        """Raises `ImageNotRunnable`."""
        ...

    def ensure(self, runtime: Runtime, cache: Path, progress: Progress) -> BuiltEnvironment:
        """Raises `EnvironmentFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class ShippedEnvironments:
    """The environments that the project's lock files describe."""

    def resolve(self, uri: str) -> Runtime:
        from sagesmith.images import registry

        return registry.resolve(uri)

    def ensure(self, runtime: Runtime, cache: Path, progress: Progress) -> BuiltEnvironment:
        from sagesmith.images import environments

        return environments.ensure(runtime, cache, progress)


def resolve_any(environments: Environments, image: str) -> Runtime | OwnImage:
    """The runtime of an image, or the engine that is to run it.

    Raises:
        TaskFailed: there is neither; the reason names the image.
    """
    try:
        return environments.resolve(image)
    except NotOurs:
        return own_image(image)
    except ImageNotRunnable as error:
        raise TaskFailed(f"ClientError: {error}") from error


def sdk_runtime(found: Runtime, command: Sequence[str]) -> Runtime | None:
    """The SDK that a `@remote` function's command needs beside the image's environment, None for every other command.

    Raises:
        TaskFailed: there is none for the image's Python.
    """
    if not command:
        return None
    from sagesmith.images import sdk

    try:
        return sdk.for_command(found, command)
    except ImageNotRunnable as error:
        raise TaskFailed(f"ClientError: {error}") from error


def ensure(environments: Environments, runtime: Runtime, cache: Path, progress: Progress) -> BuiltEnvironment:
    """The environment of a runtime, built if need be.

    Raises:
        TaskFailed: with the installer's last lines.
    """
    try:
        return environments.ensure(runtime, cache, progress)
    except EnvironmentFailed as error:
        text = str(error)
        head, tail = text[:300], text[-600:]
        short = text if len(text) <= 900 else f"{head} … {tail}"
        raise TaskFailed(
            f"InternalServerError: The environment of {runtime.uri} could not be built: {short}"
        ) from error


def with_sdk(environment: BuiltEnvironment, sdk: BuiltEnvironment) -> tuple[BuiltEnvironment, list[str]]:
    """An environment that a sandbox shows together with the SDK's, and where to import the SDK from."""
    packages = [str(path) for path in sorted((sdk.path / "lib").glob("python3.*/site-packages"))]
    shown = [*environment.read_only_paths, *sdk.read_only_paths]
    return BuiltEnvironment(environment.path, list(dict.fromkeys(shown))), packages


def make_overlay(root: Path, environment: BuiltEnvironment, extra_paths: list[str]) -> None:
    """Make a virtual environment that a job may write to, over one that it may not.

    It holds nothing but a link to the interpreter and a path file, so that it costs no time. What pip installs goes
    into it and hides what is below; what is below satisfies a requirement as it is. (`pip install --target` would
    bring a second copy of every dependency, and an environment that jobs share must not change.)

    Args:
        root: where to make it on the host; the sandbox shows it as `VENV`.
        extra_paths: more directories to import from, as the sandbox shows them.
    """
    libraries = sorted((environment.path / "lib").glob("python3.*"))
    if not libraries:
        raise TaskFailed(f"InternalServerError: there is no Python in the environment {environment.path}")
    packages = libraries[-1] / "site-packages"
    own = root / "lib" / libraries[-1].name / "site-packages"
    own.mkdir(parents=True)
    (root / "bin").mkdir()
    for name in ("python", "python3", libraries[-1].name):
        (root / "bin" / name).symlink_to(environment.path / "bin" / "python")
    configuration = (environment.path / "pyvenv.cfg").read_text(encoding="utf-8")
    (root / "pyvenv.cfg").write_text(configuration, encoding="utf-8")
    below = f"import site; site.addsitedir({str(packages)!r})\n"
    (own / "_environment.pth").write_text(below + "".join(f"{path}\n" for path in extra_paths), encoding="utf-8")


def add_programs(root: Path, programs: Sequence[str]) -> None:
    """Put programs of ours into the `bin` of the virtual environment that `make_overlay` made."""
    if not programs:
        return
    from sagesmith.images.programs import source

    for program in programs:
        path = root / "bin" / program
        path.write_text(f"#!{VENV}/bin/python\n{source(program)}", encoding="utf-8")
        path.chmod(0o755)


def image_command(environment: BuiltEnvironment, command: list[str]) -> list[str]:
    """An image's own command, run by the overlay's interpreter: a module (`-m name`) or the environment's script."""
    if command[0] == "-m":
        return [f"{VENV}/bin/python", *command]
    script = environment.path / "bin" / command[0]
    return [f"{VENV}/bin/python", str(script), *command[1:]]


def container_variables(runtime: Runtime, environment: BuiltEnvironment) -> dict[str, str]:
    """What every container of a runtime has in its environment, before the task's own variables."""
    path = [f"{VENV}/bin", str(environment.path / "bin"), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    return {
        "PATH": ":".join(path),
        "HOME": HOME,
        "USER": "sagemaker-user",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",  # noqa: S108 - its own
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "VIRTUAL_ENV": VENV,
        **runtime.variables,
    }


def server_packages(python_path: Path) -> list[tuple[Path, str, bool]]:
    """The mounts that show what a model server needs, and nothing else of ours, below `PACKAGE_DIRECTORY`."""
    names = ("__init__.py", "modelserver", "http", "algorithms")
    return [(python_path / name, f"{PACKAGE_DIRECTORY}/sagesmith/{name}", False) for name in names]


def training_packages(runtime: Runtime) -> list[tuple[Path, str, bool]]:
    """The mounts that show training code what `sagesmith.agent.toolkits` holds, at `TOOLKITS`, and a built-in algorithm
    its own package, and the pretrained weights that the machine's administrator has."""
    ours = Path(__file__).parents[1]
    names = ("__init__.py", "algorithms") if is_algorithm(runtime) else ()
    shown = [(ours / name, f"{PACKAGE_DIRECTORY}/sagesmith/{name}", False) for name in names]
    weights = Path(os.environ.get("SAGESMITH_WEIGHTS") or os.devnull).expanduser().resolve()
    if names and weights.is_dir():
        shown.append((weights, WEIGHTS, False))
    return [(Path(__file__).parent / "toolkits", TOOLKITS, False), *shown]


def is_algorithm(runtime: Runtime) -> bool:
    """Whether an image has one of the built-in algorithms."""
    from sagesmith.images.registry import ALGORITHM

    return ALGORITHM in runtime.variables


def runs_algorithm(runtime: Runtime, spec: TaskSpec) -> bool:
    """Whether a training task runs its image's built-in algorithm, and no code of the user's: an image of XGBoost runs
    a script where there is one."""
    if spec.command or not is_algorithm(runtime):
        return False
    has_script = "sagemaker_program" in spec.hyperparameters or "SAGEMAKER_PROGRAM" in spec.environment
    return runtime.train_command[0] == "-m" or not has_script
