"""A load task: users who ask an endpoint, level by level, through the platform's front door as any client does.

It runs no code of the user's, so it needs no sandbox; and it gives way to everything else on its machine.
"""

import asyncio
import io
import itertools
import json
import mimetypes
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sagesmith.agent.failures import TaskFailed, TaskStopped
from sagesmith.agent.task import Task
from sagesmith.agent.train import Ending
from sagesmith.compute.base import Load
from sagesmith.http.client import BadAnswer, Client, TimedOut
from sagesmith.http.messages import Disconnected, Response

if TYPE_CHECKING:
    from botocore.auth import SigV4Auth

MAX_PAYLOAD_BYTES = 6 << 20
"""Of one request, as InvokeEndpoint takes them."""
MAX_ARCHIVE_BYTES = 256 << 20
MAX_PAYLOADS = 10_000
_NICE = 10
_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 120.0
"""How long an endpoint may take to answer at first: its model server may have been lost with what started it."""
_ANSWER_SECONDS = 70.0
_PAUSE_SECONDS = 0.2
"""Between two requests of a user whose last one was not answered well."""
_MAX_SAID = 400


@dataclass(frozen=True, slots=True)
class Payload:
    """One request."""

    content_type: str
    body: bytes


@dataclass(slots=True)
class Counts:
    """What came of the requests of one level."""

    invocations: int = 0
    errors: int = 0


def put_load(task: Task) -> Ending:
    """Put the load of a task's specification on its endpoint.

    Raises:
        TaskFailed: the payload cannot be had, or the endpoint does not answer it.
        TaskStopped: somebody asked it to end.
    """
    load = task.spec.load
    if load is None:
        raise TaskFailed("InternalServerError: a load task without a load.")
    os.nice(_NICE)
    task.report.write("Downloading", "Downloading the sample payload")
    with task.signals.interruptible():
        payloads = fetch(task, load)
    task.output.say(f"{len(payloads)} sample payload(s) for endpoint {load.endpoint}")
    levels = asyncio.run(Generator(task, load, payloads).run())
    return Ending("Completed", "The load was put on", {"levels": levels})


def fetch(task: Task, load: Load) -> list[Payload]:
    """The payloads of the archive.

    Raises:
        TaskFailed: there is none, or it is none.
    """
    from sagesmith.agent.s3 import S3Failed, split_uri

    try:
        content = task.s3.read(*split_uri(load.payload_uri), max_bytes=MAX_ARCHIVE_BYTES)
    except S3Failed as error:
        said = f"the sample payload {load.payload_uri} cannot be downloaded: {error.code}: {error}"
        raise TaskFailed(f"ClientError: {said}") from error
    found = list(itertools.islice(payloads_in(content, load), MAX_PAYLOADS))
    if not found:
        raise TaskFailed(f"ClientError: the sample payload {load.payload_uri} has no file in it.")
    return found


def payloads_in(content: bytes, load: Load) -> Iterator[Payload]:
    """The files of a .tar.gz, but for hidden ones, which some systems add.

    Raises:
        TaskFailed: it cannot be read, or a file is too large for a request.
    """
    read = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if not member.isfile() or name.startswith("."):
                    continue
                read += member.size
                if member.size > MAX_PAYLOAD_BYTES or read > MAX_ARCHIVE_BYTES:
                    said = f"{member.name} of the sample payload is too large for a request"
                    raise TaskFailed(f"ClientError: {said}: at most {MAX_PAYLOAD_BYTES} bytes are taken.")
                file = archive.extractfile(member)
                body = file.read() if file is not None else b""
                yield Payload(_content_type(name, load.content_types), body)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        said = f"the sample payload {load.payload_uri} is not a .tar.gz archive"
        raise TaskFailed(f"ClientError: {said}: {error}") from error


def _content_type(name: str, supported: list[str]) -> str:
    guessed, _ = mimetypes.guess_type(name)
    return guessed if guessed in supported else supported[0]


def front_door(task: Task, load: Load) -> str:
    """Where this machine reaches what the specification calls the front door: on a cluster's node it lies elsewhere."""
    url = urlsplit(load.url)
    told = {name: leads_to for name, _, leads_to in (each.partition("=") for each in task.spec.doors)}
    return f"{url.scheme}://{leads_to}" if (leads_to := told.get(url.netloc)) else load.url


