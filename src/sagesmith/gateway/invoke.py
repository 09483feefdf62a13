"""InvokeEndpoint: from the routing table to a model server and back.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote

from sagesmith import logging
from sagesmith.gateway.metering import Meter
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Request, Response
from sagesmith.routes import EndpointRoute, RoutesFile, VariantRoute
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException
from sagesmith.wire.validation import validation_message

MAX_BODY_BYTES = 6_291_456
"""`BodyBlob` in the service's model."""

ANSWER_SECONDS = 60.0
"""How long a container may take, as AWS gives it."""

PATIENCE_SECONDS = 2.0
"""How long a request waits for a model server that is being restarted."""

_RETRY_SECONDS = 0.05
_MESSAGE_BYTES = 16 << 10
_CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
_INFERENCE_ID = b"x-amzn-sagemaker-inference-id"
_TARGET_VARIANT = b"x-amzn-sagemaker-target-variant"
_TO_MODEL = frozenset((b"content-type", b"accept", _CUSTOM_ATTRIBUTES, _INFERENCE_ID))
_NOT_BUILT = {
    b"x-amzn-sagemaker-target-model": "TargetModel",
    b"x-amzn-sagemaker-target-container-hostname": "TargetContainerHostname",
    b"x-amzn-sagemaker-inference-component": "InferenceComponentName",
    b"x-amzn-sagemaker-session-id": "SessionId",
    b"x-amzn-sagemaker-enable-explanations": "EnableExplanations",
}
_MAX_LENGTHS = {
    b"content-type": ("contentType", 1024),
    b"accept": ("accept", 1024),
    _CUSTOM_ATTRIBUTES: ("customAttributes", 1024),
    _INFERENCE_ID: ("inferenceId", 64),
    _TARGET_VARIANT: ("targetVariant", 63),
}
_PATH = re.compile(rb"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)/?")
_OPERATIONS = {
    b"invocations": "InvokeEndpoint",
    b"async-invocations": "InvokeEndpointAsync",
    b"invocations-response-stream": "InvokeEndpointWithResponseStream",
}

_MAX_CLIENTS = 512
_FROM_MODEL = frozenset((b"content-type", b"content-length", _CUSTOM_ATTRIBUTES))
_NO_INSTANCES = "A transient exception occurred while retrieving variant instances. Please try again later."
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)
_BROKE_OFF = "The connection to container primary was closed before it answered."

log = logging.get("router")


def parse_path(method: str, path: bytes) -> tuple[str, str] | None:
    """The operation and the endpoint's name, None if the request is no invocation."""
    if method != "POST" or not path.startswith(b"/endpoints/"):
        return None
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    return _OPERATIONS[match[2]], unquote(match[1].decode("latin-1"))


