"""Building one environment with `uv`. Only loaded when there is something to build."""

from collections.abc import Mapping
from pathlib import Path

from sagesmith.images.base import Runtime
from sagesmith.images.installer import Progress, index_arguments, run, torch_arguments, uv_binary, uv_environment
from sagesmith.images.lockfile import canonical, read, requirements, sources, torch
from sagesmith.images.toolkit import build_wheels


def build(
    runtime: Runtime, path: Path, cache: Path, interpreter: Path, progress: Progress, environ: Mapping[str, str]
) -> None:
    """Make the virtual environment `path` and install the runtime's lock file and the toolkit into it, byte-compiled.

    Raises:
        EnvironmentFailed: with the installer's last lines.
    """
    wheels = [
        wheel
        for lock in sources(runtime.lock)
        for wheel in build_wheels(cache, runtime.python, interpreter, progress, environ, lock)
    ]
    variables = uv_environment(cache, environ)
    uv = uv_binary()
    count = len(requirements(runtime.lock)) + len(wheels)
    what = f"Installing {count} packages of {runtime.lock}"
    progress(f"{what} into {path}")
    run([uv, "venv", "--quiet", "--python", str(interpreter), str(path)], variables, path.parent, what, progress)
    lock = path / "requirements.txt"
    lock.write_text(read(runtime.lock), encoding="utf-8")
    install = [uv, "pip", "install", "--python", str(path), "--no-deps", "--compile-bytecode"]
    hashed = ["--require-hashes", "--only-binary", ":all:", "-r", str(lock)]
    source = (
        ["--offline", "--no-index"]
        if _at_hand(cache, runtime)
        else [*index_arguments(environ), *torch_arguments(torch(runtime.lock), environ)]
    )
    run([*install, *hashed, *source], variables, path.parent, what, progress)
    if wheels:
        run([*install, "--offline", "--no-index", *map(str, wheels)], variables, path.parent, what, progress)


def _at_hand(cache: Path, runtime: Runtime) -> bool:
    """Whether the cache has a wheel for every pin (from a bundle), so that no network is needed."""
    have = {tuple(wheel.name.split("-")[:2]) for wheel in (cache / "wheels").glob("*.whl")}
    names = {(canonical(name), version) for name, version in have}
    return all((canonical(name), version) in names for name, version in requirements(runtime.lock))
