"""What the project ships must be whole, hashed and small."""

import re
from importlib import resources

import pytest

from sagesmith.images import sdk
from sagesmith.images.lockfile import read, requirements, sources
from sagesmith.images.registry import catalogue

SHIPPED = sorted(
    path.name.removesuffix(".txt")
    for path in resources.files("sagesmith.images").joinpath("locks").iterdir()
    if path.name.endswith(".txt")
)


def test_every_release_has_its_lock_files_with_its_version() -> None:
    for family in catalogue().values():
        for release in family.releases:
            for python in release.pythons:
                assert release.pin is None or release.pin in requirements(f"{release.lock}-py{python}")
                assert {"pip", "setuptools", "wheel"} <= {name for name, _ in requirements(f"build-py{python}")}


def test_no_lock_file_is_left_over() -> None:
    used = {f"{sdk.lock(major)}-py{python}" for major, pythons in sdk.PYTHONS.items() for python in pythons}
    for family in catalogue().values():
        for release in family.releases:
            locks = {f"{release.lock}-py{python}" for python in release.pythons}
            used |= locks | {source for lock in locks for source in sources(lock)}
            used |= {f"build-py{python}" for python in release.pythons}
    assert set(SHIPPED) == used


@pytest.mark.parametrize("name", SHIPPED)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    blocks = re.split(r"\n(?=[A-Za-z])", "\n".join(line for line in read(name).splitlines() if line[:1] != "#"))
    assert len(blocks) == len(requirements(name))
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block


@pytest.mark.parametrize("name", SHIPPED)
def test_no_lock_file_brings_cuda_to_a_machine_without_a_gpu(name: str) -> None:
    names = [f"{distribution}=={version}" for distribution, version in requirements(name)]
    forbidden = r"(torch==(?!.*\+cpu)|torchvision|torchaudio|triton|nvidia-|cuda-|jax-cuda)"
    assert not [each for each in names if re.match(forbidden, each)]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in SHIPPED
        if not name.startswith(("build-", "sagemaker-sdk-"))
        and name not in ("chainer", "spark", "toolkit")
        and sources(name)
    ],
)
def test_every_environment_has_what_the_model_server_and_the_toolkit_import(name: str) -> None:
    names = {distribution for distribution, _ in requirements(name)}
    toolkit = {
        "boto3",
        "gevent",
        "numpy",
        "paramiko",
        "pip",
        "protobuf",
        "psutil",
        "retrying",
        "scipy",
        "six",
        "werkzeug",
    }
    assert toolkit | {"httptools", "uvloop", "joblib", "pandas"} <= names
    assert not names & {"sagemaker-training", "inotify-simple"}


@pytest.mark.parametrize("name", [name for name in SHIPPED if not sources(name)])
def test_an_environment_without_the_toolkit_has_what_the_model_server_imports(name: str) -> None:
    assert {"httptools", "uvloop", "numpy"} <= {distribution for distribution, _ in requirements(name)}
