"""From an image URI to a runtime: what `catalogue.toml` knows, and what this machine's Pythons can run of it."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from sagesmith.images.accounts import OF_ALGORITHMS
from sagesmith.images.base import ImageNotRunnable, NotOurs, Runtime
from sagesmith.images.interpreters import interpreters

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.[^/]+/(?P<path>.+)")
_PATH = re.compile(r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?")
# How AWS's tags go on after the version, where tags are names.
_SUFFIX = re.compile(r"(?:-arm64)?(?:-cpu(?:-py3)?)?$")
# The tags of the deep learning containers: 2.12.0-cpu-py310, 2.0-transformers4.28-gpu-py310-cu118-ubuntu20.04.
_DEEP_LEARNING = re.compile(
    r"(?P<version>\d+(?:\.\d+){1,2})(?:-transformers(?P<transformers>\d+(?:\.\d+){1,2}))?"
    r"(?:-(?P<processor>cpu|gpu))?(?:-py(?P<major>[23])(?P<minor>\d*))?(?:-.*)?"
)
_MACHINES = ("x86_64", "aarch64")
ALGORITHM = "SAGESMITH_ALGORITHM"
"""The variable by which an image says which built-in algorithm it has."""
REPOSITORY = "SAGESMITH_REPOSITORY"
"""The variable by which it says which of the algorithm's images it is."""
# What AWS's containers of every framework set.
_COMMON_VARIABLES = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "UTF-8",
    "PYTHONUNBUFFERED": "1",
}


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
        pin: the distribution and version that its lock files pin, None where the image is nothing but a Python.
        pythons: those that a lock file is shipped for, the preferred first.
        python: the one that the tag itself promises, None if it promises none.
    """

    tag: str
    version: str
    lock: str
    pin: tuple[str, str] | None
    pythons: tuple[str, ...]
    machines: tuple[str, ...]
    python: str | None


@dataclass(frozen=True, slots=True)
class Family:
    """A repository of the catalogue; releases from the oldest to the newest.

    Attributes:
        versioned: the releases are versions to choose the nearest of, not names that a tag must have.
        named_by: the part of a tag that holds the version, where `versioned`.
        beside: what the environments have beside the product, worth a word when it is not what a tag says.
        absent: why a version is not there, said of `<product> <version>`.
        oldest: versions below this one are refused, with `too_old` for a reason.
        entrypoint, programs: as `Runtime` has them.
        plain: the repository's name is one that anybody may give an image of his own (`pca`): an account before it must
            be one of AWS's.
    """

    repository: str
    product: str
    train: tuple[str, ...]
    variables: Mapping[str, str]
    releases: tuple[Release, ...]
    versioned: bool
    named_by: str
    beside: str | None
    absent: str
    oldest: str | None
    too_old: str
    entrypoint: tuple[str, ...]
    programs: tuple[str, ...]
    plain: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a tag asks for, and the releases that may stand for it, the best first."""

    name: str
    version: str
    python: str | None
    processor: str | None
    candidates: tuple[Release, ...]


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
    families: dict[str, Family] = {}
    for name, entry in tomllib.loads(text).items():
        algorithms = entry.get("algorithms", {})
        for repository in entry.get("repositories", list(algorithms) or [name]):
            variables = {}
            if repository in algorithms:
                variables = {ALGORITHM: algorithms[repository], REPOSITORY: repository}
            families[repository] = _family(repository, entry, variables)
    return families


def family_of(image: Image) -> Family | None:
    """What an image runs with, None if it is not one of ours."""
    family = catalogue().get(image.repository)
    if family is None or not family.plain or image.account is None or image.account in OF_ALGORITHMS:
        return family
    return None


