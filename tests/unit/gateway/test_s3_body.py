"""Bodies of uploads, however they are cut into pieces."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.gateway.s3_body import ChunkedBody, hashed, hold_back
from sagesmith.gateway.s3_errors import S3Error


async def pieces(body: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    at = 0
    for cut in [*sorted(cuts), len(body)]:
        if body[at:cut]:
            yield body[at:cut]
        at = max(at, cut)


async def collect(source: AsyncIterator[bytes]) -> list[bytes]:
    return [piece async for piece in source]


def frame(chunks: list[bytes], trailer: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"


chunk_lists = st.lists(st.binary(min_size=1, max_size=40), max_size=5)
cut_lists = st.lists(st.integers(0, 300), max_size=12)


@given(chunk_lists, cut_lists)
def test_framing_comes_off_wherever_the_body_is_cut(chunks: list[bytes], cuts: list[int]) -> None:
    body = ChunkedBody(sum(map(len, chunks)))
    framed = frame(chunks, b"x-amz-checksum-crc32:AAAAAA==\r\n")
    assert b"".join(asyncio.run(collect(body.decode(pieces(framed, cuts))))) == b"".join(chunks)
    assert body.trailers == [(b"x-amz-checksum-crc32", b"AAAAAA==")]


@given(chunk_lists, cut_lists)
def test_a_body_that_is_framed_anew_says_the_same(chunks: list[bytes], cuts: list[int]) -> None:
    length = sum(map(len, chunks))
    framed = frame(chunks, b"x-amz-checksum-crc32:AAAAAA==\r\n")
    again = b"".join(asyncio.run(collect(ChunkedBody(length).reframe(pieces(framed, cuts)))))
    assert b"".join(asyncio.run(collect(ChunkedBody(length).decode(pieces(again, []))))) == b"".join(chunks)


@given(chunk_lists.filter(bool), st.data())
def test_a_body_that_ends_early_is_refused(chunks: list[bytes], data: st.DataObject) -> None:
    framed = frame(chunks)
    short = framed[: data.draw(st.integers(0, len(framed) - 1))]
    with pytest.raises(S3Error):
        asyncio.run(collect(ChunkedBody(sum(map(len, chunks))).decode(pieces(short, []))))


@pytest.mark.parametrize(
    "framed", [b"zz\r\n", b"3\r\nabcXX0\r\n\r\n", b"3;chunk-signature=ab\r\nabc\r\n0\r\n\r\n", b"x" * 20_000]
)
def test_broken_framing_is_refused(framed: bytes) -> None:
    with pytest.raises(S3Error):
        asyncio.run(collect(ChunkedBody(3).decode(pieces(framed, []))))


def test_the_last_piece_waits_until_the_hash_is_known_to_be_wrong() -> None:
    seen: list[bytes] = []

    async def forward() -> None:
        source = pieces(b"aabbcc", [2, 4])
        async for piece in hold_back(hashed(source, hashlib.sha256(b"other").hexdigest())):
            seen.append(piece)

    with pytest.raises(S3Error) as error:
        asyncio.run(forward())
    assert error.value.code == "XAmzContentSHA256Mismatch"
    assert seen == [b"aa", b"bb"]


@given(st.binary(max_size=100), cut_lists)
def test_a_body_with_the_right_hash_passes_unchanged(body: bytes, cuts: list[int]) -> None:
    passed = asyncio.run(collect(hold_back(hashed(pieces(body, cuts), hashlib.sha256(body).hexdigest()))))
    assert b"".join(passed) == body
