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
from sagesmith.gateway import invocation, model_errors, response_stream
from sagesmith.gateway.capturing import Asked, Capturer
from sagesmith.gateway.components import NoCapacity
from sagesmith.gateway.containers import Containers
from sagesmith.gateway.hops import Hops
from sagesmith.gateway.invocation import NEW_SESSION, Invocation
from sagesmith.gateway.metering import Meter
from sagesmith.gateway.serverless import Serverless, Waking
from sagesmith.gateway.sessions import CLOSED_SESSION_ID, NEW_SESSION_ID, Session, Sessions
from sagesmith.gateway.targets import choose, session_not_found
from sagesmith.http import frames
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Reply, Request, Response
from sagesmith.routes import EndpointRoute, RoutesFile, ServerlessRoute, VariantRoute
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError, InternalFailure
from sagesmith.wire.protocols.rest_json import error_answer

MAX_BODY_BYTES = 6_291_456
"""`BodyBlob` in the service's model."""

ANSWER_SECONDS = 60.0
"""How long a container may take, as AWS gives it."""

PATIENCE_SECONDS = 2.0
"""How long a request waits for a model server that is being restarted."""

MAX_OUTSTANDING = 1024
"""How many invocations of one model server a router has under way; one more is refused."""

MAX_COPIES = 64
"""How many copies for shadow variants a router has under way."""

_RETRY_SECONDS = 0.05
_MAX_CLIENTS = 512
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
        self._pinned = pinned
        self._sleep = sleep
        self._hops = Hops(ANSWER_SECONDS)
        self._beside: set[asyncio.Task[None]] = set()
        self._clients: dict[str, Client] = {}
        self._containers = Containers(_ask, (_Busy, ConnectFailed), self._client, meter)

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
            _log(context, operation, name, None, started, error.status, error.code)
            raise
        kept = self.headers_of(context, route, variant, address if wanted.session is not None else None, answer)
        if operation == "InvokeEndpoint":
            self.note(context, route, variant, 200, took, started)
            _log(context, operation, name, variant.name, started)
            return Response(200, kept, answer.body, answer.close)

        def ended(code: str | None) -> None:
            self.note(context, route, variant, 200 if code is None else 0, took, started)
            _log(context, operation, name, variant.name, started, 200, code)

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
        try:
            chosen = choose(context, route, wanted, None, _NONE_DOWN, self._under_way_at)
        except NoCapacity:
            return None  # `invoke` says it, and counts it
        hop = None if chosen is None or chosen[0].containers else self._hops.least_busy(chosen[1])
        if chosen is None or hop is None or self._under_way_at(hop[0]) >= MAX_OUTSTANDING:
            return None
        prompt = _Prompt(self, context, route, chosen[0], wanted, body, reply, started, time.perf_counter())
        return hop[1].ask(wanted.headers, body, prompt.answered)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nothing here waits for."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def close(self) -> None:
        self._hops.close()
        for client in self._clients.values():
            client.close()

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
            chosen = choose(context, route, wanted, session, down, self._under_way_at)
            if chosen is not None:
                variant, addresses = chosen
                self._containers.require(route, variant, wanted)
                if route.shadows and not copied:
                    copied = True
                    self._copy(context, route, wanted, body)
                client = self._least_busy(addresses)
                asked = time.perf_counter()
                try:
                    if self._under_way_at(client.address) >= MAX_OUTSTANDING:
                        raise _Busy
                    answer = await self._asking(context, route, variant, client, wanted, body)
                except _Busy:
                    busy = True
                    down.add(client.address)
                    continue
                except ConnectFailed:
                    down.add(client.address)
                    self._clients.pop(client.address, None)
                    continue
                except AwsError as error:
                    self.note(context, route, variant, _original(error), time.perf_counter() - asked, started)
                    raise
                took = time.perf_counter() - asked
                if frames.OFFER in answer.headers:
                    self._hops.offered(client.address)
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
        """`_ask`, through all containers if the variant has several."""
        if variant.containers:
            return self._containers.ask(context, route, variant, client, wanted, body)
        return _ask(context, route, client, wanted, body)

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
            concurrent = 1 + self._outstanding(variant.addresses) if component else 0
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

    def _outstanding(self, addresses: list[str]) -> int:
        """How many invocations of these model servers this router has under way."""
        clients = (client for each in addresses if (client := self._clients.get(each)) is not None)
        return sum(client.outstanding for client in clients) + sum(map(self._hops.outstanding, addresses))

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
        client = self._least_busy(shadow.addresses)
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
            status = _original(error)
        except (_Busy, ConnectFailed, Disconnected, TimedOut, BadAnswer):
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

    def _least_busy(self, addresses: list[str]) -> Client:
        if len(addresses) == 1:
            return self._client(addresses[0])
        shuffled = random.sample(addresses, len(addresses))
        return self._client(min(shuffled, key=self._under_way_at))

    def _under_way_at(self, address: str) -> int:
        """Requests of this router's that are under way to a model server."""
        client = self._clients.get(address)
        return self._hops.outstanding(address) + (0 if client is None else client.outstanding)

    def _client(self, address: str) -> Client:
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


