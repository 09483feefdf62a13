"""What an invoker does for requests that it takes at once as it does for all others."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sagesmith.credentials import Principal
from sagesmith.gateway import hops, model_errors, servers
from sagesmith.gateway.invoke import Invoker
from sagesmith.gateway.metering import Meter
from sagesmith.gateway.serverless import Serverless
from sagesmith.gateway.sessions import NEW_SESSION_ID, Sessions
from sagesmith.http import frames
from sagesmith.http.frames_server import FramesConnection
from sagesmith.http.incoming import IncomingBody
from sagesmith.http.messages import Headers, Request, Response
from sagesmith.http.server import serve
from sagesmith.routes import EndpointRoute, RoutesFile, VariantRoute, write_routes
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError
from tests.unit.http.peers import until

PRINCIPAL = Principal("arn:aws:iam::123456789012:root", "123456789012", "AKIA", "123456789012")
CONTEXT = RequestContext("r", "sagemaker", "", "us-east-1", PRINCIPAL, "127.0.0.1", "", "")
SESSION = (NEW_SESSION_ID, b"mine; Expires=2099-01-01T00:00:00Z")


class Reply:
    """Keeps what a request that was taken at once is answered."""

    def __init__(self) -> None:
        self.response: Response | None = None

    def answer(self, response: Response) -> None:
        self.response = response

    def leave(self) -> None:
        raise AssertionError


class Model:
    """A model server that knows frames, and that answers `wait` never."""

    def __init__(self) -> None:
        self.asked = 0

    async def handle(self, request: Request) -> Response:
        self.asked += 1
        if await request.body.read(100) == b"wait":
            await asyncio.Event().wait()
        return Response(200, [frames.OFFER, SESSION], b"answer")

    async def connect(self, request: Request, takeover: Any) -> None:
        takeover.switch(lambda server: FramesConnection(server, self.take))

    def take(self, headers: Headers, body: bytes, answer: Callable[[Response], None]) -> Callable[[], None]:
        self.asked += 1
        if body != b"wait":
            answer(Response(200, [SESSION], b"answer"))
        return lambda: None


@asynccontextmanager
async def invoking(folder: Path) -> AsyncIterator[tuple[Invoker, Model]]:
    """An invoker that has a connection of frames to the one model server of an endpoint."""
    model = Model()
    server = await serve(model.handle, unix=folder / "s", on_connect=model.connect)
    variant = VariantRoute("v", 1, [f"unix:{folder / 's'}"])
    write_routes(folder / "routes.json", {"us-east-1": {"churn": EndpointRoute("Churn", "InService", [variant])}})
    serverless = Serverless(folder / "wakes", folder / "slots", folder / "invocations")
    invoker = Invoker(RoutesFile(folder / "routes.json"), Sessions(folder / "sessions"), serverless)
    await ordinary(invoker, b"first")
    await until(lambda: invoker.servers.hops.least_busy(variant.addresses) is not None)
    try:
        yield invoker, model
    finally:
        invoker.close()
        await server.close(0)


async def ordinary(invoker: Invoker, body: bytes) -> Response:
    request = Request("POST", b"/endpoints/Churn/invocations", [], IncomingBody(None, len(body)))  # type: ignore[arg-type]
    return await invoker.invoke(CONTEXT, "InvokeEndpoint", "Churn", request, body)


def at_once(invoker: Invoker, body: bytes) -> Reply | None:
    reply = Reply()
    taken = invoker.at_once(CONTEXT, "InvokeEndpoint", "Churn", [], body, reply, time.perf_counter())
    return None if taken is None else reply


@pytest.mark.parametrize("framed_first", [True, False])
def test_a_model_server_has_no_more_under_way_than_the_limit_however_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framed_first: bool
) -> None:
    monkeypatch.setattr(servers, "MAX_OUTSTANDING", 4)

    async def main() -> None:
        async with invoking(tmp_path) as (invoker, model):
            before = model.asked
            tasks = []
            for framed in (framed_first, not framed_first):
                for _ in range(3):
                    if framed:
                        at_once(invoker, b"wait")
                    else:
                        tasks.append(asyncio.create_task(ordinary(invoker, b"wait")))
                        await asyncio.sleep(0)
            await until(lambda: model.asked - before >= 4)
            assert at_once(invoker, b"x") is None
            with pytest.raises(AwsError, match="as many invocations waiting"):
                await ordinary(invoker, b"x")
            assert model.asked - before == 4
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_a_session_that_nobody_asked_for_is_not_begun_whichever_way_it_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        async with invoking(tmp_path) as (invoker, _):
            plain = await ordinary(invoker, b"x")
            prompt = at_once(invoker, b"x")
            assert prompt is not None
            await until(lambda: prompt.response is not None)
            assert prompt.response is not None
            assert prompt.response.headers == [item for item in plain.headers if item[0] != b"content-length"]
            assert SESSION not in plain.headers
            assert invoker._sessions.find("us-east-1", "Churn", "mine") is None

    asyncio.run(main())


@pytest.mark.parametrize("status", [100, 999])
def test_an_error_of_the_api_that_a_model_server_names_has_a_status_of_an_error(status: int) -> None:
    answer = Response(status, [(b"x-sagesmith-refused", b"ValidationError")], b"no")
    assert asyncio.run(model_errors.of_answer(CONTEXT, "Churn", answer)).code == "ModelError"
    answer.status = 404
    error = asyncio.run(model_errors.of_answer(CONTEXT, "Churn", answer))
    assert (error.code, error.status, error.message) == ("ValidationError", 404, "no")


def test_what_containers_took_is_written_though_the_invocation_did_not_come_to_its_end(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    meter.note_container(("us-east-1", "Churn", "v", "first"), 200, 0.1, direct=False)
    meter.flush()
    assert [json.loads(line)["container"] for path in tmp_path.iterdir() for line in path.open()] == ["first"]


def test_a_model_server_that_could_not_speak_frames_for_a_moment_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hops, "AGAIN_SECONDS", 0.0)

    async def main() -> None:
        found = hops.Hops(60.0)
        address = f"unix:{tmp_path / 's'}"
        found.offered(address)
        await until(lambda: not found._connecting)
        model = Model()
        server = await serve(model.handle, unix=tmp_path / "s", on_connect=model.connect)
        found.offered(address)
        await until(lambda: not found._connecting)
        assert found.least_busy([address]) is not None
        found.close()
        await server.close(0)

    asyncio.run(main())
