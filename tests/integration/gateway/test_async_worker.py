"""The queue of asynchronous requests as a router works it off: model servers and object store are peers of the test."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.config import Platform
from sagesmith.gateway.asynchronous import worker as workers
from sagesmith.gateway.asynchronous.records import Entry, Record, Records
from sagesmith.gateway.asynchronous.worker import Worker
from sagesmith.http.messages import Handler, Request, Response
from sagesmith.http.server import serve
from sagesmith.identifiers import random_uuid
from sagesmith.routes import AsyncRoute, EndpointRoute, RoutesFile, VariantRoute, write_routes

QUEUE = ("us-east-1", "churn")


class World:
    """A worker, what it is told, and the objects that there are.

    Attributes:
        objects: by `/bucket/key`; a waiter is woken when one is put.
        away: whether the object store answers with errors.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects: dict[str, bytes] = {}
        self.away = False
        self.put = asyncio.Condition()
        self.platform = Platform(
            str(root), "127.0.0.1", 1, 2, 0, "123456789012", "us-east-1", "sqlite://", "http://127.0.0.1:9", "a", "b",
            str(root), 1,
        )  # fmt: skip
        self.records = Records(self.platform.dir.async_queue)

    async def store(self, request: Request) -> Response:
        if self.away:
            return Response(503)
        path = request.path.decode()
        if request.method == "GET":
            content = self.objects.get(path)
            return Response(404) if content is None else Response(200, [(b"content-type", b"text/csv")], content)
        content = await request.body.read(1 << 30)
        async with self.put:
            self.objects[path] = content
            self.put.notify_all()
        return Response(200)

    async def model(self, name: str, handler: Handler) -> str:
        path = self.root / name
        await serve(handler, unix=path)
        return f"unix:{path}"

    def route(self, *addresses: str, concurrency: int = 2, containers: tuple[str, ...] = ()) -> None:
        variant = VariantRoute("v", 1, list(addresses), containers=list(containers))
        asked = AsyncRoute(1.5, concurrency, "s3://out", "s3://failed")
        route = EndpointRoute("Churn", "InService", [variant], asynchronous=asked)
        write_routes(self.platform.dir.routes_file, {"us-east-1": {"churn": route}})

    def ask(self, body: bytes = b"", **changes: object) -> Record:
        now = int(time.time() * 1000)
        identity = random_uuid()
        record = Record(
            entry=Entry(now, now + 60_000, identity),
            region="us-east-1",
            account_id="123456789012",
            request_id="r",
            endpoint="Churn",
            endpoint_made_at=1.5,
            inference_id="i",
            headers=[],
            input=None,
            output=f"s3://out/{identity}",
            failure=f"s3://failed/{identity}",
            kms_key_id=None,
            timeout_seconds=900,
            topics={},
            included_in=[],
        )
        record = replace(record, **changes)  # type: ignore[arg-type]
        self.records.write(record, body)
        return record

    async def outcome(self, record: Record) -> tuple[bool, bytes]:
        """Whether a request succeeded, and what its object has; its record is gone soon after."""
        output, failure = f"/out/{record.entry.id}", f"/failed/{record.entry.id}"
        async with self.put:
            await self.put.wait_for(lambda: output in self.objects or failure in self.objects)
        while any(entries for _, entries in self.records.found({})):  # noqa: ASYNC110 (files have no event)
            await asyncio.sleep(0.01)
        return output in self.objects, self.objects.get(output, self.objects.get(failure, b""))


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[World]:
    world = World(root)
    server = await serve(world.store, tcp=("127.0.0.1", 0))
    port = server.port
    world.platform = replace(world.platform, s3_endpoint=f"http://127.0.0.1:{port}")
    for directory in (world.platform.dir.run, world.platform.dir.sockets, world.platform.dir.tls):
        directory.mkdir(parents=True, exist_ok=True)
    yield world


