"""A bundle from elsewhere is not believed: only whole wheels that its manifest knows are taken in."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from sagesmith.images.base import EnvironmentFailed
from sagesmith.images.bundle import import_bundle, runtimes

WHEEL = "wheels/thing-1.0-py3-none-any.whl"


def write(path: Path, members: dict[str, bytes], manifest: object = None) -> Path:
    if manifest is None:
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        manifest = {"format": 1, "locks": ["thing"], "wheels": digests}
    with tarfile.open(path, "w") as tar:
        for name, data in {"manifest.json": json.dumps(manifest).encode(), **members}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_wheels_are_taken_in(tmp_path: Path) -> None:
    built = "wheels/py3.11-x86_64/tool-1.0-cp311-cp311-linux_x86_64.whl"
    source = write(tmp_path / "bundle.tar", {WHEEL: b"wheel", built: b"built"})
    import_bundle(tmp_path / "cache", source, print)
    assert files(tmp_path / "cache") == {WHEEL, built}


@pytest.mark.parametrize(
    "name",
    [
        "../evil.whl",
        "/tmp/evil.whl",
        "wheels/../../evil.whl",
        "wheels/.hidden.whl",
        "environments/x/bin/python",
        "wheels/a/b-1-py3-none-any.whl",
    ],
)
def test_a_member_that_leads_out_of_the_wheels_is_refused(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "bundle.tar", {name: b"evil"})
    with pytest.raises(EnvironmentFailed, match="does not belong"):
        import_bundle(tmp_path / "cache", source, print)
    assert files(tmp_path) == {"bundle.tar"}


def test_a_link_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "bundle.tar"
    manifest = json.dumps({"format": 1, "locks": [], "wheels": {WHEEL: "0"}}).encode()
    with tarfile.open(source, "w") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest))
        link = tarfile.TarInfo(WHEEL)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(EnvironmentFailed, match="does not belong"):
        import_bundle(tmp_path / "cache", source, print)


def test_a_changed_wheel_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    manifest = {"format": 1, "locks": [], "wheels": {WHEEL: hashlib.sha256(b"wheel").hexdigest()}}
    source = write(tmp_path / "bundle.tar", {WHEEL: b"other"}, manifest)
    with pytest.raises(EnvironmentFailed, match="damaged"):
        import_bundle(tmp_path / "cache", source, print)
    assert files(tmp_path / "cache") == set()


def test_a_bundle_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "bundle.tar", {WHEEL: b"x" * 100_000})
    source.write_bytes(source.read_bytes()[:50_000])
    with pytest.raises(EnvironmentFailed):
        import_bundle(tmp_path / "cache", source, print)
    assert files(tmp_path / "cache") == set()


def test_a_bundle_that_lacks_wheels_of_its_manifest_is_refused(tmp_path: Path) -> None:
    manifest = {"format": 1, "locks": [], "wheels": {WHEEL: "0"}}
    with pytest.raises(EnvironmentFailed, match="cut off"):
        import_bundle(tmp_path / "cache", write(tmp_path / "bundle.tar", {}, manifest), print)


@pytest.mark.parametrize("manifest", [[], {}, "x", {"format": 1, "locks": {}, "wheels": []}])
def test_a_strange_manifest_is_refused(tmp_path: Path, manifest: object) -> None:
    with pytest.raises(EnvironmentFailed, match="not a bundle"):
        import_bundle(tmp_path / "cache", write(tmp_path / "bundle.tar", {}, manifest), print)


def test_a_bundle_of_a_later_format_says_so(tmp_path: Path) -> None:
    manifest = {"format": 2, "locks": [], "wheels": {}}
    with pytest.raises(EnvironmentFailed, match="format 2"):
        import_bundle(tmp_path / "cache", write(tmp_path / "bundle.tar", {}, manifest), print)


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100])
def test_a_file_that_is_no_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(EnvironmentFailed):
        import_bundle(tmp_path / "cache", tmp_path / "file", print)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"nothing\.tar"):
        import_bundle(tmp_path / "cache", tmp_path / "nothing.tar", print)


def test_a_bundle_of_everything_has_the_sdks_of_remote_functions() -> None:
    locks = {runtime.lock.rpartition("-py")[0] for runtime in runtimes()}
    assert {"scikit-learn-1.2-1", "sagemaker-sdk-2", "sagemaker-sdk-3"} <= locks


def test_an_sdk_that_is_asked_for_comes_for_the_pythons_of_the_images_beside_it() -> None:
    beside = runtimes(only=["sagemaker-base-python-311", "sagemaker-sdk-2"])
    pythons = {runtime.python for runtime in beside if not runtime.lock.startswith("sagemaker-sdk")}
    assert {runtime.lock for runtime in beside if runtime.lock.startswith("sagemaker-sdk")} == {
        f"sagemaker-sdk-2-py{python}" for python in pythons
    }
    assert not [runtime for runtime in runtimes(only=["1.2-1"]) if runtime.lock.startswith("sagemaker-sdk")]


def test_what_is_in_no_catalogue_is_named() -> None:
    with pytest.raises(EnvironmentFailed, match="There is no tag sagemaker-sdk-9"):
        runtimes(only=["sagemaker-sdk-9"])
