"""InvokeEndpoint and InvokeEndpointWithResponseStream: from the routing table to a model server and back.

What an invocation asks for is read by `invocation`, which model server it goes to is decided by `targets.choose`.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from sagesmith import logging
from sagesmith.gateway import invocation, response_stream
from sagesmith.gateway.capturing import Asked, Capturer
from sagesmith.gateway.components import NoCapacity
from sagesmith.gateway.containers import Containers
from sagesmith.gateway.invocation import NEW_SESSION, Invocation
from sagesmith.gateway.invocation_log import log_invocation, original_status
from sagesmith.gateway.metering import Meter
from sagesmith.gateway.prompt import Prompt
from sagesmith.gateway.serverless import Serverless, Waking
from sagesmith.gateway.servers import Busy, ModelServers, ask
from sagesmith.gateway.sessions import CLOSED_SESSION_ID, NEW_SESSION_ID, Session, Sessions
from sagesmith.gateway.targets import choose, session_not_found
from sagesmith.http import frames
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Reply, Request, Response
from sagesmith.routes import EndpointRoute, RoutesFile, ServerlessRoute, VariantRoute
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError

MAX_BODY_BYTES = 6_291_456
"""`BodyBlob` in the service's model."""

PATIENCE_SECONDS = 2.0
"""How long a request waits for a model server that is being restarted."""

MAX_COPIES = 64
"""How many copies for shadow variants a router has under way."""

_RETRY_SECONDS = 0.05
_FROM_MODEL = frozenset((b"content-type", b"content-length", b"x-amzn-sagemaker-custom-attributes"))
_OF_SESSIONS = frozenset((NEW_SESSION_ID, CLOSED_SESSION_ID))
_OF_STATEFUL = _FROM_MODEL | _OF_SESSIONS
_NONE_DOWN: set[str] = set()
_NO_INSTANCES = "A transient exception occurred while retrieving variant instances. Please try again later."
_ASYNCHRONOUS = (
    "Endpoint {endpoint} of account {account} is configured for asynchronous inference. Use InvokeEndpointAsync."
)
_ALL_BUSY = (
    "The instances of endpoint {endpoint} have as many invocations waiting as they take. Please try again later."
)

log = logging.get("router")


