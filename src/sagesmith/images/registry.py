"""From an image URI to a runtime: what `catalogue.toml` knows, and what this machine's Pythons can run of it."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from sagesmith.images.base import ImageNotRunnable, Runtime
from sagesmith.images.interpreters import interpreters

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.[^/]+/(?P<path>.+)")
_PATH = re.compile(r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?")
# How AWS's tags go on after the version.
_SUFFIX = re.compile(r"(?:-arm64)?-cpu(?:-py3)?$")
_MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True)
class Image:
    """An image URI's parts: `[account.dkr.ecr.region.suffix/]repository[:tag][@digest]`; None where there is none."""

    uri: str
    account: str | None
    repository: str
    tag: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """One tag of a repository, as `catalogue.toml` explains it.

    Attributes:
        lock: name of its lock files, without `-py<python>.txt`.
        pythons: those that a lock file is shipped for, the preferred first.
        python: the one that the tag itself promises, None if it promises none.
    """

    tag: str
    version: str
    lock: str
    pythons: tuple[str, ...]
    machines: tuple[str, ...]
    python: str | None


@dataclass(frozen=True, slots=True)
class Family:
    """A repository of the catalogue; releases from the oldest to the newest."""

    repository: str
    product: str
    train: tuple[str, ...]
    variables: Mapping[str, str]
    releases: tuple[Release, ...]


def parse(uri: str) -> Image:
    """Split an image URI. Anything that is not an ECR address counts as a plain name, with no account.

    Raises:
        ImageNotRunnable: there is no repository in it.
    """
    ecr = _ECR.fullmatch(uri)
    path = _PATH.fullmatch(ecr["path"] if ecr else uri)
    if path is None:
        raise ImageNotRunnable(f"{uri!r} is not the name of an image.")
    return Image(uri, ecr["account"] if ecr else None, path["repository"], path["tag"], path["digest"])


@cache
def catalogue() -> Mapping[str, Family]:
    """All repositories that have runtimes here, by name."""
    text = resources.files("sagesmith.images").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {name: _family(name, entry) for name, entry in tomllib.loads(text).items()}


def resolve(uri: str, environ: Mapping[str, str] = os.environ) -> Runtime:
    """The runtime for an image, from any account and region.

    A version that no Python of this machine can run becomes the next higher in the catalogue that one can;
    `Runtime.notice` says so. Which Pythons there are is for `sagesmith.images.interpreters` to say; of those that fit,
    the catalogue's order decides.

    Raises:
        ImageNotRunnable: no runtime; the message names the image, why, and what can be done.
    """
    return resolve_on(uri, tuple(interpreters(environ)), os.uname().machine)


@cache
def resolve_on(uri: str, pythons: tuple[str, ...], machine: str) -> Runtime:
    """The same for a machine that has these Pythons, the platform's own first."""
    image = parse(uri)
    family = catalogue().get(image.repository)
    if family is None:
        raise ImageNotRunnable(
            f"There is no runtime for the image {uri}: Sagesmith has environments of its own for "
            f"{', '.join(catalogue())}. Other images need a container engine (Podman or Docker), "
            f"which is not built yet."
        )
    tags = ", ".join(release.tag for release in family.releases)
    if image.tag is None:
        by = f"by the digest {image.digest}" if image.digest else "without a tag"
        raise ImageNotRunnable(
            f"The image {uri} is named {by}, which does not tell its version here. Name it by tag: {tags}."
        )
    bare = _SUFFIX.sub("", image.tag)
    wanted = next((release for release in family.releases if release.tag == bare), None)
    if wanted is None:
        raise ImageNotRunnable(
            f"There is no runtime for the image {uri}: of {image.repository}, Sagesmith has the tags {tags}, "
            f"with or without -cpu-py3."
        )
    for release in family.releases[family.releases.index(wanted) :]:
        for python in release.pythons:
            if python in pythons and machine in release.machines:
                return Runtime(
                    uri=uri,
                    repository=image.repository,
                    tag=image.tag,
                    lock=f"{release.lock}-py{python}",
                    python=python,
                    notice=_notice(family, wanted, release, python, pythons[0]),
                    train_command=list(family.train),
                    variables=dict(family.variables),
                )
    usable = sorted({python for release in family.releases for python in release.pythons}, key=_numbers)
    raise ImageNotRunnable(
        f"The image {uri} cannot run on this machine ({machine}): {family.product} {wanted.version} and later need one "
        f"of the Pythons {', '.join(usable)}; found: {', '.join(pythons)}. Install one with its development files, or "
        f"name its path in SAGESMITH_PYTHONS."
    )


def _notice(family: Family, wanted: Release, chosen: Release, python: str, own: str) -> str | None:
    asked = f"{family.repository}:{wanted.tag} asked for"
    if chosen is not wanted:
        minor = ".".join(wanted.version.split(".")[:2])
        on = "" if python == own else f" on Python {python}"
        return (
            f"{asked}; {family.product} {minor} has no wheels for Python {own}: "
            f"running with {chosen.tag} ({family.product} {chosen.version}){on}"
        )
    if wanted.python not in (None, python):
        return f"{asked}; Python {wanted.python} is not on this machine: running on Python {python}"
    return None


def _family(name: str, entry: dict[str, Any]) -> Family:
    product = entry["product"]
    releases = tuple(
        Release(
            tag=item["tag"],
            version=item["version"],
            lock=item.get("lock", f"{product}-{item['tag']}"),
            pythons=tuple(item["pythons"]),
            machines=tuple(item.get("machines", _MACHINES)),
            python=item.get("python"),
        )
        for item in entry["releases"]
    )
    return Family(name, product, tuple(entry["train"]), entry.get("variables", {}), releases)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