@asynccontextmanager
async def working(world: World) -> AsyncIterator[Worker]:
    worker = Worker(world.platform, world.records, RoutesFile(world.platform.dir.routes_file))
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run(root: Path, test: Callable[[World], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with opened(root) as world:
            await test(world)

    asyncio.run(inside())


def saying(text: bytes, status: int = 200) -> Handler:
    async def handler(request: Request) -> Response:
        await request.body.read(1 << 30)
        return Response(status, [(b"content-type", b"text/plain")], text)

    return handler


async def breaking(request: Request) -> Response:
    """Breaks the connection off, as a model server does that is killed."""
    raise asyncio.CancelledError


def test_no_model_server_has_more_requests_at_once_than_it_may(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        under_way = most = 0
        full, go = asyncio.Event(), asyncio.Event()

        async def handler(request: Request) -> Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            if under_way == 3:
                full.set()
            await go.wait()
            under_way -= 1
            return Response(200, [], b"ok")

        world.route(await world.model("m", handler), concurrency=3)
        records = [world.ask() for _ in range(8)]
        async with working(world):
            await full.wait()
            go.set()
            assert [(await world.outcome(record))[0] for record in records] == [True] * 8
        assert most == 3

    run(tmp_path, test)


def test_a_request_that_ends_three_model_servers_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_DOWN_SECONDS", 0.0)
    asked = 0

    async def counted(request: Request) -> Response:
        nonlocal asked
        asked += 1
        return await breaking(request)

    async def test(world: World) -> None:
        world.route(await world.model("m", counted))
        record = world.ask()
        async with working(world):
            succeeded, said = await world.outcome(record)
        assert not succeeded
        assert said.startswith(b"InternalServerError: The model server ended")

    run(tmp_path, test)
    assert asked == 3


def test_who_breaks_off_leaves_the_request_to_another(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.route(await world.model("bad", breaking), await world.model("good", saying(b"ok")), concurrency=1)
        records = [world.ask() for _ in range(4)]
        async with working(world):
            assert [await world.outcome(record) for record in records] == [(True, b"ok")] * 4

    run(tmp_path, test)


def test_a_request_waits_while_the_object_store_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_AWAY_SECONDS", 0.0)
    monkeypatch.setattr("sagesmith.gateway.asynchronous.objects.PATIENCE_SECONDS", 0.0)
    asked = asyncio.Event()

    async def test(world: World) -> None:
        async def handler(request: Request) -> Response:
            body = await request.body.read(100)
            asked.set()
            return Response(200, [], body)

        world.route(await world.model("m", handler))
        world.objects["/in/x"] = b"1,2"
        world.away = True
        record = world.ask(input="s3://in/x")
        other = world.ask(b"inline")
        async with working(world):
            await asked.wait()
            world.away = False
            assert await world.outcome(record) == (True, b"1,2")
            assert await world.outcome(other) == (True, b"inline")

    run(tmp_path, test)


def test_a_request_that_waited_for_too_long_fails_without_a_model_server(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.route()
        now = int(time.time() * 1000)
        record = world.ask(entry=Entry(now - 2000, now - 1000, random_uuid()), failure="s3://failed/late")
        async with working(world), world.put:
            await world.put.wait_for(lambda: "/failed/late" in world.objects)
        assert b"RequestTTLSeconds" in world.objects["/failed/late"]
        assert record.output is not None

    run(tmp_path, test)


def test_a_request_for_a_former_endpoint_of_the_name_fails(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.route(await world.model("m", saying(b"ok")))
        record = world.ask(endpoint_made_at=1.0)
        async with working(world):
            succeeded, said = await world.outcome(record)
        assert not succeeded
        assert b"was deleted" in said

    run(tmp_path, test)


def test_requests_wait_for_a_model_server_and_are_found_by_whoever_works_then(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        record = world.ask(b"1")
        async with working(world):
            pass
        async with working(world) as worker:
            world.route(await world.model("m", saying(b"ok")))
            assert await world.outcome(record) == (True, b"ok")
            later = world.ask(b"2")
            worker.add(QUEUE, later.entry)
            assert await world.outcome(later) == (True, b"ok")

    run(tmp_path, test)


def test_what_one_container_answers_is_the_next_ones_input(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []

    def container(name: str) -> Handler:
        async def handler(request: Request) -> Response:
            body = await request.body.read(1 << 30)
            seen.append(((request.header(b"content-type") or b"").decode(), body))

            async def pieces() -> AsyncIterator[bytes]:
                yield body
                yield name.encode()

            return Response(200, [(b"content-type", f"text/{name}".encode())], pieces())

        return handler

    async def test(world: World) -> None:
        for number, name in enumerate("ab", 1):
            (world.root / "i" / str(number)).mkdir(parents=True)
            await world.model(f"i/{number}/http.sock", container(name))
        world.route(f"unix:{world.root}/i/1/http.sock", containers=("a", "b"))
        record = world.ask(b"x", headers=[("content-type", "text/csv"), ("accept", "text/b")])
        async with working(world):
            assert await world.outcome(record) == (True, b"xab")
        assert seen == [("text/csv", b"x"), ("text/a", b"xa")]

    run(tmp_path, test)


def test_a_place_of_the_platforms_own_is_not_read(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.objects["/sagesmith-internal-123456789012/key"] = b"secret"
        world.route(await world.model("m", saying(b"ok")))
        record = world.ask(input="s3://sagesmith-internal-123456789012/key")
        async with working(world):
            succeeded, said = await world.outcome(record)
        assert not succeeded
        assert b"secret" not in said

    run(tmp_path, test)


def test_a_full_disk_for_notices_asks_no_model_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_AWAY_SECONDS", 0.01)
    asked = 0

    async def count(request: Request) -> Response:
        nonlocal asked
        asked += 1
        return Response(200, [], b"answer")

    async def test(world: World) -> None:
        world.route(await world.model("model", count))
        notices = world.platform.dir.async_notices
        notices.parent.mkdir(parents=True, exist_ok=True)
        notices.write_text("in the way")
        record = world.ask(b"1", topics={"SuccessTopic": "arn:aws:sns:us-east-1:123456789012:done"})
        async with working(world):
            async with world.put:
                await world.put.wait_for(lambda: f"/out/{record.entry.id}" in world.objects)
            await asyncio.sleep(0.2)
            notices.unlink()
            assert await world.outcome(record) == (True, b"answer")
            assert [path.stem for path in notices.iterdir()] == [record.entry.id]
        assert asked == 1

    run(tmp_path, test)
