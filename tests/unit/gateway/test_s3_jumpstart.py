"""How JumpStart's bucket is filled, over a store that may be away, by routers that may end at any moment."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sagesmith.gateway.s3_jumpstart import JumpStartBuckets
from sagesmith.http.messages import Response
from sagesmith.jumpstart import bucket as jumpstart

BUCKET = "jumpstart-cache-prod-eu-west-1"
CONTENT = {f"/{BUCKET}/{key}": body for key, body in jumpstart.objects("eu-west-1").items()}
MANIFEST = f"/{BUCKET}/{jumpstart.MANIFEST}"


class _Killed(Exception):
    pass


class _Store:
    """An object store in memory.

    Attributes:
        writes_left: after so many objects whoever writes is killed.
        away: paths that are answered 503.
        unread: answers that nobody has taken: each holds a connection.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.writes_left = 10_000
        self.away: set[str] = set()
        self.unread = 0

    async def ask(self, method: str, path: str, body: bytes = b"") -> Response:
        if method == "PUT":
            if self.writes_left == 0:
                raise _Killed
            self.writes_left -= 1
            self.objects[path] = body
            return Response(200)
        status = 503 if path in self.away else 200 if path in self.objects else 404
        if method == "HEAD":
            return Response(status)
        self.unread += 1
        return Response(status, [], self._body(self.objects.get(path, b"an error")))

    async def _body(self, body: bytes) -> AsyncIterator[bytes]:
        yield body
        self.unread -= 1


async def _record(_bucket: str, _region: str) -> None:
    pass


def _fill(store: _Store) -> None:
    asyncio.run(JumpStartBuckets(store.ask, _record).fill(BUCKET))


def test_a_bucket_that_was_left_half_filled_is_filled_and_brought_up_to_date_wherever_its_router_ended() -> None:
    for writes in range(len(CONTENT) + 3):
        store = _Store()
        store.writes_left = writes
        with pytest.raises(_Killed):
            _fill(store)
        store.writes_left = 10_000
        store.objects |= {path: b"of an earlier version" for path in CONTENT if path in store.objects}
        _fill(store)
        assert {path: store.objects[path] for path in CONTENT} == CONTENT, writes
        assert store.unread == 0


def test_a_bucket_that_is_not_ours_keeps_what_it_has() -> None:
    store = _Store()
    store.objects = {f"/{BUCKET}": b"", MANIFEST: b"AWS's"}
    _fill(store)
    assert store.objects == {f"/{BUCKET}": b"", MANIFEST: b"AWS's"}


def test_a_bucket_is_filled_later_where_the_store_did_not_say_what_it_has() -> None:
    store = _Store()
    store.objects[f"/{BUCKET}"] = b""
    store.away.add(MANIFEST)
    buckets = JumpStartBuckets(store.ask, _record)
    asyncio.run(buckets.fill(BUCKET))
    store.away.clear()
    asyncio.run(buckets.fill(BUCKET))
    assert store.objects[MANIFEST] == CONTENT[MANIFEST]
