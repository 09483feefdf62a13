"""`GET /ping`, `POST /invocations` and `GET /execution-parameters`: the event loop's side of a model server.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from sagesmith.http import frames
from sagesmith.http.frames_server import FramesConnection
from sagesmith.http.messages import BodyTooLarge, Response
from sagesmith.modelserver import answers, codecs
from sagesmith.modelserver.desk import Desk, DeskConnection, Mover
from sagesmith.modelserver.errors import BadInput, InvocationError, Overloaded, Refused, TimedOut
from sagesmith.modelserver.streams import PieceStream
from sagesmith.modelserver.worker import Invocation, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagesmith.http.connect import Takeover
    from sagesmith.http.messages import Headers, Request
    from sagesmith.modelserver.multimodel.server import Models
    from sagesmith.modelserver.settings import Settings
    from sagesmith.modelserver.worker import Reply

logger = logging.getLogger("sagesmith.modelserver")

CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
JSON_HEADER = (b"content-type", b"application/json")
BUSY_HEADER = (b"x-sagesmith-busy", b"1")
"""By it a router knows that no handler saw the request: it may ask another model server."""
REFUSED_HEADER = b"x-sagesmith-refused"
"""By it a router knows that an answer is an error of the API: its value is the code, the body is the message."""


class Application:
    """What is answered to whom. Belongs to the event loop's thread, but for `ready`, which anyone may set.

    Args:
        on_stuck: called once when a handler has run for longer than its time, after its invocation was answered.
        models: who answers invocations in place of the one model's `pool`.
        offers_frames: whether clients are told that they may send frames in place of HTTP.
    """

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        on_stuck: Callable[[], None],
        models: Models | None = None,
        *,
        offers_frames: bool = False,
    ) -> None:
        self._offers_frames = offers_frames
        self._models = models
        self.pool = WorkerPool(loop, settings.queue_limit)
        self._queue = models or self.pool
        if offers_frames and models is None and settings.workers == 1:
            self.pool.desk = Desk(loop, self._help)
        self.ready = False
        self.execution_parameters: Callable[[], Any] | None = None
        self._settings = settings
        self._loop = loop
        self._on_stuck = on_stuck
        self._watch: asyncio.TimerHandle | None = None
        self._routes = {
            b"/invocations": ("POST", self._invocations),
            b"/ping": ("GET", self._ping),
            b"/execution-parameters": ("GET", self._execution_parameters),
        }

    async def handle(self, request: Request) -> Response:
        route = self._routes.get(request.path)
        if route is None:
            return Response(404, [JSON_HEADER], b'{"error": "NotFound", "error-message": "There is no such path."}')
        method, endpoint = route
        if request.method != method:
            headers = [JSON_HEADER, (b"allow", method.encode())]
            return Response(405, headers, b'{"error": "MethodNotAllowed", "error-message": "See the Allow header."}')
        try:
            response = await endpoint(request)
        except InvocationError as error:
            response = _refusal(error)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s %s %d", request.method, request.target.decode("latin-1"), response.status)
        return response

    async def _ping(self, _request: Request) -> Response:
        return Response(200 if self.ready else 503)

    async def _execution_parameters(self, _request: Request) -> Response:
        """The answer of the user's `execution_parameters_fn`, for batch transform."""
        if self.execution_parameters is None:
            return Response(404)
        try:
            parameters = await self._loop.run_in_executor(None, self.execution_parameters)
        except Exception as error:
            logger.exception("execution_parameters_fn failed")
            raise answers.from_exception(error) from error
        return _response(answers.answer(parameters, codecs.JSON))

    async def _invocations(self, request: Request) -> Response:
        if not self.ready:
            raise Overloaded("The model is still being loaded.")
        try:
            body = await request.body.read(self._settings.max_payload_bytes)
        except BodyTooLarge:
            raise BadInput(
                f"The body is larger than {self._settings.max_payload_bytes} bytes.", kind="BodyTooLarge", status=413
            ) from None
        invocation = self._invocation(request.headers, body, self._loop.create_future())
        response = _complete(await self._queue.submit(invocation), request.headers)
        if self._offers_frames:
            response.headers.append(frames.OFFER)
        return response

    def take(self, headers: Headers, body: bytes, answer: Callable[[Response], None]) -> Callable[[], None]:
        """Answer an invocation that came in a frame; what cancels it."""
        reply = _FrameReply(headers, answer)
        if not self.ready:
            reply.set_exception(Overloaded("The model is still being loaded."))
            return _nothing
        if self._models is not None:
            return self._take_by(self._models, headers, body, reply)
        invocation = self._invocation(headers, body, reply)
        try:
            self.pool.queue(invocation)
        except Overloaded as error:
            reply.set_exception(error)
            return _nothing
        return partial(self.pool.cancel, invocation)

    def _take_by(self, models: Models, headers: Headers, body: bytes, reply: _FrameReply) -> Callable[[], None]:
        """`take` where there are many models: at once, if the one that is asked for is loaded."""
        invocation = self._invocation(headers, body, reply)
        try:
            if models.queue(invocation):
                return partial(self.pool.cancel, invocation)
        except Overloaded as error:
            reply.set_exception(error)
            return _nothing
        task = self._loop.create_task(self._answer_by(models, headers, body, reply))
        return partial(_cancel, task)

    async def _answer_by(self, models: Models, headers: Headers, body: bytes, reply: _FrameReply) -> None:
        try:
            reply.set_result(await models.submit(self._invocation(headers, body, self._loop.create_future())))
        except InvocationError as error:
            reply.set_exception(error)

    async def connect(self, request: Request, takeover: Takeover) -> None:
        """Exchange frames with a router, in place of HTTP."""
        if request.target != frames.TARGET:
            takeover.refuse(Response(405, [JSON_HEADER, (b"allow", b"GET, POST")]))
            return
        desk = self.pool.desk
        if desk is None:
            takeover.switch(lambda server: FramesConnection(server, self.take))
        else:
            takeover.switch(lambda server: Mover(desk, lambda: DeskConnection(desk, server, self.take_at_desk)))

    def take_at_desk(self, headers: Headers, body: bytes, answer: Callable[[Response], None]) -> Callable[[], None]:
        """`take` by whichever thread reads at the desk."""
        reply = _FrameReply(headers, answer)
        if not self.ready:
            reply.set_exception(Overloaded("The model is still being loaded."))
            return _nothing
        invocation = self._read(headers, body, reply)
        invocation.at_desk = True
        try:
            self.pool.take_in(invocation)
        except Overloaded as error:
            reply.set_exception(error)
            return _nothing
        return partial(self.pool.cancel, invocation)

    def _help(self) -> None:
        """The worker has been busy for a while: deliver what its batch has so far, and watch how long it will be."""
        self.pool.deliver()
        if self._watch is None and self._queue.pending:
            self._watch = self._loop.call_later(self._settings.invocation_timeout_seconds, self._look_for_stuck)

    def _invocation(self, headers: Headers, body: bytes, reply: Reply) -> Invocation:
        if self._watch is None:
            self._watch = self._loop.call_later(self._settings.invocation_timeout_seconds, self._look_for_stuck)
        return self._read(headers, body, reply)

    def _read(self, headers: Headers, body: bytes, reply: Reply) -> Invocation:
        content_type = accept = b""
        for name, value in headers:
            if name == b"content-type":
                content_type = content_type or value
            elif name == b"accept":
                accept = accept or value
        return Invocation(
            body=body,
            content_type=content_type.decode("latin-1") if content_type else codecs.JSON,
            accept=self._settings.default_accept if accept in (b"", codecs.ANY.encode()) else accept.decode("latin-1"),
            headers=headers,
            future=reply,
        )

    def _look_for_stuck(self) -> None:
        """One timer for all invocations, set while there are any, for the handler that has been running longest."""
        self._watch = None
        since = self._queue.running_since()
        limit = self._settings.invocation_timeout_seconds
        # One that waits for its client, or that is between two pieces, has been running for no time yet.
        left = limit if since is None else min(limit, limit - (self._queue.now() - since))
        if left <= 0:
            logger.error("A handler has not returned for %g s. The model server starts anew. Its threads:", limit)
            faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
            self.ready = False
            self._queue.abandon(TimedOut(f"The handler did not return within {limit:g} s."))
            self._on_stuck()
        elif self._queue.pending:
            self._watch = self._loop.call_later(left, self._look_for_stuck)