class _Prompt:
    """An invocation that was taken at once, until it is answered."""

    __slots__ = ("_asked", "_body", "_context", "_invoker", "_reply", "_route", "_started", "_variant", "_wanted")

    def __init__(
        self,
        invoker: Invoker,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        wanted: Invocation,
        body: bytes,
        reply: Reply,
        started: float,
        asked: float,
    ) -> None:
        self._invoker = invoker
        self._context = context
        self._route = route
        self._variant = variant
        self._wanted = wanted
        self._body = body
        self._reply = reply
        self._started = started
        self._asked = asked

    def answered(self, result: Response | Exception) -> None:
        took = time.perf_counter() - self._asked
        try:
            self._pass_on(result, took)
        except Exception:
            self._fault()

    def _pass_on(self, result: Response | Exception, took: float) -> None:
        context, route = self._context, self._route
        if isinstance(result, Exception):
            how = model_errors.TIMED_OUT if isinstance(result, TimedOut) else model_errors.BROKE_OFF
            self._failed(model_errors.without_answer(context, route.name, how), took)
        elif result.status == 503 and model_errors.BUSY in result.headers:
            if result.close is not None:
                result.close()
            self._reply.leave()
        elif not 200 <= result.status < 300:
            self._invoker.beside(self._refused(result, took))
        else:
            result = self._invoker.received(context, route, self._variant, self._wanted, self._body, result)
            headers = self._invoker.headers_of(context, route, self._variant, None, result)
            self._reply.answer(Response(200, headers, result.body, result.close))
            # The answer leaves at the end of this turn of the loop: what nobody waits for comes after it.
            asyncio.get_running_loop().call_soon(self._account, 200, took, None)

    async def _refused(self, answer: Response, took: float) -> None:
        try:
            self._failed(await model_errors.of_answer(self._context, self._route.name, answer), took)
        except Exception:
            self._fault()

    def _fault(self) -> None:
        """A fault of ours: the caller is not to wait for ever."""
        request_id = self._context.request_id
        log.exception("a request failed", request_id=request_id, endpoint=self._route.name)
        failure = InternalFailure("We encountered an internal error. Please try again.")
        self._reply.answer(error_answer(failure, request_id, "Message"))

    def _failed(self, error: AwsError, took: float) -> None:
        self._reply.answer(error_answer(error, self._context.request_id, "Message"))
        self._account(_original(error), took, error)

    def _account(self, status: int, took: float, error: AwsError | None) -> None:
        self._invoker.note(self._context, self._route, self._variant, status, took, self._started)
        variant = None if error else self._variant.name
        shown, code = (error.status, error.code) if error else (200, None)
        _log(self._context, "InvokeEndpoint", self._route.name, variant, self._started, shown, code)


class _Busy(Exception):
    """A model server has as many invocations waiting as it takes."""


async def _ask(
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
        _Busy: no handler saw it.
        AwsError: ModelError.
    """
    if client.outstanding >= MAX_OUTSTANDING:
        raise _Busy
    try:
        answer = await client.request("POST", b"/invocations", wanted.headers, body, answer_seconds=seconds)
    except TimedOut:
        raise model_errors.without_answer(context, route.name, model_errors.TIMED_OUT, container) from None
    except (Disconnected, BadAnswer):
        raise model_errors.without_answer(context, route.name, model_errors.BROKE_OFF, container) from None
    if answer.status == 503 and model_errors.BUSY in answer.headers:
        if answer.close is not None:
            answer.close()
        raise _Busy
    if not 200 <= answer.status < 300:
        raise await model_errors.of_answer(context, route.name, answer, container)
    return answer


def _original(error: AwsError) -> int:
    """The status that a model answered, 0 if it did not."""
    return int(error.members.get("OriginalStatusCode", error.status))


def _log(
    context: RequestContext,
    operation: str,
    endpoint: str,
    variant: str | None,
    started: float,
    status: int = 200,
    error: str | None = None,
) -> None:
    log.info(
        "invocation",
        request_id=context.request_id,
        region=context.region,
        operation=operation,
        endpoint=endpoint,
        variant=variant,
        principal=context.principal.arn,
        status=status,
        error=error,
        milliseconds=round((time.perf_counter() - started) * 1000, 2),
    )