class Invoker:
    """Forwards invocations. One per process and event loop.

    Args:
        routes: the table that the API process writes.
        sleep: waits between two looks at it.
        pinned: the certificate of model servers on other nodes.
        meter: what every invocation of a variant is noted in.
    """

    def __init__(
        self,
        routes: RoutesFile,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pinned: Path | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._routes = routes
        self._meter = meter
        self._pinned = pinned
        self._sleep = sleep
        self._clients: dict[str, Client] = {}

    async def invoke(self, context: RequestContext, endpoint: str, request: Request, body: bytes) -> Response:
        """Answer one InvokeEndpoint.

        Raises:
            AwsError: ValidationError (no such endpoint or variant), ModelError, ServiceUnavailable.
        """
        started = time.perf_counter()
        try:
            headers, target_variant = _read_headers(request.headers)
            route, variant, answer = await self._send(context, endpoint, target_variant, headers, body, started)
        except AwsError as error:
            _log(context, endpoint, None, error.status, error.code, started)
            raise
        kept = [item for item in answer.headers if item[0] in _FROM_MODEL]
        kept.append((b"x-amzn-invoked-production-variant", variant.encode()))
        kept.append((b"x-amzn-requestid", context.request_id.encode()))
        _log(context, route.name, variant, 200, None, started)
        return Response(200, kept, answer.body, answer.close)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    async def _send(
        self,
        context: RequestContext,
        endpoint: str,
        target_variant: str | None,
        headers: Headers,
        body: bytes,
        started: float,
    ) -> tuple[EndpointRoute, str, Response]:
        """
        Args:
            started: when the request came, by `time.perf_counter`.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        down: set[str] = set()
        while True:
            route = self._find(context, endpoint)
            variant = _choose(context, route, target_variant, down)
            if variant is not None:
                client = self._least_busy([address for address in variant.addresses if address not in down])
                asked = time.perf_counter()
                try:
                    answer = await _ask(context, route, client, headers, body)
                except ConnectFailed:
                    down.add(client.address)
                    self._clients.pop(client.address, None)
                    continue
                except AwsError as error:
                    self._note(context, route, variant, error.status, asked, started)
                    raise
                self._note(context, route, variant, 200, asked, started)
                return route, variant.name, answer
            if time.monotonic() > deadline:
                for missed in route.variants:
                    if target_variant in (None, missed.name):
                        self._note(context, route, missed, 503, None, started)
                        break
                raise AwsError("ServiceUnavailable", _NO_INSTANCES, 503)
            await self._sleep(_RETRY_SECONDS)
            down.clear()

    def _note(
        self,
        context: RequestContext,
        route: EndpointRoute,
        variant: VariantRoute,
        status: int,
        asked: float | None,
        started: float,
    ) -> None:
        if self._meter is not None:
            now = time.perf_counter()
            model_seconds = None if asked is None else now - asked
            instances = max(1, len(variant.addresses))
            self._meter.note(context.region, route.name, variant.name, instances, status, model_seconds, now - started)

    def _find(self, context: RequestContext, endpoint: str) -> EndpointRoute:
        """An endpoint is known here when it has served: while it is made, AWS's answer is the same as for none."""
        route = self._routes.find(context.region, endpoint)
        if route is None or (route.status in {"Creating", "Failed", "Deleting"} and not route.variants):
            raise AwsError("ValidationError", f"Endpoint {endpoint} of account {context.account_id} not found.", 400)
        return route

    def _least_busy(self, addresses: list[str]) -> Client:
        clients = [self._client(address) for address in addresses]
        if len(clients) == 1:
            return clients[0]
        random.shuffle(clients)
        return min(clients, key=lambda client: client.outstanding)

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


async def _ask(
    context: RequestContext, route: EndpointRoute, client: Client, headers: Headers, body: bytes
) -> Response:
    """The success that a model server answers.

    Raises:
        ConnectFailed: it does not listen; it has got nothing.
        AwsError: ModelError.
    """
    try:
        answer = await client.request("POST", b"/invocations", headers, body)
    except TimedOut:
        raise _model_failure(context, route.name, _TIMED_OUT) from None
    except (Disconnected, BadAnswer):
        raise _model_failure(context, route.name, _BROKE_OFF) from None
    if not 200 <= answer.status < 300:
        raise await _model_error(context, route.name, answer)
    return answer


def _choose(context: RequestContext, route: EndpointRoute, target: str | None, down: set[str]) -> VariantRoute | None:
    """A variant that can be asked now, by weight; None if there is none.

    Raises:
        AwsError: the request names a variant that the endpoint has not.
    """
    variants = route.variants
    if target is not None:
        variants = [variant for variant in variants if variant.name == target]
        if not variants and route.variants:
            raise AwsError(
                "ValidationError",
                f"Variant {target} of endpoint {route.name} of account {context.account_id} not found.",
                400,
            )
    alive = [variant for variant in variants if any(address not in down for address in variant.addresses)]
    if len(alive) < 2:
        return alive[0] if alive else None
    weights = [variant.weight if target is None else variant.share for variant in alive]
    if sum(weights) <= 0:
        return random.choice(alive)  # noqa: S311
    return random.choices(alive, weights)[0]  # noqa: S311


def _read_headers(headers: Headers) -> tuple[Headers, str | None]:
    """What the model server gets (AWS strips all others), and the variant that the request names."""
    kept: Headers = []
    target: str | None = None
    problems = []
    for item in headers:
        name, value = item
        if name in _MAX_LENGTHS and len(value) > _MAX_LENGTHS[name][1]:
            member, limit = _MAX_LENGTHS[name]
            problems.append(
                f"Value at '{member}' failed to satisfy constraint: "
                f"Member must have length less than or equal to {limit}"
            )
        if name in _TO_MODEL:
            kept.append(item)
        elif name == _TARGET_VARIANT:
            target = value.decode("latin-1")
        elif name in _NOT_BUILT:
            raise NotImplementedException(f"InvokeEndpoint with {_NOT_BUILT[name]} is not implemented.")
    if problems:
        raise AwsError("ValidationError", validation_message(problems), 400)
    return kept, target


async def _model_error(context: RequestContext, endpoint: str, answer: Response) -> AwsError:
    """AWS's ModelError for an answer that is no success."""
    text = await _text(answer)
    kind = "client" if 400 <= answer.status < 500 else "server"
    if text is None:
        said, text = " and could not load the entire response body", ""
    else:
        said = f' with message "{text}"'
    return _error(
        context, endpoint, f"Received {kind} error ({answer.status}) from primary{said}.", answer.status, text
    )


def _model_failure(context: RequestContext, endpoint: str, text: str) -> AwsError:
    """AWS's ModelError where there was no answer: its status is 0 then."""
    return _error(context, endpoint, f'Received server error (0) from primary with message "{text}".', 0, text)


def _error(context: RequestContext, endpoint: str, message: str, status: int, text: str) -> AwsError:
    region, account = context.region, context.account_id
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
    return AwsError(
        "ModelError",
        f"{message} See {console} in account {account} for more information.",
        424,
        {
            "OriginalStatusCode": status,
            "OriginalMessage": text,
            "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
        },
    )


async def _text(answer: Response) -> str | None:
    """The body of an error, None if it does not come or is larger than a message."""
    try:
        if isinstance(answer.body, bytes):
            content = answer.body
        else:
            pieces = []
            size = 0
            async for piece in answer.body:
                size += len(piece)
                if size > _MESSAGE_BYTES:
                    return None
                pieces.append(piece)
            content = b"".join(pieces)
    except (Disconnected, TimedOut, BadAnswer):
        return None
    finally:
        if answer.close is not None:
            answer.close()
    return content.decode("utf-8", "replace") if len(content) <= _MESSAGE_BYTES else None


def _log(
    context: RequestContext, endpoint: str, variant: str | None, status: int, error: str | None, started: float
) -> None:
    log.info(
        "invocation",
        request_id=context.request_id,
        region=context.region,
        endpoint=endpoint,
        variant=variant,
        principal=context.principal.arn,
        status=status,
        error=error,
        milliseconds=round((time.perf_counter() - started) * 1000, 2),
    )