class _FrameReply:
    """Where the answer to a request goes that came in a frame."""

    __slots__ = ("_answer", "_headers")

    def __init__(self, headers: Headers, answer: Callable[[Response], None]) -> None:
        self._headers = headers
        self._answer: Callable[[Response], None] | None = answer

    def done(self) -> bool:
        return self._answer is None

    def set_result(self, result: answers.Answer, /) -> None:
        self._send(_complete(result, self._headers))

    def set_exception(self, exception: InvocationError, /) -> None:
        self._send(_refusal(exception))

    def _send(self, response: Response) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(response)


def _nothing() -> None:
    pass


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _refusal(error: InvocationError) -> Response:
    response = _response(answers.failure(error))
    if isinstance(error, Overloaded):
        response.headers.append(BUSY_HEADER)
    elif isinstance(error, Refused):
        headers = [(b"content-type", b"text/plain"), (REFUSED_HEADER, error.code.encode())]
        response = Response(error.status, headers, str(error).encode())
    return response


def _complete(answer: answers.Answer, asked: Headers) -> Response:
    """The response to an invocation, with the caller's custom attributes if the handler set none."""
    response = _response(answer)
    for name, value in asked:
        if name == CUSTOM_ATTRIBUTES:
            if all(known != CUSTOM_ATTRIBUTES for known, _ in response.headers):
                response.headers.append((CUSTOM_ATTRIBUTES, value))
            break
    return response


def _response(answer: answers.Answer) -> Response:
    headers = [(b"content-type", answer.content_type.encode("latin-1", "replace")), *(answer.headers or ())]
    return Response(answer.status, headers, answer.pieces if isinstance(answer.pieces, PieceStream) else answer.body)
