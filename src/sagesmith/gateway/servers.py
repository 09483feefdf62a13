"""The model servers that a router asks, and how much it has under way at each: over HTTP, and over frames (`hops`)."""

import random
from pathlib import Path

from sagesmith.gateway import model_errors
from sagesmith.gateway.hops import Hops
from sagesmith.gateway.invocation import Invocation
from sagesmith.http.client import BadAnswer, Client, TimedOut
from sagesmith.http.messages import Disconnected, Response
from sagesmith.routes import EndpointRoute
from sagesmith.wire.context import RequestContext

ANSWER_SECONDS = 60.0
"""How long a container may take, as AWS gives it."""

MAX_OUTSTANDING = 1024
"""How many invocations of one model server a router has under way; one more is refused."""

_MAX_CLIENTS = 512


class ModelServers:
    """Connections to model servers. Belongs to an event loop.

    Args:
        pinned: the certificate of those on other nodes.
    """

    def __init__(self, pinned: Path | None) -> None:
        self._pinned = pinned
        self._clients: dict[str, Client] = {}
        self.hops = Hops(ANSWER_SECONDS)

    def close(self) -> None:
        self.hops.close()
        for client in self._clients.values():
            client.close()

    def least_busy(self, addresses: list[str]) -> Client:
        """Of these the one that has least to do for this router."""
        if len(addresses) == 1:
            return self.client(addresses[0])
        shuffled = random.sample(addresses, len(addresses))
        return self.client(min(shuffled, key=self.under_way_at))

    def under_way_at(self, address: str) -> int:
        """Requests of this router's that are under way to a model server."""
        client = self._clients.get(address)
        return self.hops.outstanding(address) + (0 if client is None else client.outstanding)

    def is_full(self, address: str) -> bool:
        """Whether a model server is to be asked no more now."""
        return self.under_way_at(address) >= MAX_OUTSTANDING

    def outstanding(self, addresses: list[str]) -> int:
        """How many invocations of these model servers this router has under way."""
        return sum(map(self.under_way_at, addresses))

    def client(self, address: str) -> Client:
        """The HTTP connections to one."""
        client = self._clients.get(address)
        if client is None:
            if len(self._clients) >= _MAX_CLIENTS:
                self._forget_idle()
            client = Client(address, answer_seconds=ANSWER_SECONDS, stall_seconds=ANSWER_SECONDS, ca_file=self._pinned)
            self._clients[address] = client
        return client

    def _forget_idle(self) -> None:
        """Addresses of endpoints that are gone pile up; who is needed again is connected again."""
        for address, client in list(self._clients.items()):
            if not client.outstanding:
                client.close()
                del self._clients[address]

    def forget(self, address: str) -> None:
        """Think no more of one that is not there."""
        self._clients.pop(address, None)


class Busy(Exception):
    """A model server has as many invocations waiting as it takes."""


async def ask(
    context: RequestContext,
    route: EndpointRoute,
    client: Client,
    wanted: Invocation,
    body: bytes,
    container: str = model_errors.PRIMARY,
    seconds: float | None = None,
) -> Response:
    """The success that a model server answers.

    Args:
        container: what it is called.
        seconds: how long it may take to begin with it; None: as long as any.

    Raises:
        ConnectFailed: it does not listen; it has got nothing.
        Busy: no handler saw it.
        AwsError: ModelError.
    """
    if client.outstanding >= MAX_OUTSTANDING:
        raise Busy
    try:
        answer = await client.request("POST", b"/invocations", wanted.headers, body, answer_seconds=seconds)
    except TimedOut:
        raise model_errors.without_answer(context, route.name, model_errors.TIMED_OUT, container) from None
    except (Disconnected, BadAnswer):
        raise model_errors.without_answer(context, route.name, model_errors.BROKE_OFF, container) from None
    if answer.status == 503 and model_errors.BUSY in answer.headers:
        if answer.close is not None:
            answer.close()
        raise Busy
    if not 200 <= answer.status < 300:
        raise await model_errors.of_answer(context, route.name, answer, container)
    return answer