class Generator:
    """Users of one endpoint. Belongs to the loop that runs it."""

    def __init__(self, task: Task, load: Load, payloads: list[Payload]) -> None:
        self._task = task
        self._load = load
        self._url = front_door(task, load)
        self._payloads = itertools.cycle(payloads)
        self._each_once = payloads
        self._counts = Counts()
        self._users: list[asyncio.Task[None]] = []
        self._wanted = 0
        self._target = f"/endpoints/{quote(load.endpoint)}/invocations"
        self._signer = _signer(task)

    async def run(self) -> list[dict[str, float]]:
        """Put on level after level; what came of each."""
        bundle = self._task.spec.ca_bundle
        self._client = Client(
            self._url,
            answer_seconds=_ANSWER_SECONDS,
            max_idle=max(users for users, _ in self._load.levels),
            ca_file=Path(bundle) if bundle else None,
        )
        try:
            first = await self._try_each()
            self._task.report.write("Invoking", "Invoking the endpoint", first_answer_seconds=first)
            return [await self._level(users, seconds) for users, seconds in self._load.levels]
        finally:
            self._dismiss(0)
            await asyncio.gather(*self._users, return_exceptions=True)
            self._client.close()

    async def _try_each(self) -> float:
        """Send the first payloads once: what the model does not take is not worth a load; seconds that the first took.

        Raises:
            TaskFailed: one is not answered well.
            TaskStopped: somebody asked the task to end.
        """
        began, first = monotonic(), 0.0
        deadline = began + _PATIENCE_SECONDS
        for payload in self._each_once[:10]:
            while (problem := await self._ask(payload)) is not None:
                self._heed_stop()
                status, said = problem
                if monotonic() >= deadline or (400 <= status < 500 and "not found" not in said):
                    said = f"endpoint {self._load.endpoint} answered {status} to a sample payload: {said}"
                    raise TaskFailed(f"ClientError: {said[:_MAX_SAID]}")
                await asyncio.sleep(_PAUSE_SECONDS)
            first = first or monotonic() - began
        return first

    async def _level(self, users: int, seconds: float) -> dict[str, float]:
        self._counts = counts = Counts()
        self._dismiss(users)
        self._users += [asyncio.create_task(self._user(number)) for number in range(len(self._users), users)]
        began = monotonic()
        while (left := began + seconds - monotonic()) > 0:
            self._heed_stop()
            await asyncio.sleep(min(left, _LOOK_SECONDS))
        took = monotonic() - began
        rate = counts.invocations / took
        said = f"{users} user(s), {took:.1f} s: {rate:.1f} invocations a second, {counts.errors} failed"
        self._task.output.say(said)
        return {"users": users, "seconds": took, "invocations": counts.invocations, "errors": counts.errors}

    def _dismiss(self, wanted: int) -> None:
        """Let no more than so many users go on. One that was cancelled while it connected may not hear of it
        (https://github.com/python/cpython/issues/86296), so each looks as well."""
        self._wanted = wanted
        for user in self._users[wanted:]:
            user.cancel()
        if wanted:
            del self._users[wanted:]

    async def _user(self, number: int) -> None:
        while number < self._wanted:
            if await self._ask(next(self._payloads)) is None:
                self._counts.invocations += 1
            else:
                self._counts.errors += 1
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(self, payload: Payload) -> tuple[int, str] | None:
        """Invoke the endpoint once: None if it answered well, else with which status and words; 0 if it did not."""
        try:
            response = await self._client.request("POST", self._target.encode(), self._signed(payload), payload.body)
            body = await _whole(response)
        except (OSError, Disconnected, TimedOut, BadAnswer) as error:
            return 0, f"{type(error).__name__}: {error}"
        return None if 200 <= response.status < 300 else (response.status, _message(body))

    def _signed(self, payload: Payload) -> list[tuple[bytes, bytes]]:
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("POST", f"{self._url}{self._target}", {"Content-Type": payload.content_type}, payload.body)
        self._signer.add_auth(request)
        return [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]

    def _heed_stop(self) -> None:
        if self._task.signals.stop_requested:
            raise TaskStopped


async def _whole(response: Response) -> bytes:
    body = response.body
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


def _message(body: bytes) -> str:
    """What an error's body says."""
    try:
        said = json.loads(body)
        return str(said.get("OriginalMessage") or said.get("message") or said.get("Message") or said)
    except (ValueError, AttributeError):
        return body.decode("utf-8", "replace")


def _signer(task: Task) -> "SigV4Auth":
    from botocore.auth import SigV4Auth
    from botocore.credentials import Credentials

    of = task.spec.environment
    credentials = Credentials(of["AWS_ACCESS_KEY_ID"], of["AWS_SECRET_ACCESS_KEY"], of.get("AWS_SESSION_TOKEN"))
    return SigV4Auth(credentials, "sagemaker", of["AWS_REGION"])
