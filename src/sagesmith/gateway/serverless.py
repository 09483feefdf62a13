"""Invocations of serverless endpoints: no more at once than an endpoint takes, and those that wake it wait for it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html, serverless-endpoints-invoke.html and,
for the metrics, serverless-endpoints-monitoring.html
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from sagesmith import wakes
from sagesmith.gateway import model_errors
from sagesmith.gateway.metric_lines import MetricLines
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
_FLUSH_SECONDS = 1.0
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
    _waiting_since: float = 0.0
    _pause: float = _FIRST_PAUSE_SECONDS

    def pause_seconds(self, route: ServerlessRoute) -> float:
        """Ask for a model server, if need be again; how long to wait before the next look.

        Raises:
            AwsError: ModelError, if it could not be started, or not in time.
        """
        if route.failed_at >= self.began:
            raise model_errors.without_answer(self.context, self.name, route.failure)
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        if now >= self._deadline:
            raise model_errors.without_answer(self.context, self.name, model_errors.TIMED_OUT)
        if now >= self._ask_at:
            self._ask_at = now + _ASK_AGAIN_SECONDS
            wakes.ask(self._folder, self.context.region, self.name)
        pause, self._pause = self._pause, min(self._pause * _LONGER, _LONGEST_PAUSE_SECONDS)
        self.waited_seconds = now + pause - self._waiting_since
        return pause

    def end(self) -> None:
        """Give the slot back; a second time does nothing."""
        self._file.give_back(self._slot)

    @property
    def number(self) -> int:
        """How many invocations of the endpoint were under way at least when this one came."""
        return self._slot.number

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
        metrics_folder: where metrics are written for the API process to find.
    """

    def __init__(self, wakes_folder: Path, slots_folder: Path, metrics_folder: Path) -> None:
        self._lines = MetricLines(metrics_folder, "serverless")
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
            self._forget_gone()
            file = self._files[key] = SlotFile(path_of(self._slots, *key))
        began = time.time()
        slot = file.take(limits.concurrency)
        if slot is None:
            message = _THROTTLED.format(endpoint=route.name, limit=limits.concurrency)
            raise AwsError("ThrottlingException", message, 429)
        return Waking(context, route.name, began, self._wakes, file, slot)

    def answered(self, waking: Waking, limits: ServerlessRoute) -> None:
        """Note what an invocation that was answered tells of its endpoint."""
        under_way, provisioned = waking.number + 1, limits.provisioned
        values = [("ServerlessConcurrentExecutionsUtilization", under_way / limits.concurrency, "None")]
        if waking.waited_seconds:
            values.append(("ModelSetupTime", waking.waited_seconds * 1e6, "Microseconds"))
        if provisioned:
            within = min(under_way, provisioned)
            spilled = under_way > provisioned
            values += [
                ("ServerlessProvisionedConcurrencyExecutions", within, "Count"),
                ("ServerlessProvisionedConcurrencyUtilization", within / provisioned, "None"),
                ("ServerlessProvisionedConcurrencyInvocations", float(not spilled), "Count"),
                ("ServerlessProvisionedConcurrencySpilloverInvocations", float(spilled), "Count"),
            ]
        for name, value, unit in values:
            self._lines.note(waking.context.region, waking.name, limits.variant, name, value, unit)

    def _forget_gone(self) -> None:
        """Close the files of endpoints that were deleted: each is a descriptor."""
        for key in [key for key, file in self._files.items() if file.is_gone]:
            self._files.pop(key).close()

    async def run(self) -> None:
        """Write metrics once a second, until it is cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self._lines.flush()

    def close(self) -> None:
        """Write what is left, and free all slots."""
        self._lines.flush()
        for file in self._files.values():
            file.close()
