"""What the supervisor does to its children's logs."""

from pathlib import Path

from sagesmith.platform.processes import rotate


def test_a_log_beyond_its_limit_is_kept_once_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("ab", buffering=0) as writer:
        for text in (b"first\n", b"second\n", b"third\n"):
            writer.write(text)
            rotate(log, limit_bytes=3)
        assert log.read_bytes() == b""
        assert (tmp_path / "api.log.1").read_bytes() == b"third\n"
        writer.write(b"on\n")
    assert log.read_bytes() == b"on\n"


def test_a_log_within_its_limit_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"line\n")
    rotate(log, limit_bytes=100)
    rotate(tmp_path / "none.log", limit_bytes=100)
    assert [path.name for path in tmp_path.iterdir()] == ["api.log"]
