"""JumpStart's bucket, `jumpstart-cache-prod-<region>`, which clients read and nobody of them writes.

It is filled when it is first asked for, in the store like any other: node agents, which read there themselves, find it
too. A store that has one already that is not ours, as AWS has, keeps it as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from sagesmith.gateway.s3_answers import whole
from sagesmith.http.messages import Response
from sagesmith.jumpstart import region_of

_MARK = "sagesmith-version"
_MAX_ANSWER_BYTES = 1 << 16
_AT_ONCE = 8

READS = frozenset(
    {"GetObject", "HeadObject", "HeadBucket", "ListObjects", "ListObjectsV2", "GetBucketLocation", "ListObjectVersions"}
)
"""What clients may do there."""

Ask = Callable[..., Awaitable[Response]]
"""`ask(method, path, body)`: a request of the platform's own to the store."""


class JumpStartBuckets:
    """Fills the buckets. One per process and event loop.

    Args:
        record: notes the region of a bucket that is about to be made.
    """

    def __init__(self, ask: Ask, record: Callable[[str, str], Awaitable[None]]) -> None:
        self._ask = ask
        self._record = record
        self._filled: set[str] = set()
        self._lock = asyncio.Lock()

    async def fill(self, bucket: str) -> None:
        """See that a bucket has what it should, if it is one of these; cheap for others, and from the second time."""
        if bucket in self._filled:
            return
        region = region_of(bucket)
        if region is None:
            return
        async with self._lock:
            if bucket not in self._filled and await self._fill(bucket, region):
                self._filled.add(bucket)

    async def _fill(self, bucket: str, region: str) -> bool:
        """False if the store is away; then the request itself says so."""
        # Routers start in a blink: most never need it.
        from sagesmith.jumpstart import bucket as jumpstart

        content = jumpstart.objects(region)
        version = jumpstart.digest(content).encode()
        marked = await self._ask("GET", f"/{bucket}/{_MARK}")
        mark = await whole(marked, _MAX_ANSWER_BYTES)
        if marked.status >= 500:
            return False
        if marked.status == 200 and mark == version:
            return True
        if marked.status != 200:
            there = (await self._ask("HEAD", f"/{bucket}")).status
            if there == 404:
                await self._record(bucket, region)
                made = await self._ask("PUT", f"/{bucket}")
                if made.status >= 400 and made.status != 409:
                    return made.status < 500
            elif (found := (await self._ask("HEAD", f"/{bucket}/{jumpstart.MANIFEST}")).status) != 404:
                return found < 500
        manifest = {jumpstart.MANIFEST: content.pop(jumpstart.MANIFEST)}
        # Marked before it has its manifest: who finds it half filled knows whose it is, and goes on.
        for objects in ({_MARK: b""}, content, manifest, {_MARK: version}):
            if not await self._put(bucket, objects):
                return False
        return True

    async def _put(self, bucket: str, objects: Mapping[str, bytes]) -> bool:
        """Put objects, some at a time; whether all are there."""
        keys = list(objects)
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            puts = (self._ask("PUT", f"/{bucket}/{quote(key)}", objects[key]) for key in some)
            if any(answer.status >= 400 for answer in await asyncio.gather(*puts)):
                return False
        return True
