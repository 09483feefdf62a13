"""An offline bundle: the wheels of every environment that this machine would build, in one file.

It is for a machine without a network, of the same architecture and with the same Pythons (`SAGESMITH_PYTHONS` says
which are looked at).
"""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from sagesmith.images import sdk, toolkit
from sagesmith.images.base import EnvironmentFailed, ImageNotRunnable, Runtime
from sagesmith.images.installer import Progress, run, torch_arguments
from sagesmith.images.interpreters import interpreters
from sagesmith.images.lockfile import read, requirements, sources, torch
from sagesmith.images.registry import catalogue, resolve

FORMAT = 1
_MANIFEST = "manifest.json"
_MANIFEST_LIMIT_BYTES = 1 << 20
_MEMBER = re.compile(r"wheels/(?:py\d+\.\d+-\w+/)?[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")
_BLOCK_BYTES = 1 << 20


def runtimes(environ: Mapping[str, str] = os.environ, only: Collection[str] = ()) -> list[Runtime]:
    """One runtime for each lock file that this machine would use for some tag of the catalogue, and for the SDKs of
    `@remote` functions on the Pythons of these.

    Args:
        only: tags, such as `1.2-1`, repositories, such as `pytorch-training`, and SDKs, such as `sagemaker-sdk-2`; all
            if empty.

    Raises:
        EnvironmentFailed: a tag or repository that is not in the catalogue.
    """
    kits = {sdk.lock(major): major for major in sdk.PYTHONS}
    tags = {release.tag for family in catalogue().values() for release in family.releases}
    known = tags | catalogue().keys() | kits.keys()
    if unknown := sorted(set(only) - known):
        raise EnvironmentFailed(f"There is no tag {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
    every: dict[str, Runtime] = {}
    chosen: dict[str, Runtime] = {}
    for family in catalogue().values():
        for release in family.releases:
            try:
                runtime = resolve(f"{family.repository}:{release.tag}", environ)
            except ImageNotRunnable:
                continue
            every.setdefault(runtime.lock, runtime)
            if not only or release.tag in only or family.repository in only:
                chosen.setdefault(runtime.lock, runtime)
    majors = [major for name, major in kits.items() if not only or name in only]
    for runtime in list((chosen or every).values()):
        beside = (sdk.for_python(major, runtime) for major in majors)
        chosen.update({kit.lock: kit for kit in beside if kit is not None})
    return list(chosen.values())


def export_bundle(
    cache: Path,
    destination: Path | str,
    progress: Progress,
    environ: Mapping[str, str] = os.environ,
    chosen: Sequence[Runtime] | None = None,
) -> None:
    """Fetch or build all wheels of the `chosen` runtimes, else of `runtimes()`, into a tar file in one atomic step.

    Raises:
        EnvironmentFailed: a wheel could not be had, or the file could not be written.
    """
    available = interpreters(environ)
    locks = runtimes(environ) if chosen is None else list(chosen)
    files: dict[str, Path] = {}
    for python in sorted({runtime.python for runtime in locks}):
        names = [runtime.lock for runtime in locks if runtime.python == python]
        for lock in dict.fromkeys(lock for name in names for lock in sources(name)):
            for wheel in toolkit.build_wheels(cache, python, available[python], progress, environ, lock):
                files[f"wheels/{wheel.parent.name}/{wheel.name}"] = wheel
        for wheel in _fetch(cache, python, available[python], names, progress, environ):
            files[f"wheels/{wheel.name}"] = wheel
    target = Path(destination)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        _write(temporary, files, [runtime.lock for runtime in locks])
        temporary.replace(target)
    except OSError as error:
        raise EnvironmentFailed(f"{target} could not be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    progress(f"{len(files)} wheels for {len(locks)} environments: {target} ({target.stat().st_size / 2**20:.0f} MiB)")


def import_bundle(cache: Path, source: Path | str, progress: Progress) -> None:
    """Take a bundle's wheels into the cache; environments are then built from them without a network.

    Every wheel is checked against the bundle's manifest before it counts, and again against the lock file when it is
    installed. A bundle that is cut off or changed leaves only whole wheels behind.

    Raises:
        EnvironmentFailed: it is no bundle, or it is damaged.
    """
    try:
        with tarfile.open(source, "r:") as tar:
            manifest = _manifest(tar.next(), tar)
            count = 0
            while (member := tar.next()) is not None:
                _take(tar, member, manifest["wheels"], cache)
                count += 1
    except (tarfile.TarError, EOFError) as error:
        raise EnvironmentFailed(f"{source} is not a whole bundle: {error}") from error
    except OSError as error:
        raise EnvironmentFailed(f"{source} cannot be taken in: {error.strerror or error}") from error
    if count != len(manifest["wheels"]):
        raise EnvironmentFailed(f"{source} is cut off: {count} of {len(manifest['wheels'])} wheels.")
    progress(f"{count} wheels taken in, for {', '.join(manifest['locks'])}")


def _fetch(
    cache: Path, python: str, interpreter: Path, locks: list[str], progress: Progress, environ: Mapping[str, str]
) -> list[Path]:
    wheels = cache / "wheels"
    found: dict[str, Path] = {}
    with toolkit.pip_environment(cache, python, interpreter, progress, environ) as pip:
        work = pip.parent.parent.parent
        for name in locks:
            what = f"Fetching {len(requirements(name))} wheels of {name}"
            progress(what)
            lock, out = work / f"{name}.txt", work / name
            lock.write_text(read(name), encoding="utf-8")
            command = [str(pip), "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
            command += ["--only-binary", ":all:", "--find-links", str(wheels), "-r", str(lock), "-d", str(out)]
            command += torch_arguments(torch(name), environ)
            run(command, toolkit.pip_variables(environ), work, what, progress)
            for wheel in sorted(out.glob("*.whl")):
                wheel.chmod(0o644)
                found[wheel.name] = wheel.replace(wheels / wheel.name)
    return list(found.values())


def _write(path: Path, files: Mapping[str, Path], locks: list[str]) -> None:
    digests = {}
    for name, file in sorted(files.items()):
        with file.open("rb") as stream:
            digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    manifest = json.dumps({"format": FORMAT, "locks": locks, "wheels": digests}, indent=1).encode()
    with path.open("wb") as output:
        with tarfile.open(fileobj=output, mode="w") as tar:
            entry = tarfile.TarInfo(_MANIFEST)
            entry.size = len(manifest)
            tar.addfile(entry, io.BytesIO(manifest))
            for name, file in sorted(files.items()):
                entry = tarfile.TarInfo(name)
                entry.size = file.stat().st_size
                with file.open("rb") as stream:
                    tar.addfile(entry, stream)
        output.flush()
        os.fsync(output.fileno())


def _manifest(member: tarfile.TarInfo | None, tar: tarfile.TarFile) -> dict[str, dict[str, str]]:
    problem = EnvironmentFailed(f"{tar.name!r} is not a bundle of environments.")
    if member is None or member.name != _MANIFEST or not member.isfile() or member.size > _MANIFEST_LIMIT_BYTES:
        raise problem
    stream = tar.extractfile(member)
    try:
        manifest = json.loads(stream.read() if stream else b"")
        if not all(isinstance(part, kind) for part, kind in ((manifest["wheels"], dict), (manifest["locks"], list))):
            raise problem
    except (ValueError, KeyError, TypeError) as error:
        raise problem from error
    if manifest.get("format") != FORMAT:
        raise EnvironmentFailed(f"{tar.name!r} is a bundle of format {manifest.get('format')}; not {FORMAT}.")
    return dict(manifest)


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, expected: Mapping[str, str], cache: Path) -> None:
    digest = expected.get(member.name)
    stream = tar.extractfile(member) if member.isfile() and _MEMBER.fullmatch(member.name) else None
    if digest is None or stream is None:
        raise EnvironmentFailed(f"{tar.name!r} holds {member.name!r}, which does not belong into a bundle.")
    target = cache.joinpath(*PurePosixPath(member.name).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        seen = hashlib.sha256()
        with temporary.open("wb") as output:
            while block := stream.read(_BLOCK_BYTES):
                seen.update(block)
                output.write(block)
            output.flush()
            os.fsync(output.fileno())
        if seen.hexdigest() != digest:
            raise EnvironmentFailed(f"{tar.name!r} is damaged: {member.name} is not what its manifest says.")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
