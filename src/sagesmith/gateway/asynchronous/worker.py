"""Who works the queue off: one router of all, whichever holds the lock; another takes over when it ends.

It knows the queue by the names of its files, and sends each model server as many requests at once as its endpoint's
configuration says.
"""

import asyncio
import contextlib
import random
import re
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from sagesmith import logging
from sagesmith.config import Platform
from sagesmith.gateway.asynchronous import notices
from sagesmith.gateway.asynchronous.backlog import Backlog
from sagesmith.gateway.asynchronous.metering import AsyncMeter
from sagesmith.gateway.asynchronous.objects import Objects, StoreAway
from sagesmith.gateway.asynchronous.performing import Answer, Failed, Hop, Lost, NotTaken, Performer, Times
from sagesmith.gateway.asynchronous.records import Entry, Queue, Record, Records
from sagesmith.http.client import Client
from sagesmith.routes import AsyncRoute, EndpointRoute, RoutesFile, VariantRoute, container_address

MAX_ATTEMPTS = 3
"""How many model servers may break off while they have a request before it has failed."""

MAX_UNDER_WAY = 128
"""Requests under way at once, of all endpoints: each has a megabyte or two of its input in memory."""

LOOK_SECONDS = 0.25
"""How often the routing table is looked at while something waits."""

RESCAN_SECONDS = 30.0
"""How often the directories are, in case that another router ended between its record and its word."""

BACKLOG_SECONDS = 5.0
"""How often the queues' lengths are noted."""

_IDLE_SECONDS = 1.0
_AGAIN_SECONDS = 0.1
_AWAY_SECONDS = 2.0
_DOWN_SECONDS = 0.5
_STALL_SECONDS = 3600.0
_WORD_BYTES = 512
_EXPIRED = "ClientError: The request expired: it was in the queue for longer than its RequestTTLSeconds."
_DELETED = "ClientError: The endpoint {endpoint} was deleted before the request was processed."
_FAULT = "InternalServerError: The request could not be processed. Please look into the routers' logs."
_BROKE_OFF = (
    "InternalServerError: The model server ended while it processed the request, {attempts} times. Please check the "
    "endpoint's log."
)

_TASK = re.compile(r"serve-([0-9a-f]{17})")

