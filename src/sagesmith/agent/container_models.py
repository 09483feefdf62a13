"""Multi-model endpoints of images of one's own: the container's API for models, driven as AWS drives it.

What requests come by is answered here: a request's model is loaded first, if it is not, and then the request goes on to
the container as one for that model.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

import asyncio
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from sagesmith.agent.engine import OwnImage, label_of
from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.models import Fetched, ModelRefused, ModelStore
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import BodyTooLarge, Disconnected, Headers, Request, Response
from sagesmith.http.server import serve
from sagesmith.modelserver import answers
from sagesmith.modelserver.errors import (
    BadInput,
    BadTarget,
    HandlerFailed,
    InvocationError,
    NoRoom,
    Overloaded,
    Refused,
)
from sagesmith.modelserver.multimodel.cache import LOAD_SECONDS, WAIT_SECONDS, ModelCache

LABEL = "com.amazonaws.sagemaker.capabilities.multi-models"
TARGET_MODEL = b"x-amzn-sagemaker-target-model"
WAITED_HEADER = b"x-sagesmith-model-wait"
REFUSED_HEADER = b"x-sagesmith-refused"
_ANSWER_SECONDS = 60.0
_MAX_BODY_BYTES = 25 << 20
_MESSAGE_BYTES = 16 << 10
_COUNT_SECONDS = 60.0
_MICROSECONDS = 1e6
_INSUFFICIENT_STORAGE, _CONFLICT = 507, 409
_JSON: Headers = [(b"content-type", b"application/json"), (b"accept", b"application/json")]


def require_capable(image: OwnImage) -> None:
    """Make sure that an image says that it has the API.

    Raises:
        TaskFailed: it does not.
    """
    if label_of(image, LABEL) != "true":
        raise TaskFailed(
            f"ClientError: Your image {image.uri} does not contain the required Docker label {LABEL}=true: a container "
            "of a multi-model endpoint answers POST /models, GET /models, DELETE /models/NAME and POST "
            "/models/NAME/invoke."
        )


def start(store: ModelStore, listens_at: Path, container: Path, *, keeps: bool, wait_seconds: float | None) -> None:
    """Begin to answer, in a thread that ends with this process.

    Args:
        listens_at: the socket of the model server.
        container: the socket that leads to the container.
        keeps, wait_seconds: as of `ModelCache`.
    """
    proxy = ContainerModels(store, container, keeps=keeps, wait_seconds=wait_seconds or WAIT_SECONDS)
    threading.Thread(target=lambda: asyncio.run(proxy.run(listens_at)), name="models", daemon=True).start()


class ContainerModels:
    """The models of one container."""

    def __init__(self, store: ModelStore, container: Path, *, keeps: bool, wait_seconds: float) -> None:
        self._store = store
        self._container = container
        self._keeps = keeps
        self._wait_seconds = wait_seconds
        self._cache: ModelCache[Fetched]
        self._client: Client
        self._count = 0

    async def run(self, listens_at: Path) -> None:
        """Answer for as long as this process lives."""
        self._cache = ModelCache(self, keeps=self._keeps, wait_seconds=self._wait_seconds, changed=self._changed)
        self._client = Client(f"unix:{self._container}", answer_seconds=_ANSWER_SECONDS, stall_seconds=_ANSWER_SECONDS)
        # A socket's path may have 107 bytes, and a task's directory more.
        directory = os.open(listens_at.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        await serve(self.handle, unix=f"/proc/self/fd/{directory}/{listens_at.name}")
        while True:
            await asyncio.sleep(_COUNT_SECONDS)
            self._changed(self._count)

    async def handle(self, request: Request) -> Response:
        if request.path != b"/invocations":
            return await self._forwarded(request.method, request.target, request)
        try:
            return await self._invoke(request)
        except Refused as error:
            headers = [(b"content-type", b"text/plain"), (REFUSED_HEADER, error.code.encode())]
            return Response(error.status, headers, str(error).encode())
        except InvocationError as error:
            answer = answers.failure(error)
            return Response(answer.status, [(b"content-type", answer.content_type.encode())], answer.body)

    async def load(self, name: str, make_room: Callable[[], Awaitable[None]]) -> Fetched:
        """`cache.Host.load`."""
        while True:
            try:
                fetched = await asyncio.to_thread(self._store.fetch, name)
                break
            except ModelRefused as error:
                if error.kind != "NoRoom":
                    raise _invocation_error(error) from error
            await make_room()
        try:
            while True:
                began = time.perf_counter()
                try:
                    await self._tell_container_to_load(name, fetched)
                except NoRoom:
                    await make_room()
                    continue
                self._store.note({"ModelLoadingTime": [(time.perf_counter() - began) * _MICROSECONDS]})
                return fetched
        except BaseException:
            await asyncio.to_thread(self._store.drop, fetched.id)
            raise

    async def unload(self, name: str, model: Fetched) -> None:
        """`cache.Host.unload`."""
        began = time.perf_counter()
        try:
            await self._ask("DELETE", f"/models/{model.id}", name)
        except InvocationError as error:
            self._store.task.output.say(f"The model {name} could not be unloaded: {error}")
        self._store.note({"ModelUnloadingTime": [(time.perf_counter() - began) * _MICROSECONDS]})
        await asyncio.to_thread(self._store.drop, model.id)

    async def _invoke(self, request: Request) -> Response:
        name = (request.header(TARGET_MODEL) or b"").decode("latin-1")
        if not name:
            raise BadTarget("The request is missing a target model header.")
        waited: Headers = []
        entry = self._cache.find(name)
        if entry is None:
            began = time.perf_counter()
            entry = await self._cache.acquire(name)
            waited.append((WAITED_HEADER, b"%d" % ((time.perf_counter() - began) * _MICROSECONDS)))
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            if not given_back:
                given_back = True
                self._cache.release(entry)

        try:
            assert entry.model is not None
            answer = await self._forwarded("POST", f"/models/{entry.model.id}/invoke".encode(), request)
        except BaseException:
            give_back()
            raise
        if isinstance(answer.body, bytes):
            give_back()
            return replace(answer, headers=[*answer.headers, *waited])
        close = answer.close

        def closed() -> None:
            give_back()
            if close is not None:
                close()

        return replace(answer, headers=[*answer.headers, *waited], close=closed)

    async def _forwarded(self, method: str, target: bytes, request: Request) -> Response:
        try:
            body = await request.body.read(_MAX_BODY_BYTES)
            return await self._client.request(method, target, request.headers, body)
        except BodyTooLarge as error:
            raise BadInput("The body is too large.", kind="BodyTooLarge", status=413) from error
        except ConnectFailed as error:
            raise Overloaded("The container does not listen.") from error
        except (TimedOut, BadAnswer) as error:
            raise HandlerFailed(f"The container did not answer: {error}", kind=type(error).__name__) from error

    async def _tell_container_to_load(self, name: str, fetched: Fetched) -> None:
        content = json.dumps({"model_name": fetched.id, "url": fetched.path}).encode()
        status, said = await self._ask("POST", "/models", name, content)
        if status == _INSUFFICIENT_STORAGE:
            raise NoRoom
        # One that is loaded already was loaded by a request that this process did not see the end of.
        if status != _CONFLICT and not 200 <= status < 300:
            raise HandlerFailed(
                f"The container could not load the model {name}: {said}", kind="LoadError", status=status
            )

    async def _ask(self, method: str, path: str, name: str, body: bytes = b"") -> tuple[int, str]:
        headers = [*_JSON, (TARGET_MODEL, name.encode())]
        try:
            answer = await self._client.request(method, path.encode(), headers, body, answer_seconds=LOAD_SECONDS)
            content = answer.body
            if not isinstance(content, bytes):
                content = b"".join([piece async for piece in content])
        except (OSError, TimedOut, BadAnswer, Disconnected) as error:
            raise HandlerFailed(f"The container did not answer {method} {path}: {error}") from error
        return answer.status, content[:_MESSAGE_BYTES].decode("utf-8", "replace")

    def _changed(self, count: int) -> None:
        self._count = count
        self._store.note({"LoadedModelCount": [float(count)]})


def _invocation_error(error: ModelRefused) -> InvocationError:
    return BadTarget(str(error)) if error.kind == "BadTarget" else HandlerFailed(str(error), kind=error.kind)
