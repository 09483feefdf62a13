"""The API process: operations and reconcilers behind a unix socket, `/health` and `/metrics` on a loopback port."""

import asyncio
import hmac
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import uvloop

from sagesmith import logging
from sagesmith.compute.local import LocalBackend
from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.http.messages import BodyTooLarge, Disconnected, Request, Response
from sagesmith.http.server import serve
from sagesmith.platform import metrics, retention
from sagesmith.services import all_handlers, reconcilers
from sagesmith.services.base import Home
from sagesmith.services.reconcile import ReconcileLoop
from sagesmith.store import CannotOpen, SchemaMismatch, Store
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import CONTEXT_HEADER, RequestContext

WORKER_THREADS = 16
MAX_BODY_BYTES = 16 << 20

log = logging.get("api")


class Api:
    """Answers what routers pass on and what the command line asks, each request in a worker thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._dispatcher = Dispatcher(all_handlers(home))
        self._pool = ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="operation")
        self._admin_token = (home.platform.dir.keys / "admin.token").read_text().strip()
        self._started_at = time.time()

    async def answer_router(self, request: Request) -> Response:
        """A request on the unix socket: an operation, or the command line's `/health` and `/status`."""
        context = request.header(CONTEXT_HEADER)
        if context is None:
            return await self._answer_inside(request)
        try:
            body = await request.body.read(MAX_BODY_BYTES)
        except (BodyTooLarge, Disconnected):
            return Response(413)
        return await asyncio.get_running_loop().run_in_executor(
            self._pool,
            self._dispatcher.dispatch,
            RequestContext.from_header(context),
            request.method,
            request.target,
            request.headers,
            body,
        )

    async def answer_admin(self, request: Request) -> Response:
        """A request on the loopback port: `/health` for everybody on this machine, `/metrics` with the token."""
        if request.path == b"/health":
            return await self._answer_inside(request)
        expected = f"Bearer {self._admin_token}".encode()
        if not hmac.compare_digest(request.header(b"authorization") or b"", expected):
            return Response(401, [(b"www-authenticate", b"Bearer")], b"a bearer token is needed: keys/admin.token\n")
        return await self._answer_inside(request)

    async def _answer_inside(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        if request.path == b"/health":
            return _json({"status": "ok", "uptime_seconds": round(time.time() - self._started_at, 1)})
        if request.path == b"/status":
            return _json(await loop.run_in_executor(self._pool, metrics.resources, self._home))
        if request.path == b"/metrics":
            text = await loop.run_in_executor(self._pool, metrics.prometheus, self._home)
            return Response(200, [(b"content-type", b"text/plain; version=0.0.4")], text.encode())
        return Response(404)

    def prepare(self) -> None:
        """Compile every operation in a worker thread, so that no first request waits for it."""
        self._pool.submit(self._prepare)

    def _prepare(self) -> None:
        try:
            self._dispatcher.prepare()
        except Exception:
            log.exception("operations could not be prepared")

    def close(self) -> None:
        self._pool.shutdown(wait=True)


def main(data: Path) -> None:
    """Run until SIGTERM or SIGINT."""
    logging.capture_standard_logging()
    platform = Platform.load(data)
    try:
        store = Store.open(platform.database_url)
    except (CannotOpen, SchemaMismatch) as error:
        sys.exit(f"{error} (SAGESMITH_DATABASE_URL says which database is used)")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(platform, store))


async def _run(platform: Platform, store: Store) -> None:
    directory = platform.dir
    home = Home(
        platform,
        store,
        LocalBackend(directory.tasks, directory.sockets),
        KeyRing.load(directory.keys, platform.account_id),
    )
    api = Api(home)
    loop = ReconcileLoop(home, reconcilers(home))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    servers = [
        await serve(api.answer_router, unix=directory.api_socket),
        await serve(api.answer_admin, tcp=("127.0.0.1", platform.admin_port)),
    ]
    loop.start()
    api.prepare()
    keeping = asyncio.create_task(_keep(platform, store))
    log.info("ready", socket=str(directory.api_socket), admin_port=platform.admin_port)
    await stop.wait()
    keeping.cancel()
    for server in servers:
        await server.close()
    await asyncio.to_thread(loop.stop)
    api.close()
    store.close()


async def _keep(platform: Platform, store: Store) -> None:
    """Remove every hour what is not to be kept any longer."""
    while True:
        try:
            await asyncio.to_thread(retention.keep, platform, store)
        except Exception:
            log.exception("what is old could not be removed")
        await asyncio.sleep(retention.INTERVAL_SECONDS)


def _json(value: object) -> Response:
    return Response(200, [(b"content-type", b"application/json")], orjson.dumps(value))