def resolve(uri: str, environ: Mapping[str, str] = os.environ) -> Runtime:
    """The runtime for an image, from any account and region; of a `plain` name, from AWS's accounts.

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
    family = family_of(image)
    if family is None:
        raise NotOurs(
            f"There is no runtime for the image {uri}: Sagesmith has environments of its own for "
            f"{', '.join(catalogue())}. Other images run in a container engine."
        )
    if image.tag is None:
        by = f"by the digest {image.digest}" if image.digest else "without a tag"
        raise ImageNotRunnable(
            f"The image {uri} is named {by}, which does not tell its version here. Name it by tag: {_tags(family)}."
        )
    wanted = _by_version(image, image.tag, family) if family.versioned else _by_name(image, image.tag, family)
    for release in wanted.candidates:
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
                    entrypoint=list(family.entrypoint),
                    programs=list(family.programs),
                )
    usable = sorted({python for release in family.releases for python in release.pythons}, key=_numbers)
    machines = sorted({each for release in family.releases for each in release.machines})
    raise ImageNotRunnable(
        f"The image {uri} cannot run on this machine ({machine}): {family.product} {wanted.version} and later need one "
        f"of the Pythons {', '.join(usable)} on {' or '.join(machines)}; found: {', '.join(pythons)}. Install one with "
        f"its development files, or name its path in SAGESMITH_PYTHONS."
    )


def _by_name(image: Image, tag: str, family: Family) -> _Wanted:
    """The release of exactly this tag, and those after it."""
    bare = _SUFFIX.sub("", tag)
    wanted = next((release for release in family.releases if release.tag == bare), None)
    if wanted is None:
        raise ImageNotRunnable(
            f"There is no runtime for the image {image.uri}: of {image.repository}, Sagesmith has the tags "
            f"{_tags(family)}, with or without -cpu-py3."
        )
    later = family.releases[family.releases.index(wanted) :]
    return _Wanted(wanted.tag, wanted.version, wanted.python, None, later)


def _by_version(image: Image, tag: str, family: Family) -> _Wanted:
    """The releases from the tag's minor version on, and then, for a tag newer than all, the newest before it."""
    found = _DEEP_LEARNING.fullmatch(tag)
    version = found[family.named_by] if found else None
    if found is None or version is None:
        raise ImageNotRunnable(
            f"There is no runtime for the image {image.uri}: the tags of {image.repository} begin with a version; "
            f"Sagesmith has {_tags(family)}, and takes the nearest one."
        )
    if found["major"] == "2":
        raise ImageNotRunnable(
            f"The image {image.uri} is for Python 2, which no environment has: port the program to Python 3 and name "
            f"a py3 tag of {image.repository}."
        )
    if family.oldest is not None and _numbers(version) < _numbers(family.oldest):
        raise ImageNotRunnable(
            f"There is no runtime for the image {image.uri}: {family.too_old} Sagesmith has {_tags(family)}."
        )
    later = [each for each in family.releases if _numbers(each.version)[:2] >= _numbers(version)[:2]]
    earlier = [each for each in reversed(family.releases) if each not in later]
    python = f"3.{found['minor']}" if found["minor"] else None
    return _Wanted(tag, version, python, found["processor"], (*later, *earlier))


def _notice(family: Family, wanted: _Wanted, chosen: Release, python: str, own: str) -> str | None:
    asked = f"{family.repository}:{wanted.name} asked for"
    minor = ".".join(wanted.version.split(".")[:2])
    absent = f"{family.product} {minor} {family.absent.format(python=own)}"
    if not family.versioned:
        if chosen.tag != wanted.name:
            on = "" if python == own else f" on Python {python}"
            return f"{asked}; {absent}: running with {chosen.tag} ({family.product} {chosen.version}){on}"
        if wanted.python not in (None, python):
            return f"{asked}; Python {wanted.python} is not on this machine: running on Python {python}"
        return None
    numbers = _numbers(wanted.version)
    same = _numbers(chosen.version)[: len(numbers)] == numbers
    if same and wanted.python in (None, python) and wanted.processor != "gpu" and family.beside is None:
        return None
    got = " and ".join(filter(None, [f"{family.product} {chosen.version}", family.beside]))
    built = ", built for CPUs" if wanted.processor == "gpu" else ""
    why = "" if _numbers(chosen.version)[:2] == numbers[:2] else f"{absent}: "
    return f"{asked}; {why}running with {got} on Python {python}{built}"


def _tags(family: Family) -> str:
    return ", ".join(release.tag for release in family.releases)


def _family(name: str, entry: dict[str, Any], variables: Mapping[str, str]) -> Family:
    product = entry["product"]
    distribution = entry.get("distribution", product)
    releases = tuple(
        Release(
            tag=item["tag"],
            version=item["version"],
            lock=item.get("lock", f"{entry.get('locks', product)}-{item['tag']}"),
            pin=(item.get("distribution", distribution), item.get("pin", item["version"])) if distribution else None,
            pythons=tuple(item["pythons"]),
            machines=tuple(item.get("machines", entry.get("machines", _MACHINES))),
            python=item.get("python"),
        )
        for item in entry["releases"]
    )
    return Family(
        repository=name,
        product=product,
        train=tuple(entry["train"]),
        variables=_COMMON_VARIABLES | entry.get("variables", {}) | variables,
        releases=releases,
        versioned=entry.get("versioned", False),
        named_by=entry.get("named_by", "version"),
        beside=entry.get("beside"),
        absent=entry.get("absent", "has no wheels for Python {python}"),
        oldest=entry.get("oldest"),
        too_old=entry.get("too_old", ""),
        entrypoint=tuple(entry.get("entrypoint", ())),
        programs=tuple(entry.get("programs", ())),
        plain=entry.get("plain", False),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
