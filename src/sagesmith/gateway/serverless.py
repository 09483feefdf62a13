"""Invocations of serverless endpoints: no more at once than an endpoint takes, and those that wake it wait for it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html and serverless-endpoints-invoke.html
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from sagesmith import wakes
from sagesmith.gateway import model_errors
from sagesmith.http.messages import Response
from sagesmith.routes import EndpointRoute, ServerlessRoute
from sagesmith.slots import Slot, SlotFile, path_of
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError

MAX_BODY_BYTES = 4 << 20
"""Of a request, as AWS has it for serverless endpoints."""
WAKE_SECONDS = 60.0
"""How long a request waits for a model server, as long as an invocation may take."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, _LONGER = 0.004, 0.05, 1.15
_ASK_AGAIN_SECONDS = 1.0
_THROTTLED = "Endpoint {endpoint} has as many concurrent invocations as its MaxConcurrency allows ({limit})."


@dataclass(slots=True)
class Waking:
    """One invocation of a serverless endpoint: it has a slot, and waits while there is no model server.

    Attributes:
        began: when it came, in seconds since the epoch.
        waited_seconds: how long it had to wait for a model server.
    """

    context: RequestContext
    name: str
    began: float
    _folder: Path
    _file: SlotFile
    _slot: Slot
    waited_seconds: float = 0.0
    _deadline: float = field(default_factory=lambda: time.monotonic() + WAKE_SECONDS)
    _ask_at: float = 0.0
    _pause: float = _FIRST_PAUSE_SECONDS

    def pause_seconds(self, route: ServerlessRoute) -> float:
        """Ask for a model server, if need be again; how long to wait before the next look.

        Raises:
            AwsError: ModelError, if it could not be started, or not in time.
        """
        if route.failed_at >= self.began:
            raise model_errors.without_answer(self.context, self.name, route.failure)
        now = time.monotonic()
        if now >= self._deadline:
            raise model_errors.without_answer(self.context, self.name, model_errors.TIMED_OUT)
        if now >= self._ask_at:
            self._ask_at = now + _ASK_AGAIN_SECONDS
            wakes.ask(self._folder, self.context.region, self.name)
        pause, self._pause = self._pause, min(self._pause * _LONGER, _LONGEST_PAUSE_SECONDS)
        return pause

    def end(self) -> None:
        """Give the slot back; a second time does nothing."""
        self._file.give_back(self._slot)

    def until_sent(self, answer: Response) -> Response:
        """The answer, which keeps the slot until it was sent, or its client has gone."""
        if isinstance(answer.body, bytes):
            self.end()
            return answer
        former = answer.close

        def close() -> None:
            self.end()
            if former is not None:
                former()

        return Response(answer.status, answer.headers, self._held(answer.body), close)

    async def _held(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in body:
                yield piece
        finally:
            self.end()


class Serverless:
    """What a router knows of serverless endpoints.

    Args:
        wakes_folder, slots_folder: those of the data directory.
    """

    def __init__(self, wakes_folder: Path, slots_folder: Path) -> None:
        self._wakes = wakes_folder
        self._slots = slots_folder
        self._files: dict[tuple[str, str], SlotFile] = {}

    def enter(self, context: RequestContext, route: EndpointRoute, limits: ServerlessRoute, body: bytes) -> Waking:
        """Begin an invocation. The route is looked up again after that: an endpoint sleeps when no slot is taken.

        Raises:
            AwsError: ThrottlingException, if as many are under way as there may be; ValidationError of a large body.
        """
        if len(body) > MAX_BODY_BYTES:
            raise AwsError("ValidationError", f"HTTP content length exceeded {MAX_BODY_BYTES} bytes.", 413)
        key = (context.region, route.name.lower())
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = SlotFile(path_of(self._slots, *key))
        began = time.time()
        slot = file.take(limits.concurrency)
        if slot is None:
            message = _THROTTLED.format(endpoint=route.name, limit=limits.concurrency)
            raise AwsError("ThrottlingException", message, 429)
        return Waking(context, route.name, began, self._wakes, file, slot)
