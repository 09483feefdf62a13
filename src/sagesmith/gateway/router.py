"""The front door: verifies who asks and passes each request to whoever answers it."""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable

from sagesmith import hosts, logging
from sagesmith.config import Platform
from sagesmith.credentials import ExpiredCredentials, KeyRing, Principal, UnknownCredentials
from sagesmith.gateway import invoke
from sagesmith.gateway.asynchronous.front import AsyncFront
from sagesmith.gateway.capturing import Capturer
from sagesmith.gateway.invocation import parse_path
from sagesmith.gateway.invoke import Invoker
from sagesmith.gateway.metering import Meter
from sagesmith.gateway.s3 import S3Front
from sagesmith.gateway.s3_address import host_of, is_s3_host
from sagesmith.gateway.serverless import Serverless
from sagesmith.gateway.sessions import Sessions
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import BodyTooLarge, Disconnected, Headers, Reply, Request, Response
from sagesmith.identifiers import random_uuid
from sagesmith.routes import RoutesFile
from sagesmith.wire import sigv4
from sagesmith.wire.answers import error_response
from sagesmith.wire.context import CONTEXT_HEADER, RequestContext
from sagesmith.wire.errors import AwsError, InternalFailure, NotImplementedException
from sagesmith.wire.protocols import protocol_of
from sagesmith.wire.protocols.rest_json import error_answer
from sagesmith.wire.refusals import refusal

MAX_BODY_BYTES = 10_485_760
"""Of a request to the control plane."""

API_SECONDS = 120.0
"""How long the API process may take to answer."""

API_PATIENCE_SECONDS = 3.0
"""How long a request waits for an API process that is being restarted: refused connections executed nothing."""

_RETRY_SECONDS = 0.05
_USER_AGENT_BYTES = 1024
"""As much as CloudTrail keeps of it."""

_REGION = re.compile(r"[a-z]{2,5}(?:-[a-z0-9]+){1,4}")
_NOT_FORWARDED = frozenset(
    (
        b"accept-encoding",
        b"amz-sdk-invocation-id",
        b"amz-sdk-request",
        b"authorization",
        b"expect",
        b"user-agent",
        b"x-amz-content-sha256",
        b"x-amz-date",
        b"x-amz-security-token",
        b"x-amz-user-agent",
    )
)
"""What operations do not look at: secrets, and what costs time to pass on and to read. The user agent is in the
context."""

log = logging.get("router")


