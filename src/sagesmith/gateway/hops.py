"""A router's connections of frames to model servers that know them, see `sagesmith.http.frames`."""

import asyncio
import time
from collections.abc import Iterable, Sequence

from sagesmith.http.errors import FramesRefused
from sagesmith.http.frames_client import FramesClient, connect

_UNIX = "unix:"
_KNOWN_WITHOUT = 4096
AGAIN_SECONDS = 30.0
"""How long a model server goes by HTTP that offers frames and then does not speak them: its program may just have
started anew."""


class Hops:
    """One connection a model server. Belongs to an event loop.

    Args:
        answer_seconds: how long a model server may take to answer, and then to go on with its answer.
    """

    def __init__(self, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        self._open: dict[str, FramesClient] = {}
        self._connecting: dict[str, asyncio.Task[None]] = {}
        self._without: dict[str, float] = {}
        self._turn = 0

    def ready(self, addresses: Iterable[str]) -> bool:
        """Whether all these model servers are connected."""
        return all((found := self._open.get(each)) is not None and found.open for each in addresses)

    def least_busy(self, addresses: Sequence[str]) -> tuple[str, FramesClient] | None:
        """The connection with the fewest requests under way, of several each in turn, and whose it is; None if a model
        server has none, for it would be passed over for ever."""
        if len(addresses) == 1:
            found = self._open.get(addresses[0])
            return (addresses[0], found) if found is not None and found.open else None
        best: tuple[str, FramesClient] | None = None
        self._turn += 1
        first = self._turn % len(addresses)
        for place in range(first - len(addresses), first):
            found = self._open.get(addresses[place])
            if found is None or not found.open:
                return None
            if best is None or found.outstanding < best[1].outstanding:
                best = addresses[place], found
        return best

    def outstanding(self, address: str) -> int:
        """Requests under way to a model server."""
        found = self._open.get(address)
        return 0 if found is None else found.outstanding

    def offered(self, address: str) -> None:
        """A model server says that it knows frames: connect, beside what goes on."""
        known = self._open.get(address)
        if (known is not None and known.open) or address in self._connecting:
            return
        if self._without and self._without.get(address, 0.0) > time.monotonic():
            return
        if address.startswith(_UNIX):
            task = self._connecting[address] = asyncio.create_task(self._connect(address))
            task.add_done_callback(lambda _: self._connecting.pop(address, None))

    def close(self) -> None:
        for task in self._connecting.values():
            task.cancel()
        for client in self._open.values():
            client.close()

    async def _connect(self, address: str) -> None:
        try:
            client = await connect(
                address.removeprefix(_UNIX), self._answer_seconds, stall_seconds=self._answer_seconds
            )
        except FramesRefused:
            if len(self._without) >= _KNOWN_WITHOUT:
                self._without.clear()
            self._without[address] = time.monotonic() + AGAIN_SECONDS
            return
        self._without.pop(address, None)
        for gone in [known for known, each in self._open.items() if each.closed]:
            del self._open[gone]
        self._open[address] = client
