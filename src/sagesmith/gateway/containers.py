"""Invocations of models with several containers: through all of them, one after the other, or of the one that is named.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipelines.html and multi-container-direct.html there
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from sagesmith.gateway import model_errors
from sagesmith.gateway.invocation import Invocation
from sagesmith.gateway.metering import Meter
from sagesmith.http import frames
from sagesmith.http.client import BadAnswer, Client, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Response
from sagesmith.routes import EndpointRoute, VariantRoute, container_address
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError

ANSWER_SECONDS = 60.0
"""How long all containers together may take."""
MAX_HANDED_ON_BYTES = 6_291_456
"""What one container may hand to the next: as much as a client may send."""

_HANDED_ON = frozenset((b"content-type", b"x-amzn-sagemaker-custom-attributes"))
_NO_CONTAINER = "A transient exception occurred while retrieving variant instances. Please try again later."


class Ask(Protocol):
    """See `invoke._ask`."""

    def __call__(
        self,
        context: RequestContext,
        route: EndpointRoute,
        client: Client,
        wanted: Invocation,
        body: bytes,
        container: str = ...,
        seconds: float | None = ...,
    ) -> Awaitable[Response]: ...


class Containers:
    """Asks the containers of an instance. One a router.

    Args:
        ask: asks one of them.
        unseen: what it raises where the container has not seen the request.
        client: what asks at an address.
        meter: what each container's time is noted in.
    """

    def __init__(
        self,
        ask: Ask,
        unseen: tuple[type[Exception], ...],
        client: Callable[[str], Client],
        meter: Meter | None,
    ) -> None:
        self._ask = ask
        self._unseen = unseen
        self._client = client
        self._meter = meter

    @staticmethod
    def require(route: EndpointRoute, variant: VariantRoute, wanted: Invocation) -> None:
        """Make sure that an invocation names a container if and only if the variant wants that.

        Raises:
            AwsError: ValidationError.
        """
        target = wanted.target_container
        if not variant.direct:
            if target is not None:
                raise _invalid(
                    f"TargetContainerHostname can be specified only for an endpoint that is configured for direct "
                    f"invocation: variant {variant.name} of endpoint {route.name} is not."
                )
        elif target is None:
            raise _invalid(
                f"TargetContainerHostname must be specified: variant {variant.name} of endpoint {route.name} is "
                f"configured for direct invocation. Its containers are {', '.join(variant.containers)}."
            )
        elif target not in variant.containers:
            raise _invalid(f"Container {target} of variant {variant.name} of endpoint {route.name} not found.")

    async def ask(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        first: Client,
        wanted: Invocation,
        body: bytes,
    ) -> Response:
        """The last container's answer, or that of the one that is named.

        Of what stands before it the content type goes along; what the client accepts is for the last one to heed.

        Args:
            first: asks the first container of the instance that was chosen.

        Raises:
            Exception: one of `unseen`, if no container has seen the request.
            AwsError: ModelError, which says which container it was; ServiceUnavailable, if a later one is gone.
        """
        through = _Through(context, route, variant, time.monotonic() + ANSWER_SECONDS)
        if wanted.target_container is not None:
            number = variant.containers.index(wanted.target_container) + 1
            return await self._timed(through, number, first.address, wanted, body)
        for number, names in enumerate(pairwise(variant.containers), 1):
            asked = replace(wanted, headers=[each for each in wanted.headers if each[0] != b"accept"])
            answer = await self._anywhere(through, number, first.address, asked, body)
            body = await _whole(through, answer, names)
            wanted = replace(wanted, headers=handed_on(wanted.headers, answer.headers))
        return await self._anywhere(through, len(variant.containers), first.address, wanted, body)

    async def _anywhere(
        self, through: "_Through", number: int, first: str, wanted: Invocation, body: bytes
    ) -> Response:
        """One container's answer; where it is gone from this instance, that of another instance's, for
        none has seen what the container before it answered."""
        if number == 1:
            return await self._timed(through, number, first, wanted, body)
        for instance in (first, *(each for each in through.variant.addresses if each != first)):
            try:
                return await self._timed(through, number, instance, wanted, body)
            except self._unseen:
                continue
        raise AwsError("ServiceUnavailable", _NO_CONTAINER, 503)

    async def _timed(self, through: "_Through", number: int, first: str, wanted: Invocation, body: bytes) -> Response:
        """One container's answer; how long it took is noted, unless it has not seen the request."""
        variant = through.variant
        name = variant.containers[number - 1]
        client = self._client(container_address(first, number))
        began = time.perf_counter()
        left = max(0.0, through.deadline - time.monotonic())
        try:
            answer = await self._ask(through.context, through.route, client, wanted, body, name, left)
        except AwsError as error:
            self._note(through, name, int(error.members.get("OriginalStatusCode", error.status)), began)
            raise
        self._note(through, name, answer.status, began)
        if frames.OFFER in answer.headers:
            answer.headers.remove(frames.OFFER)
        return answer

    def _note(self, through: "_Through", container: str, status: int, began: float) -> None:
        if self._meter is not None:
            place = (through.context.region, through.route.name, through.variant.name, container)
            self._meter.note_container(place, status, time.perf_counter() - began, direct=through.variant.direct)


@dataclass(frozen=True, slots=True)
class _Through:
    """One invocation on its way.

    Attributes:
        deadline: when the last container's answer must have begun, by `time.monotonic`.
    """

    context: RequestContext
    route: EndpointRoute
    variant: VariantRoute
    deadline: float


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message, 400)


def handed_on(headers: Headers, answered: Headers) -> Headers:
    """What the next container gets of the client's headers, and of those of the container before it."""
    told = [each for each in answered if each[0] in _HANDED_ON]
    names = {b"content-type", *(name for name, _ in told)}
    return [*(each for each in headers if each[0] not in names), *told]


async def _whole(through: _Through, answer: Response, ways: tuple[str, str]) -> bytes:
    """The body of an answer that another container is to get.

    Raises:
        AwsError: ModelError: it broke off, or is too large.
    """
    try:
        pieces = [answer.body] if isinstance(answer.body, bytes) else []
        size = sum(map(len, pieces))
        if not isinstance(answer.body, bytes):
            async for piece in answer.body:
                size += len(piece)
                if size > MAX_HANDED_ON_BYTES:
                    break
                pieces.append(piece)
    except (Disconnected, BadAnswer):
        raise _without_answer(through, model_errors.BROKE_OFF, ways[0]) from None
    except TimedOut:
        raise _without_answer(through, model_errors.TIMED_OUT, ways[0]) from None
    finally:
        if answer.close is not None:
            answer.close()
    if size > MAX_HANDED_ON_BYTES:
        declared = next((value.decode("latin-1") for name, value in answer.headers if name == b"content-length"), None)
        said = f"{declared} bytes" if declared else f"more than {MAX_HANDED_ON_BYTES} bytes"
        raise model_errors.too_large(through.context, through.route.name, answer, ways, said)
    return b"".join(pieces)


def _without_answer(through: _Through, text: str, container: str) -> AwsError:
    return model_errors.without_answer(through.context, through.route.name, text, container)
