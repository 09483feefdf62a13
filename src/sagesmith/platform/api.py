"""The API process: operations and reconcilers behind a unix socket, `/health` and `/metrics` on a loopback port."""

import asyncio
import gc
import hmac
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson
import uvloop

from sagesmith import logging
from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.http.blocking import BlockingServer
from sagesmith.http.messages import Headers, Request, Response
from sagesmith.http.server import serve
from sagesmith.platform import metrics, retention
from sagesmith.platform.backends import backend_of
from sagesmith.services import all_handlers, not_built, observers, reconcilers
from sagesmith.services.audit import AuditTrail
from sagesmith.services.base import Home
from sagesmith.services.reconcile import ReconcileLoop
from sagesmith.services.sagemaker import async_notices, captures, invocation_metrics
from sagesmith.services.sagemaker.async_notices import Notices
from sagesmith.services.sagemaker.captures import CaptureUploads
from sagesmith.services.sagemaker.invocation_metrics import InvocationMetrics
from sagesmith.services.sns import deliveries
from sagesmith.services.sns.deliveries import Deliveries
from sagesmith.services.sqs import messages
from sagesmith.store import CannotOpen, SchemaMismatch, Store, StoreAway
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import CONTEXT_HEADER, RequestContext

OPERATIONS_AT_ONCE = 16
MAX_BODY_BYTES = 16 << 20

log = logging.get("api")

SWITCH_INTERVAL_SECONDS = 0.0001


class Api:
    """Answers what routers pass on and what the command line asks."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.invocations = InvocationMetrics(home.store, home.platform.dir.invocations)
        self._dispatcher = Dispatcher(all_handlers(home), not_built(), AuditTrail(home.store), StoreAway)
        self._admin_token = (home.platform.dir.keys / "admin.token").read_text().strip()
        self._started_at = time.time()

    def answer_router(self, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        """A request on the unix socket: an operation, or the command line's `/health` and `/status`."""
        for name, value in headers:
            if name == CONTEXT_HEADER:
                return self._dispatcher.dispatch(RequestContext.from_header(value), method, target, headers, body)
        return self._answer_inside(target)

    async def answer_admin(self, request: Request) -> Response:
        """A request on the loopback port: `/health` for everybody on this machine, `/metrics` with the token."""
        if request.path != b"/health":
            expected = f"Bearer {self._admin_token}".encode()
            if not hmac.compare_digest(request.header(b"authorization") or b"", expected):
                return Response(
                    401, [(b"www-authenticate", b"Bearer")], b"a bearer token is needed: keys/admin.token\n"
                )
        return await asyncio.to_thread(self._answer_inside, request.path)

    def _answer_inside(self, path: bytes) -> Response:
        if path == b"/health":
            return _json({"status": "ok", "uptime_seconds": round(time.time() - self._started_at, 1)})
        if path == b"/status":
            return _json(metrics.resources(self._home))
        if path == b"/metrics":
            text = metrics.prometheus(self._home) + self.invocations.prometheus()
            return Response(200, [(b"content-type", b"text/plain; version=0.0.4")], text.encode())
        return Response(404)

    def prepare(self) -> None:
        """Compile every operation in a thread, so that no first request waits for it."""
        threading.Thread(target=self._prepare, name="prepare", daemon=True).start()

    def _prepare(self) -> None:
        try:
            self._dispatcher.prepare()
        except Exception:
            log.exception("operations could not be prepared")
        # The models of the services stay for ever: no collection needs to look through them again, and what requests
        # leave behind has few cycles, so that it is looked at more rarely than a small program's.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 100)


def main(data: Path, lease: int | None = None) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        lease: a pipe, at whose end the node agents of this machine end as well.
    """
    logging.capture_standard_logging()
    # A request gives the interpreter away some dozen times, while it reads rows and unpacks them. Beside a thread that
    # stores what jobs print it would wait for it each time as long as the default says, 5 ms.
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    platform = Platform.load(data)
    try:
        store = Store.open(platform.database_url)
    except (CannotOpen, SchemaMismatch) as error:
        sys.exit(f"{error} (SAGESMITH_DATABASE_URL says which database is used)")
    keyring = KeyRing.load(platform.dir.keys, platform.account_id)
    if not store.belongs_to(keyring.fingerprint):
        sys.exit(
            "the database is that of a platform with other keys, and what is sealed in it cannot be opened here. Use "
            "another database (SAGESMITH_DATABASE_URL), or a data directory with those keys (sagesmith backup --keys)."
        )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(platform, store, keyring, lease))


async def _run(platform: Platform, store: Store, keyring: KeyRing, lease: int | None) -> None:
    directory = platform.dir
    home = Home(
        platform,
        store,
        backend_of(platform, lease, warm_servers=int(os.environ.get("SAGESMITH_WARM_SERVERS") or 1)),
        keyring,
    )
    for observer in observers():
        store.on_change(observer)
    api = Api(home)
    loop = ReconcileLoop(home, reconcilers(home))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    admin = await serve(api.answer_admin, tcp=("127.0.0.1", platform.admin_port))
    operations = BlockingServer(
        directory.api_socket, api.answer_router, at_once=OPERATIONS_AT_ONCE, body_size=MAX_BODY_BYTES
    )
    loop.start()
    api.prepare()
    keep = partial(retention.keep, platform, store)
    keeping = [
        asyncio.create_task(_repeat(work, seconds, failure))
        for work, seconds, failure in (
            (keep, retention.INTERVAL_SECONDS, "what is old could not be removed"),
            (api.invocations.take_in, invocation_metrics.INTERVAL_SECONDS, "metrics of endpoints were not taken in"),
            (CaptureUploads(home).upload, captures.INTERVAL_SECONDS, "captured data were not uploaded"),
            (Notices(home).publish, async_notices.INTERVAL_SECONDS, "notices were not published"),
            (Deliveries(store).deliver, deliveries.INTERVAL_SECONDS, "notifications were not sent"),
            (partial(messages.expire, store), retention.INTERVAL_SECONDS, "old messages were not removed"),
        )
    ]
    log.info("ready", socket=str(directory.api_socket), admin_port=platform.admin_port)
    await stop.wait()
    for each in keeping:
        each.cancel()
    await asyncio.to_thread(operations.close)
    await admin.close()
    await asyncio.to_thread(loop.stop)
    store.close()


async def _repeat(work: Callable[[], object], seconds: float, failure: str) -> None:
    """Do something in a thread again and again, with pauses between."""
    while True:
        try:
            await asyncio.to_thread(work)
        except Exception:
            log.exception(failure)
        await asyncio.sleep(seconds)


def _json(value: object) -> Response:
    return Response(200, [(b"content-type", b"application/json")], orjson.dumps(value))