class Router:
    """Answers all requests of the one endpoint. One per process and event loop."""

    def __init__(self, platform: Platform, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._s3 = S3Front(platform, keyring)
        self.meter = Meter(platform.dir.invocations)
        self.capturer = Capturer(platform.dir.captures)
        self.serverless = Serverless(platform.dir.wakes, platform.dir.slots, platform.dir.invocations)
        routes = RoutesFile(platform.dir.routes_file, asyncio.get_running_loop().call_soon)
        self._invoker = Invoker(
            routes,
            Sessions(platform.dir.sessions),
            self.serverless,
            pinned=platform.dir.gate_identity,
            meter=self.meter,
            capturer=self.capturer,
        )
        self.asynchronous = AsyncFront(platform, routes, self._invoker.find)
        self._api = Client(f"unix:{platform.dir.api_socket}", answer_seconds=API_SECONDS)

    def close(self) -> None:
        self._api.close()
        self._invoker.close()
        self.meter.flush()
        self.serverless.close()
        self.capturer.flush()
        self._s3.close()

    async def handle(self, request: Request) -> Response:
        """Answer one request; never raises but for a client that is gone."""
        request_id = random_uuid()
        service = ""
        try:
            if hosts.is_telemetry(request.host):
                return Response(200, [(b"x-amzn-requestid", request_id.encode())])
            signature = _read_signature(request)
            if signature is None or signature.service == "s3":
                if _is_for_s3(request, signature):
                    return await self._s3.handle(request, request_id)
                _refuse_unsigned(request)
            assert signature is not None
            service = signature.service
            return await self._answer(request, request_id, signature)
        except AwsError as error:
            return self._refuse(request, request_id, service, error)
        except BodyTooLarge:
            limit = invoke.MAX_BODY_BYTES if _invocation(request) else MAX_BODY_BYTES
            return _too_large(limit, request_id)
        except Disconnected:
            raise
        except Exception:
            log.exception("a request failed", request_id=request_id, target=_shown(request))
            failure = InternalFailure("We encountered an internal error. Please try again.")
            return error_response(service, request.target, request.headers, failure, request_id)

    def at_once(self, request: Request, body: bytes, reply: Reply) -> Callable[[], None] | None:
        """Take an ordinary prediction, whose model server is at hand, without a task; see `AtOnce`.

        Whatever is not in order is left to `handle`, which says so.
        """
        if request.host is not None or not request.target.startswith(b"/endpoints/"):
            return None
        started = time.perf_counter()
        try:
            signature = sigv4.parse_signature(request.target, request.headers)
            invocation = _invocation(request)
            if signature is None or signature.service != "sagemaker" or invocation is None:
                return None
            principal, secret = self._find(request, signature)
            _verify(request, signature, secret, body)
            context = RequestContext(
                random_uuid(), signature.service, "", signature.region, principal, request.peer, "", ""
            )
            return self._invoker.at_once(context, *invocation, request.headers, body, reply, started)
        except AwsError:
            return None
        except Exception:
            log.exception("a request could not be taken at once", target=_shown(request))
            return None

    async def _answer(self, request: Request, request_id: str, signature: sigv4.Signature) -> Response:
        invocation = _invocation(request) if signature.service == "sagemaker" else None
        # Whoever has no key must not fill our memory with bodies.
        principal, secret = self._find(request, signature)
        body = await request.body.read(invoke.MAX_BODY_BYTES if invocation else MAX_BODY_BYTES)
        _verify(request, signature, secret, body)
        agent = (request.header(b"user-agent") or b"")[:_USER_AGENT_BYTES].decode("latin-1")
        context = RequestContext(
            request_id, signature.service, "", signature.region, principal, request.peer, agent, _origin(request)
        )
        if invocation is None:
            return await self._ask_api(context, request, body)
        operation, endpoint = invocation
        try:
            if operation == "InvokeEndpointAsync":
                return await self.asynchronous.accept(context, endpoint, request, body)
            return await self._invoker.invoke(context, operation, endpoint, request, body)
        except AwsError as error:
            return error_answer(error, request_id, "Message")

    def _find(self, request: Request, signature: sigv4.Signature) -> tuple[Principal, str]:
        """The principal that a request says it is from, and the secret that its signature must have been made with.

        Raises:
            AwsError: by the codes of the service's protocol.
        """
        try:
            if not _REGION.fullmatch(signature.region):
                raise sigv4.WrongScope("Credential should be scoped to a valid region.")
            return self._keyring.find(signature.access_key_id, signature.session_token)
        except (sigv4.WrongScope, UnknownCredentials, ExpiredCredentials) as error:
            raise refusal(error, protocol_of(signature.service, request.target, request.headers)) from error

    async def _ask_api(self, context: RequestContext, request: Request, body: bytes) -> Response:
        headers: Headers = [
            item
            for item in request.headers
            if item[0] not in _NOT_FORWARDED and not item[0].startswith(b"x-sagesmith-")
        ]
        headers.append((CONTEXT_HEADER, context.to_header()))
        deadline = time.monotonic() + API_PATIENCE_SECONDS
        while True:
            try:
                return await self._api.request(request.method, request.target, headers, body)
            except ConnectFailed as error:
                if time.monotonic() > deadline:
                    raise _unavailable() from error
                await asyncio.sleep(_RETRY_SECONDS)
            except (Disconnected, TimedOut, BadAnswer) as error:
                log.error("the API process did not answer", request_id=context.request_id, reason=repr(error))
                raise _unavailable() from error

    def _refuse(self, request: Request, request_id: str, service: str, error: AwsError) -> Response:
        log.info(
            "refused",
            request_id=request_id,
            service=service,
            method=request.method,
            target=_shown(request),
            host=request.host,
            source_ip=request.peer,
            status=error.status,
            error=error.code,
        )
        response = error_response(service, request.target, request.headers, error, request_id)
        if error.status == 503:
            response.headers.append((b"retry-after", b"1"))
        return response


def _verify(request: Request, signature: sigv4.Signature, secret: str, body: bytes) -> None:
    """Prove the signature over what was received, whatever the request says of its body's hash.

    Raises:
        AwsError: by the codes of the service's protocol.
    """
    digest = hashlib.sha256(body).hexdigest() if body else sigv4.EMPTY_SHA256
    try:
        sigv4.verify(signature, request.method, request.target, request.headers, digest, secret, time.time())
    except sigv4.SignatureError as error:
        raise refusal(error, protocol_of(signature.service, request.target, request.headers)) from error


def _read_signature(request: Request) -> sigv4.Signature | None:
    try:
        return sigv4.parse_signature(request.target, request.headers)
    except sigv4.MalformedSignature as error:
        if is_s3_host(host_of(request)) or _has_s3_form(request):
            return None
        if request.host is not None and not hosts.is_provided(request.host):
            raise NotImplementedException(hosts.explain(request.host)) from error
        raise refusal(error, protocol_of("", request.target, request.headers)) from error


def _is_for_s3(request: Request, signature: sigv4.Signature | None) -> bool:
    if signature is not None:
        return True
    if is_s3_host(host_of(request)) or _has_s3_form(request):
        return True
    if request.host is not None:
        return False
    return request.method in {"GET", "HEAD"} and b"Action=" not in request.query and _invocation(request) is None


def _has_s3_form(request: Request) -> bool:
    """Signed in a way that only S3 knows: Signature Version 2, or HTML forms."""
    authorization = request.header(b"authorization") or b""
    return (
        authorization.startswith(b"AWS ")
        or b"AWSAccessKeyId=" in request.query
        or (request.header(b"content-type") or b"").startswith(b"multipart/form-data")
    )


def _refuse_unsigned(request: Request) -> None:
    if request.host is not None and not hosts.is_provided(request.host):
        raise NotImplementedException(hosts.explain(request.host))
    raise refusal(sigv4.MissingSignature(), protocol_of("", request.target, request.headers))


def _invocation(request: Request) -> tuple[str, str] | None:
    return parse_path(request.method, request.path)


def _origin(request: Request) -> str:
    """Where a client on another machine reaches us, so that URLs which we hand out lead there as well."""
    if request.scheme != "https" or request.host is not None:
        return ""
    return "https://" + (request.header(b"host") or b"").decode("latin-1")


def _unavailable() -> AwsError:
    return AwsError("ServiceUnavailable", "The request has failed due to a temporary failure of the server.", 503)


def _too_large(limit: int, request_id: str) -> Response:
    """In plain text, as AWS's front ends refuse it before any protocol looks at it."""
    message = f"HTTP content length exceeded {limit} bytes."
    return Response(
        413, [(b"content-type", b"text/plain"), (b"x-amzn-requestid", request_id.encode())], message.encode()
    )


def _shown(request: Request) -> str:
    """The target for a log: a query may hold a signature."""
    return request.path.decode("latin-1")[:512]
