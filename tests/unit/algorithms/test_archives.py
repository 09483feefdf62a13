"""The model of an earlier job as a channel has it."""

import io
import tarfile
import zlib
from pathlib import Path

import pytest

from sagesmith.algorithms.data import archives
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError

CONTENT = b"".join(b"%d," % (number**3 % 1_000_003) for number in range(5000))


def packed(name: str = "weights") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))
    return data.getvalue()


def changed(data: bytes) -> bytes:
    """With a byte that is another, by which it is no deflated stream any more."""
    for at in range(len(data) // 2, len(data)):
        other = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        try:
            zlib.decompress(other, 31)
        except zlib.error as error:
            if "incorrect data check" not in str(error):
                return other
    raise AssertionError("no byte matters")


def channel(folder: Path, content: bytes) -> Source:
    (folder / "model").mkdir()
    (folder / "model" / "model.tar.gz").write_bytes(content)
    return Source("model", folder / "model", "application/x-sagemaker-model")


def test_an_archive_is_unpacked_as_long_as_it_is_wanted(tmp_path: Path) -> None:
    with archives.unpacked(channel(tmp_path, packed())) as folder:
        assert (folder / "weights").read_bytes() == CONTENT
    assert not folder.exists()


@pytest.mark.parametrize(
    "content",
    [packed()[:3000], changed(packed()), b"no archive", packed("../weights")],
    ids=["cut", "changed", "other", "above"],
)
def test_an_archive_that_is_none_or_would_write_elsewhere_is_refused(tmp_path: Path, content: bytes) -> None:
    with (
        pytest.raises(CustomerError, match=r"The file model/model\.tar\.gz is not a model\.tar\.gz"),
        archives.unpacked(channel(tmp_path, content)),
    ):
        pass
