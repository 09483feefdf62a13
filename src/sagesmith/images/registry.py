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
# How AWS's tags go on after the version: scikit-learn's are `<version>-cpu-py3`, others add a system and a platform.
_SUFFIX = re.compile(r"-(?:cpu|gpu)(?:-.*)?$|-py3\d*$")


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
    """One tag of a repository: the library's exact version in it and the Pythons that a lock file is shipped for."""

    tag: str
    version: str
    pythons: tuple[str, ...]


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

    A version that no Python of this machine can run becomes the nearest that one can: the next higher in the catalogue;
    `Runtime.notice` says so. The platform's own Python is preferred, then the newest other one (see
    `sagesmith.images.interpreters`).

    Raises:
        ImageNotRunnable: no runtime; the message names the image, why, and what can be done.
    """
    return _resolve(uri, tuple(interpreters(environ)))


@cache
def _resolve(uri: str, pythons: tuple[str, ...]) -> Runtime:
    image = parse(uri)
    family = catalogue().get(image.repository)
    if family is None:
        raise ImageNotRunnable(
            f"There is no runtime for the image {uri}: Sagesmith has environments of its own for "
            f"{_names(catalogue())}. Other images need a container engine (Podman or Docker), which is not built yet."
        )
    if image.tag is None:
        by = f"the digest {image.digest}" if image.digest else "no tag"
        raise ImageNotRunnable(
            f"The image {uri} is named by {by}; its version cannot be told from that. "
            f"Name it by tag: {_names(release.tag for release in family.releases)}."
        )
    wanted = _release(family, image.tag)
    if wanted is None:
        raise ImageNotRunnable(
            f"There is no runtime for the image {uri}: of {image.repository}, Sagesmith has the tags "
            f"{_names(release.tag for release in family.releases)} (with or without -cpu-py3)."
        )
    return _choose(image, family, wanted, pythons)


def _choose(image: Image, family: Family, wanted: Release, pythons: tuple[str, ...]) -> Runtime:
    for release in family.releases[family.releases.index(wanted) :]:
        for python in pythons:
            if python in release.pythons:
                notice = None if release is wanted else _notice(family, wanted, release, python, pythons)
                return Runtime(
                    uri=image.uri,
                    repository=image.repository,
                    tag=image.tag or wanted.tag,
                    lock=f"{family.product}-{release.tag}-py{python}",
                    python=python,
                    notice=notice,
                    train_command=list(family.train),
                    variables=dict(family.variables),
                )
    usable = sorted({python for release in family.releases for python in release.pythons}, key=_numbers)
    raise ImageNotRunnable(
        f"The image {image.uri} cannot run on this machine: {family.product} {wanted.version} and all later versions "
        f"known here need Python {_names(usable)}; found {_names(pythons)}. Install one of them with its development "
        f"files, or name its path in SAGESMITH_PYTHONS."
    )


def _notice(family: Family, wanted: Release, chosen: Release, python: str, pythons: tuple[str, ...]) -> str:
    minor = ".".join(wanted.version.split(".")[:2])
    return (
        f"{family.repository}:{wanted.tag} asked for; {family.product} {minor} has no wheels for Python "
        f"{pythons[0]}: running with {chosen.tag} ({family.product} {chosen.version})"
        + ("" if python == pythons[0] else f" on Python {python}")
    )


def _release(family: Family, tag: str) -> Release | None:
    bare = _SUFFIX.sub("", tag)
    return next((release for release in family.releases if release.tag == bare), None)


def _family(name: str, entry: dict[str, Any]) -> Family:
    releases = tuple(Release(item["tag"], item["version"], tuple(item["pythons"])) for item in entry["releases"])
    return Family(name, entry["product"], tuple(entry["train"]), entry.get("variables", {}), releases)


def _names(names: Any) -> str:
    return ", ".join(names)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
