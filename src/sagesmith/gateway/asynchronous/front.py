"""A router's part in InvokeEndpointAsync: every router takes requests, one of them works the queue off."""

import asyncio
import fcntl
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from sagesmith import logging
from sagesmith.config import Platform
from sagesmith.gateway.asynchronous import asking
from sagesmith.gateway.asynchronous.asking import Asked
from sagesmith.gateway.asynchronous.objects import PlaceInvalid, parse_place
from sagesmith.gateway.asynchronous.records import Entry, Record, Records
from sagesmith.http.messages import Headers, Request, Response
from sagesmith.identifiers import random_uuid
from sagesmith.routes import AsyncRoute, EndpointRoute, RoutesFile
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError

if TYPE_CHECKING:
    from sagesmith.gateway.asynchronous.worker import Worker

LOOK_SECONDS = 1.0
"""How often a router looks whether the queue is without a worker."""

_TELL_AGAIN_SECONDS = 0.02
_NOT_ASYNCHRONOUS = (
    "Endpoint {endpoint} of account {account} is not configured for asynchronous inference. Use InvokeEndpoint, or an "
    "endpoint configuration with an AsyncInferenceConfig."
)

log = logging.get("async")

Find = Callable[[RequestContext, str], EndpointRoute]


class AsyncFront:
    """One a router.

    Args:
        routes: the table that the API process writes.
        find: the endpoint of a request; raises what the caller is to see where there is none.
    """

    def __init__(self, platform: Platform, routes: RoutesFile, find: Find) -> None:
        self._platform = platform
        self._find = find
        self._records = Records(platform.dir.async_queue)
        self._routes = routes
        self._worker: Worker | None = None
        self._untold: deque[bytes] = deque()

    async def accept(self, context: RequestContext, endpoint: str, request: Request, body: bytes) -> Response:
        """Answer one InvokeEndpointAsync: the request is on the disk then.

        Raises:
            AwsError: ValidationError, ServiceUnavailable.
        """
        started = time.perf_counter()
        asked = asking.read(request.headers, body)
        route = self._find(context, endpoint)
        if route.asynchronous is None:
            message = _NOT_ASYNCHRONOUS.format(endpoint=route.name, account=context.account_id)
            raise AwsError("ValidationError", message, 400)
        try:
            record = _record(context, route, route.asynchronous, asked)
        except PlaceInvalid as error:
            raise AwsError("ValidationError", f"The endpoint's configuration: {error}", 400) from error
        try:
            await asyncio.to_thread(self._records.write, record, body)
        except OSError as error:
            log.error("a request could not be written down", endpoint=route.name, reason=str(error))
            message = "The request could not be queued, for the disk does not take it. Please try again later."
            raise AwsError("ServiceUnavailable", message, 503) from error
        self._tell(record)
        log.info(
            "queued",
            request_id=context.request_id,
            region=context.region,
            endpoint=route.name,
            inference_id=record.inference_id,
            principal=context.principal.arn,
            milliseconds=round((time.perf_counter() - started) * 1000, 2),
        )
        return _accepted(context, record)

    async def run(self) -> None:
        """Work the queue off whenever no other router does, until cancelled.

        What stands in the way, such as a full disk, may go: a router that gave up would leave the queue to nobody.
        """
        while True:
            try:
                await self._take_over()
            except OSError as error:
                log.error("the queue cannot be worked off", reason=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def _take_over(self) -> None:
        while not self._is_needed():  # noqa: ASYNC110 (files have no event)
            await asyncio.sleep(LOOK_SECONDS)
        self._platform.dir.asynchronous.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(self._platform.dir.asynchronous / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _locked(lock):  # noqa: ASYNC110 (who has it may be killed)
                await asyncio.sleep(LOOK_SECONDS)
            log.info("works the queue off", pid=os.getpid())
            await self._work()
        finally:
            os.close(lock)

    async def _work(self) -> None:
        """A fault of ours must not leave the queue to nobody: it begins anew."""
        # Loaded by the one router that needs it.
        from sagesmith.gateway.asynchronous.worker import Worker

        while True:
            self._worker = Worker(self._platform, self._records, self._routes)
            try:
                await self._worker.run()
            except Exception:
                log.exception("the queue's worker begins anew")
            finally:
                self._worker = None
            await asyncio.sleep(LOOK_SECONDS)

    def _is_needed(self) -> bool:
        """Whether there is an endpoint that takes asynchronous requests, or was when some came."""
        return self._platform.dir.async_queue.is_dir() or any(True for _ in self._routes.asynchronous())

    def _tell(self, record: Record) -> None:
        """Tell whoever works the queue off. Who is not there yet will find the file."""
        queue = (record.region, record.endpoint.lower())
        if self._worker is not None:
            self._worker.add(queue, record.entry)
            return
        self._untold.append("/".join((*queue, record.entry.name)).encode())
        if len(self._untold) == 1:
            self._tell_all()

    def _tell_all(self) -> None:
        """Say what there is to say; the rest a little later, for the kernel keeps no more than a few words unheard."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
            teller.setblocking(False)
            try:
                while self._untold:
                    teller.sendto(self._untold[0], str(self._platform.dir.async_socket))
                    self._untold.popleft()
            except BlockingIOError:
                asyncio.get_running_loop().call_later(_TELL_AGAIN_SECONDS, self._tell_all)
            except OSError:
                self._untold.clear()


def _record(context: RequestContext, route: EndpointRoute, asynchronous: AsyncRoute, asked: Asked) -> Record:
    received = time.time()
    identity = random_uuid()
    extension = asked.texts.get("s3OutputPathExtension", "")
    filename = asked.texts.get("filename")
    output = failure = None
    if asynchronous.output:
        output = parse_place(asynchronous.output).under(extension, filename or f"{identity}.out").uri
    if asynchronous.failure:
        failure = parse_place(asynchronous.failure).under(extension, filename or f"{identity}-error.out").uri
    return Record(
        entry=Entry(int(received * 1000), int((received + asked.ttl_seconds) * 1000), identity),
        region=context.region,
        account_id=context.account_id,
        request_id=context.request_id,
        endpoint=route.name,
        endpoint_made_at=asynchronous.made_at,
        inference_id=asked.texts.get("inferenceId") or identity,
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in asked.headers],
        input=None if asked.input is None else asked.input.uri,
        output=output,
        failure=failure,
        kms_key_id=asynchronous.kms_key_id,
        timeout_seconds=asked.timeout_seconds,
        topics=asynchronous.topics,
        included_in=asynchronous.included_in,
    )


def _accepted(context: RequestContext, record: Record) -> Response:
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"x-amzn-requestid", context.request_id.encode()),
    ]
    for name, value in (
        (b"x-amzn-sagemaker-outputlocation", record.output),
        (b"x-amzn-sagemaker-failurelocation", record.failure),
    ):
        if value is not None:
            headers.append((name, value.encode()))
    return Response(202, headers, orjson.dumps({"InferenceId": record.inference_id}))


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
