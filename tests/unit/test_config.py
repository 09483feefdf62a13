"""Settings as people write them."""

import pytest

from sagesmith.config import parse_size


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("0", 0),
        ("512", 512),
        ("10k", 10240),
        ("512M", 512 << 20),
        ("2G", 2 << 30),
        ("2 GiB", 2 << 30),
        ("1.5T", 3 << 39),
    ],
)
def test_a_size_is_a_number_of_bytes_or_has_a_suffix(text: str, bytes_: int) -> None:
    assert parse_size(text) == bytes_


@pytest.mark.parametrize("text", ["", "G", "-1", "2X", "two"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2G"):
        parse_size(text)
