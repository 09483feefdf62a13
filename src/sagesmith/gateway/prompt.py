"""An invocation that was taken at once (`sagesmith.http.messages.AtOnce`), until it is answered."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from sagesmith import logging
from sagesmith.gateway import model_errors
from sagesmith.gateway.invocation import Invocation
from sagesmith.gateway.invocation_log import log_invocation, original_status
from sagesmith.http.client import TimedOut
from sagesmith.http.messages import Headers, Reply, Response
from sagesmith.routes import EndpointRoute, VariantRoute
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError, InternalFailure
from sagesmith.wire.protocols.rest_json import error_answer

log = logging.get("router")


class Keeper(Protocol):
    """What an invocation leaves behind is kept by: the `Invoker`."""

    def note(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        status: int,
        model_seconds: float | None,
        started: float,
    ) -> None: ...

    def received(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        wanted: Invocation,
        body: bytes,
        answer: Response,
    ) -> Response: ...

    def headers_of(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        address: str | None,
        answer: Response,
    ) -> Headers: ...

    def beside(self, work: Coroutine[Any, Any, None]) -> None: ...


class Prompt:
    """An invocation that was taken at once, until it is answered."""

    __slots__ = ("_asked", "_body", "_context", "_invoker", "_reply", "_route", "_started", "_variant", "_wanted")

    def __init__(
        self,
        invoker: Keeper,
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
        """Hand on what the model server answered, or why it did not."""
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
        self._account(original_status(error), took, error)

    def _account(self, status: int, took: float, error: AwsError | None) -> None:
        self._invoker.note(self._context, self._route, self._variant, status, took, self._started)
        variant = None if error else self._variant.name
        shown, code = (error.status, error.code) if error else (200, None)
        log_invocation(self._context, "InvokeEndpoint", self._route.name, variant, self._started, shown, code)