log = logging.get("async")


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place at a model server for one request."""

    variant: VariantRoute
    address: str


class Worker:
    """Works the queue off. One in all routers; belongs to one event loop."""

    def __init__(self, platform: Platform, records: Records, routes: RoutesFile) -> None:
        self._platform = platform
        self._records = records
        self._routes = routes
        self._objects = Objects(platform)
        self._performer = Performer(self._objects, platform.dir.async_answers)
        self._meter = AsyncMeter(platform.dir.invocations)
        self._queues: dict[Queue, Backlog] = defaultdict(Backlog)
        self._under_way: Counter[str] = Counter()
        self._attempts: Counter[Entry] = Counter()
        self._down: dict[str, float] = {}
        self._clients: dict[str, Client] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled; what is under way then is begun anew by whoever comes next."""
        self._remove_leftovers()
        noted_at = scanned_at = float("-inf")
        try:
            with self._listening():
                while True:
                    now = time.monotonic()
                    if now - scanned_at >= RESCAN_SECONDS:
                        scanned_at = now
                        await self._scan()
                    if now - noted_at >= BACKLOG_SECONDS:
                        noted_at = now
                        self._note_backlogs()
                    self._meter.flush()
                    self._begin_what_can()
                    waits = any(backlog.idle for backlog in self._queues.values())
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS if waits else _IDLE_SECONDS)
                    self._wake.clear()
        finally:
            await self._end()

    def add(self, queue: Queue, entry: Entry) -> None:
        """A request that has just been written."""
        self._queues[queue].add(entry)
        self._wake.set()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._meter.flush()
        for client in self._clients.values():
            client.close()
        self._objects.close()

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Hear what other routers say of requests that they have written."""
        path = self._platform.dir.async_socket
        path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.setblocking(False)
            told.bind(str(path))
            loop.add_reader(told, self._hear, told)
            try:
                yield
            finally:
                loop.remove_reader(told)

    def _hear(self, told: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                region, endpoint, name = told.recv(_WORD_BYTES).decode().split("/", 2)
                if (entry := Entry.parse(name)) is not None:
                    self.add((region, endpoint), entry)

    async def _scan(self) -> None:
        known = {queue: backlog.known for queue, backlog in self._queues.items()}
        for queue, entries in await asyncio.to_thread(lambda: list(self._records.found(known))):
            for entry in entries:
                self._queues[queue].add(entry)

    def _remove_leftovers(self) -> None:
        """Answers that a former process had begun to store: their requests are still in the queue."""
        with contextlib.suppress(FileNotFoundError):
            for path in self._platform.dir.async_answers.iterdir():
                path.unlink(missing_ok=True)

    def _note_backlogs(self) -> None:
        for region, route, _ in self._routes.asynchronous():
            self._meter.backlog(region, route, self._queues.get((region, route.name.lower())))

    def _begin_what_can(self) -> None:
        now_ms = time.time() * 1000
        # In another order each time: none may take all places before the others.
        for queue, backlog in random.sample([*self._queues.items()], len(self._queues)):
            while len(self._tasks) < MAX_UNDER_WAY and (expired := backlog.take_expired(now_ms)) is not None:
                self._start(self._give_up(queue, expired, lambda _: Failed(_EXPIRED, "ExpiredRequests")))
            if not backlog.idle:
                continue
            route = self._routes.find(*queue)
            if route is None and self._routes.is_there:
                self._fail_all(queue, backlog)
            if route is None or route.asynchronous is None:
                continue
            while len(self._tasks) < MAX_UNDER_WAY and (slot := self._slot(route, route.asynchronous)) is not None:
                entry = backlog.take()
                if entry is None:
                    break
                self._under_way[slot.address] += 1
                self._start(self._work(queue, entry, route.asynchronous, slot))

    def _fail_all(self, queue: Queue, backlog: Backlog) -> None:
        """End what waits for an endpoint that is not there any more."""
        while len(self._tasks) < MAX_UNDER_WAY and (entry := backlog.take()) is not None:
            self._start(self._give_up(queue, entry, _deleted))

    def _slot(self, route: EndpointRoute, asked: AsyncRoute) -> _Slot | None:
        """A model server that may take another request: of a variant by weight, the one that has least to do."""
        now = time.monotonic()
        free: list[tuple[VariantRoute, list[str]]] = []
        for variant in route.variants:
            able = [
                each
                for each in variant.addresses
                if self._under_way[each] < asked.concurrency and self._down.get(each, 0.0) <= now
            ]
            if able and variant.weight > 0:
                free.append((variant, able))
        if not free:
            return None
        ((chosen, addresses),) = random.choices(free, [each.weight for each, _ in free])  # noqa: S311
        return _Slot(chosen, min(addresses, key=lambda each: self._under_way[each]))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an asynchronous request could not be worked on", reason=repr(error))

    async def _work(self, queue: Queue, entry: Entry, asked: AsyncRoute, slot: _Slot) -> None:
        """Perform a request that is at its turn."""
        again: float | None = _AWAY_SECONDS
        try:
            again = await self._perform(queue, entry, asked, slot)
        finally:
            self._under_way[slot.address] -= 1
            self._settle(queue, entry, again)

    async def _give_up(self, queue: Queue, entry: Entry, why: Callable[[Record], Failed]) -> None:
        """End a request that no model server gets any more."""
        again: float | None = _AWAY_SECONDS
        try:
            found = await self._read(queue, entry)
            route = self._routes.find(*queue)
            variant = route.variants[0].name if route is not None and route.variants else None
            again = None if found is None else await self._finish(queue, found[0], variant, {}, why(found[0]))
        finally:
            self._settle(queue, entry, again)

    def _settle(self, queue: Queue, entry: Entry, again: float | None) -> None:
        """A request is done, or waits again after so many seconds."""
        if again is None:
            self._queues[queue].forget(entry)
            self._attempts.pop(entry, None)
        else:
            asyncio.get_running_loop().call_later(again, self._put_back, queue, entry)

    def _put_back(self, queue: Queue, entry: Entry) -> None:
        self._queues[queue].put_back(entry)
        self._wake.set()

    async def _perform(self, queue: Queue, entry: Entry, asked: AsyncRoute, slot: _Slot) -> float | None:
        """None if the request is done, else after how many seconds it is to be tried again."""
        found = await self._read(queue, entry)
        if found is None:
            return None
        record, body = found
        if record.endpoint_made_at != asked.made_at:
            return await self._finish(queue, record, slot.variant.name, {}, _deleted(record))
        times = Times({"TimeInBacklog": max(0.0, time.time() * 1e6 - entry.received_ms * 1e3)})
        outcome = await self._outcome(record, body, slot, times)
        if isinstance(outcome, float):
            return outcome
        return await self._finish(queue, record, slot.variant.name, times.taken, outcome, slot.address)

    async def _outcome(self, record: Record, body: bytes, slot: _Slot, times: Times) -> Answer | Failed | float:
        """What became of a request, or after how many seconds it is to be tried again."""
        try:
            answer = await self._performer.predict(record, body, self._hops(slot), times)
            await self._performer.store(record, answer, times)
        except NotTaken:
            self._down[slot.address] = time.monotonic() + _DOWN_SECONDS
            return _AGAIN_SECONDS
        except Lost:
            self._down[slot.address] = time.monotonic() + _DOWN_SECONDS
            again = self._may_be_tried_again(record.entry)
            return _AGAIN_SECONDS if again else Failed(_BROKE_OFF.format(attempts=MAX_ATTEMPTS), status=0)
        except StoreAway as error:
            log.warning("the object store is away", endpoint=record.endpoint, reason=str(error))
            return _AWAY_SECONDS
        except Failed as failure:
            return failure
        except Exception:
            log.exception("an asynchronous request could not be worked on", request_id=record.request_id)
            return _AWAY_SECONDS if self._may_be_tried_again(record.entry) else Failed(_FAULT)
        return answer

    def _may_be_tried_again(self, entry: Entry) -> bool:
        self._attempts[entry] += 1
        return self._attempts[entry] < MAX_ATTEMPTS

    async def _read(self, queue: Queue, entry: Entry) -> tuple[Record, bytes] | None:
        """None if there is nothing to be done."""
        try:
            return await asyncio.to_thread(self._records.read, queue, entry)
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.error("a record of the queue is damaged and was set aside", record=entry.name, reason=repr(error))
            self._records.set_aside(queue, entry)
            return None

    async def _finish(
        self,
        queue: Queue,
        record: Record,
        variant: str | None,
        taken: dict[str, float],
        outcome: Answer | Failed,
        address: str = "",
    ) -> float | None:
        """Store what went wrong, tell who wants to know, and take the request out of the queue, in this order.
        Answers as `_perform` does."""
        failure = outcome if isinstance(outcome, Failed) else None
        if failure is not None:
            try:
                await self._performer.store_failure(record, str(failure))
            except StoreAway as error:
                log.warning("the object store is away", endpoint=record.endpoint, reason=str(error))
                return _AWAY_SECONDS
        topic = notices.topic_of(record, outcome)
        if topic is not None:
            await self._write_notice(record, variant, topic, outcome)
        self._performer.discard(record)
        await asyncio.to_thread(self._records.remove, queue, record.entry)
        status = 200 if failure is None else failure.status
        self._meter.ended(record, variant, taken, None if failure is None else failure.metric or "", status)
        stream = "/".join(part for part in (variant, _instance_of(address)) if part)
        self._meter.say(record, stream, taken, None if failure is None else str(failure))
        log.info(
            "asynchronous invocation",
            request_id=record.request_id,
            region=record.region,
            endpoint=record.endpoint,
            variant=variant,
            inference_id=record.inference_id,
            error=None if failure is None else str(failure),
            milliseconds=round(time.time() * 1000 - record.entry.received_ms, 2),
        )
        return None

    async def _write_notice(self, record: Record, variant: str | None, topic: str, outcome: Answer | Failed) -> None:
        """Have somebody told. A disk that is full is waited for here: to begin the request anew would ask its model
        again and again."""
        directory, now = self._platform.dir.async_notices, time.time()
        while True:
            try:
                await asyncio.to_thread(notices.write, directory, record, variant, topic, outcome, now)
            except OSError as error:
                log.warning("a notice could not be written", endpoint=record.endpoint, reason=str(error))
                await asyncio.sleep(_AWAY_SECONDS)
            else:
                return

    def _hops(self, slot: _Slot) -> list[Hop]:
        """The containers that a request goes through."""
        containers = slot.variant.containers
        if not containers:
            return [Hop(self._client(slot.address))]
        return [
            Hop(self._client(container_address(slot.address, number)), name)
            for number, name in enumerate(containers, 1)
        ]

    def _client(self, address: str) -> Client:
        client = self._clients.get(address)
        if client is None:
            self._forget_idle()
            pinned = self._platform.dir.gate_identity
            client = Client(address, answer_seconds=_STALL_SECONDS, stall_seconds=_STALL_SECONDS, ca_file=pinned)
            self._clients[address] = client
        return client

    def _forget_idle(self) -> None:
        """Model servers that are gone pile up; who is needed again is connected again."""
        for address in [each for each, client in self._clients.items() if not client.outstanding]:
            self._clients.pop(address).close()
            if not self._under_way[address]:
                del self._under_way[address]
            self._down.pop(address, None)


def _instance_of(address: str) -> str:
    """What the instance that listens there is called in the names of log streams, if the address tells."""
    found = _TASK.search(address)
    return f"i-{found[1]}" if found else ""


def _deleted(record: Record) -> Failed:
    return Failed(_DELETED.format(endpoint=record.endpoint))