class Invoker:
    """Forwards invocations. One per process and event loop.

    Args:
        routes: the table that the API process writes.
        sessions: which instance has which session.
        serverless: what lets invocations of serverless endpoints in, and wakes those.
        sleep: waits between two looks at the table.
        pinned: the certificate of model servers on other nodes.
        meter: what every invocation of a variant is noted in.
        capturer: what keeps invocations of variants that want it.
    """

    def __init__(
        self,
        routes: RoutesFile,
        sessions: Sessions,
        serverless: Serverless,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pinned: Path | None = None,
        meter: Meter | None = None,
        capturer: Capturer | None = None,
    ) -> None:
        self._routes = routes
        self._serverless = serverless
        self._meter = meter
        self._capturer = capturer
        self._copies: set[asyncio.Task[None]] = set()
        self._sessions = sessions
        self._sleep = sleep
        self.servers = ModelServers(pinned)
        self._beside: set[asyncio.Task[None]] = set()
        self._containers = Containers(ask, (Busy, ConnectFailed), self.servers.client, meter)

    async def invoke(
        self, context: RequestContext, operation: str, endpoint: str, request: Request, body: bytes
    ) -> Response:
        """Answer one InvokeEndpoint or InvokeEndpointWithResponseStream.

        Raises:
            AwsError: ValidationError (no such endpoint, variant or session), ModelError, ServiceUnavailable.
        """
        started = time.perf_counter()
        name = endpoint
        try:
            wanted = invocation.read(operation, endpoint, request.headers)
            route, variant, address, answer, took = await self._send(context, wanted, body, started)
            name = route.name
        except AwsError as error:
            if isinstance(error, NoCapacity) and self._meter is not None:
                self._meter.note_no_capacity(context.region, name, error.route.name, error.route.component)
            log_invocation(context, operation, name, None, started, error.status, error.code)
            raise
        kept = self.headers_of(context, route, variant, address if wanted.session is not None else None, answer)
        if operation == "InvokeEndpoint":
            self.note(context, route, variant, 200, took, started)
            log_invocation(context, operation, name, variant.name, started)
            return Response(200, kept, answer.body, answer.close)

        def ended(code: str | None) -> None:
            self.note(context, route, variant, 200 if code is None else 0, took, started)
            log_invocation(context, operation, name, variant.name, started, 200, code)

        events = response_stream.events(answer, ended)
        return Response(200, response_stream.headers_of(answer, kept), events, answer.close)

    def at_once(
        self,
        context: RequestContext,
        operation: str,
        endpoint: str,
        headers: Headers,
        body: bytes,
        reply: Reply,
        started: float,
    ) -> Callable[[], None] | None:
        """Take an InvokeEndpoint that asks for nothing out of the ordinary, of an endpoint all of whose model servers
        are connected; see `AtOnce`.

        Raises:
            AwsError: as `invoke`.
        """
        if operation != "InvokeEndpoint":
            return None
        wanted = invocation.read(operation, endpoint, headers)
        route = self.find(context, wanted.endpoint)
        if wanted.session is not None or wanted.target_container is not None or not route.is_ordinary:
            return None
        # Were one left to `invoke` after it was chosen, that would choose again, and it would get less than its weight.
        if len(route.variants) > 1 and not all(
            self.servers.hops.ready(each.addresses) for each in route.variants if each.weight
        ):
            return None
        try:
            chosen = choose(context, route, wanted, None, _NONE_DOWN, self.servers.under_way_at)
        except NoCapacity:
            return None  # `invoke` says it, and counts it
        hop = None if chosen is None or chosen[0].containers else self.servers.hops.least_busy(chosen[1])
        if chosen is None or hop is None or self.servers.is_full(hop[0]):
            return None
        prompt = Prompt(self, context, route, chosen[0], wanted, body, reply, started, time.perf_counter())
        return hop[1].ask(wanted.headers, body, prompt.answered)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nothing here waits for."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def close(self) -> None:
        self.servers.close()

    def headers_of(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        address: str | None,
        answer: Response,
    ) -> Headers:
        """What the caller gets of an answer's headers, and what we say beside.

        Args:
            address: who answered, if the caller asked for a session; nobody else begins or closes one.
        """
        kept = [item for item in answer.headers if item[0] in (_FROM_MODEL if address is None else _OF_STATEFUL)]
        if address is not None and any(item[0] in _OF_SESSIONS for item in kept):
            self._sessions.note(context.region, route.name, variant.name, address, kept)
        kept.append((b"x-amzn-invoked-production-variant", variant.name.encode()))
        kept.append((b"x-amzn-requestid", context.request_id.encode()))
        return kept

    async def _send(
        self, context: RequestContext, wanted: Invocation, body: bytes, started: float, waking: Waking | None = None
    ) -> tuple[EndpointRoute, VariantRoute, str, Response, float]:
        """The answer, and the endpoint, the variant and the model server that it is from; how long it took to begin.

        A model server that did not see the request, or that says that no handler did, is passed over.

        Args:
            started: when the request came, by `time.perf_counter`.
            waking: what a serverless endpoint's invocation waits by.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        down: set[str] = set()
        busy = copied = False
        while True:
            route = self.find(context, wanted.endpoint)
            if waking is None and (route.asynchronous is not None or route.serverless is not None):
                return await self._send_otherwise(context, route, wanted, body, started)
            session = self._session(context, route, wanted)
            chosen = choose(context, route, wanted, session, down, self.servers.under_way_at)
            if chosen is not None:
                variant, addresses = chosen
                self._containers.require(route, variant, wanted)
                if route.shadows and not copied:
                    copied = True
                    self._copy(context, route, wanted, body)
                client = self.servers.least_busy(addresses)
                asked = time.perf_counter()
                try:
                    if self.servers.is_full(client.address):
                        raise Busy
                    answer = await self._asking(context, route, variant, client, wanted, body)
                except Busy:
                    busy = True
                    down.add(client.address)
                    continue
                except ConnectFailed:
                    down.add(client.address)
                    self.servers.forget(client.address)
                    continue
                except AwsError as error:
                    self.note(context, route, variant, original_status(error), time.perf_counter() - asked, started)
                    raise
                took = time.perf_counter() - asked
                if frames.OFFER in answer.headers:
                    self.servers.hops.offered(client.address)
                answer = self.received(context, route, variant, wanted, body, answer)
                return route, variant, client.address, answer, took
            if waking is not None and route.serverless is not None and not busy:
                await self._await_wake(context, route, route.serverless, waking, started)
            elif busy or time.monotonic() > deadline:
                raise self._unanswered(context, route, wanted, started, busy=busy)
            else:
                await self._sleep(_RETRY_SECONDS)
            down.clear()

    def _unanswered(
        self, context: RequestContext, route: EndpointRoute, wanted: Invocation, started: float, *, busy: bool
    ) -> AwsError:
        """What to answer where no model server takes a request."""
        missed = next((one for one in route.variants if wanted.target_variant in (None, one.name)), None)
        if missed is not None:
            self.note(context, route, missed, 503, None, started)
        message = _ALL_BUSY.format(endpoint=route.name) if busy else _NO_INSTANCES
        return AwsError("ServiceUnavailable", message, 503)

    async def _send_otherwise(
        self, context: RequestContext, route: EndpointRoute, wanted: Invocation, body: bytes, started: float
    ) -> tuple[EndpointRoute, VariantRoute, str, Response, float]:
        """`_send` for a serverless endpoint, as one of the invocations that it takes at once.

        Raises:
            AwsError: ThrottlingException, and ValidationError of an endpoint that takes requests asynchronously alone.
        """
        limits = route.serverless
        if limits is None:
            message = _ASYNCHRONOUS.format(endpoint=route.name, account=context.account_id)
            raise AwsError("ValidationError", message, 400)
        try:
            waking = self._serverless.enter(context, route, limits, body)
        except AwsError as error:
            self.note(context, route, route.variants[0], error.status, None, started)
            raise
        try:
            route, variant, address, answer, took = await self._send(context, wanted, body, started, waking)
        except BaseException:
            waking.end()
            raise
        self._serverless.answered(waking, limits)
        return route, variant, address, waking.until_sent(answer), took

    async def _await_wake(
        self, context: RequestContext, route: EndpointRoute, limits: ServerlessRoute, waking: Waking, started: float
    ) -> None:
        """Wait a moment for a model server of a serverless endpoint.

        Raises:
            AwsError: ModelError, if there will be none.
        """
        try:
            pause = waking.pause_seconds(limits)
        except AwsError:
            self.note(context, route, route.variants[0], 0, None, started)
            raise
        await self._sleep(pause)

    def _asking(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        client: Client,
        wanted: Invocation,
        body: bytes,
    ) -> Awaitable[Response]:
        """`ask`, through all containers if the variant has several."""
        if variant.containers:
            return self._containers.ask(context, route, variant, client, wanted, body)
        return ask(context, route, client, wanted, body)

    def note(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        status: int,
        model_seconds: float | None,
        started: float,
    ) -> None:
        """Note an invocation; see `Meter.note`."""
        if self._meter is not None:
            whole = time.perf_counter() - started
            instances = max(1, len(variant.addresses))
            component = variant.component
            concurrent = 1 + self.servers.outstanding(variant.addresses) if component else 0
            self._meter.note(
                context.region,
                route.name,
                variant.name,
                instances,
                status,
                model_seconds,
                whole,
                component,
                concurrent,
            )

    def received(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        wanted: Invocation,
        body: bytes,
        answer: Response,
    ) -> Response:
        """A model server's success on its way to the caller, of which is kept what is to be."""
        if variant.multi_model and self._meter is not None:
            self._meter.note_model(context.region, route.name, variant, answer.headers)
        if variant.capture is not None:
            answer = self._captured(context, route, variant, wanted, body, answer)
        return answer

    def _captured(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        wanted: Invocation,
        body: bytes,
        answer: Response,
    ) -> Response:
        if self._capturer is None:
            return answer
        asked = Asked(context.region, wanted.headers, body, context.request_id)
        return self._capturer.capture(asked, route, variant, answer)

    def _copy(self, context: RequestContext, route: EndpointRoute, wanted: Invocation, body: bytes) -> None:
        """Send copies to the shadow variants, each for itself: the request waits for none of them. Where too many are
        under way already there is none."""
        for shadow in route.shadows:
            if shadow.addresses and len(self._copies) < MAX_COPIES and random.random() < shadow.weight:  # noqa: S311
                copy = asyncio.create_task(self._ask_shadow(context, route, shadow, wanted, body))
                self._copies.add(copy)
                copy.add_done_callback(self._copies.discard)

    async def _ask_shadow(
        self, context: RequestContext, route: EndpointRoute, shadow: VariantRoute, wanted: Invocation, body: bytes
    ) -> None:
        """Ask a shadow variant; its answer is measured and, if it is to be, captured, and nobody gets it."""
        client = self.servers.least_busy(shadow.addresses)
        asked = time.perf_counter()
        status = 200
        try:
            self._containers.require(route, shadow, wanted)
            answer = await self._asking(context, route, shadow, client, wanted, body)
            if shadow.capture is not None:
                answer = self._captured(context, route, shadow, wanted, body, answer)
            if not isinstance(answer.body, bytes):
                async for _ in answer.body:
                    pass
        except AwsError as error:
            status = original_status(error)
        except (Busy, ConnectFailed, Disconnected, TimedOut, BadAnswer):
            status = 503
        self.note(context, route, shadow, status, time.perf_counter() - asked, asked)

    def find(self, context: RequestContext, endpoint: str) -> EndpointRoute:
        """An endpoint is known here when it has served: while it is made, AWS's answer is the same as for none."""
        route = self._routes.find(context.region, endpoint)
        if route is None or (route.status in {"Creating", "Failed", "Deleting"} and not route.variants):
            raise AwsError("ValidationError", f"Endpoint {endpoint} of account {context.account_id} not found.", 400)
        return route

    def _session(self, context: RequestContext, route: EndpointRoute, wanted: Invocation) -> Session | None:
        if wanted.session is None or wanted.session == NEW_SESSION:
            return None
        session = self._sessions.find(context.region, route.name, wanted.session)
        if session is None:
            raise session_not_found(wanted.session, route.name)
        return session
