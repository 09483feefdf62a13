"""A worker that reads and answers frames itself, and the event loop that helps it while a handler runs."""

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sagesmith.http import frames
from sagesmith.http.server import serve
from sagesmith.modelserver.answers import Answer
from sagesmith.modelserver.app import Application
from sagesmith.modelserver.settings import Settings
from sagesmith.modelserver.worker import Invocation, WorkerPool

QUEUE = 3


class Peer:
    """A router's end of a connection, which waits for what it reads."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.sendall(b"CONNECT %s HTTP/1.1\r\nhost: x\r\n\r\n" % frames.TARGET)
        assert self._exactly(len(frames.ESTABLISHED)) == frames.ESTABLISHED
        self._reader = frames.Reader()
        self._frames: list[frames.Frame] = []

    def ask(self, number: int, body: bytes) -> None:
        self.socket.sendall(frames.frame(frames.ASK, number, 0, b"content-type:text/csv", body))

    def cancel(self, number: int) -> None:
        self.socket.sendall(frames.frame(frames.CANCEL, number))

    def next(self) -> frames.Frame:
        while not self._frames:
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.socket.recv(size - len(data))
        return data


class Serving:
    """A model server's event loop and worker, each on a thread, whose handler echoes; `hold` keeps it from answering.

    Attributes:
        seen: the bodies that the handler was called with, batch by batch.
    """

    def __init__(self, path: Path, handler_seconds: str = "60") -> None:
        self.path = path
        self._handler_seconds = handler_seconds
        self.seen: list[list[bytes]] = []
        self.goes_on, self.began = threading.Event(), threading.Event()
        self.goes_on.set()
        self.stuck, self.slow_goes_on = threading.Event(), threading.Event()
        self.loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._closing: asyncio.Event
        self._threads = [threading.Thread(target=self.loop.run_until_complete, args=(self._serve(),))]
        self._threads[0].start()
        self._listening.wait()
        self.pool: WorkerPool = self.application.pool
        self.pool.batch_limit = QUEUE
        self._threads.append(threading.Thread(target=self.pool.run, args=(self.execute,)))
        self._threads[1].start()

    async def _serve(self) -> None:
        variables = {"SAGEMAKER_MODEL_SERVER_QUEUE_SIZE": str(QUEUE)}
        settings = Settings.from_environment({**variables, "SAGEMAKER_MODEL_SERVER_TIMEOUT": self._handler_seconds})
        self.application = Application(settings, self.loop, self.stuck.set, offers_frames=True)
        self.application.ready = True
        self._closing = asyncio.Event()
        server = await serve(self.application.handle, unix=self.path, on_connect=self.application.connect)
        self._listening.set()
        await self._closing.wait()
        await server.close(grace_seconds=0)

    def execute(self, batch: list[Invocation]) -> None:
        self.seen.append([one.body for one in batch])
        self.began.set()
        self.goes_on.wait()
        for one in batch:
            if one.body == b"slow":
                self.slow_goes_on.wait()
            self.answer(one)

    def answer(self, one: Invocation) -> None:
        if one.body != b"stream":
            one.answer = Answer(200, "text/csv", one.body)
        else:
            stream = self.pool.begin(one, Answer(200, "text/csv", b""))
            for _ in range(64):
                stream.put(bytes(64 << 10))
            stream.end()
        self.pool.settle(one)

    def hold(self) -> None:
        self.goes_on.clear()
        self.began.clear()

    def wait_for_pending(self, count: int) -> None:
        while self.pool.pending < count:
            time.sleep(0.001)

    def on_loop(self, call: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(call)

    def end(self) -> None:
        self.goes_on.set()
        self.slow_goes_on.set()
        self.on_loop(self._closing.set)
        self._threads[0].join()
        self.pool.stop()
        self._threads[1].join()
        self.loop.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    running = Serving(tmp_path / "s")
    yield running
    running.end()


def test_a_worker_answers_while_the_event_loop_cannot(serving: Serving) -> None:
    peer, blocked, free = Peer(serving.path), threading.Event(), threading.Event()
    peer.ask(1, b"first")  # after which the worker reads this connection, and nobody else does
    assert peer.next().body == b"first"
    serving.on_loop(lambda: (blocked.set(), free.wait()))
    blocked.wait()
    try:
        for number in range(2, 100):
            peer.ask(number, b"%d" % number)
            answer = peer.next()
            assert (answer.number, answer.value, answer.body) == (number, 200, b"%d" % number)
    finally:
        free.set()
    assert serving.pool.pending == 0


def test_what_came_while_a_handler_ran_is_one_batch(serving: Serving) -> None:
    peers = [Peer(serving.path) for _ in range(QUEUE)]
    serving.hold()
    peers[0].ask(1, b"0")
    serving.began.wait()
    for peer in peers[1:]:
        peer.ask(1, b"1")
    serving.wait_for_pending(QUEUE)  # which the event loop sees to: the handler does not return
    serving.goes_on.set()
    assert [peer.next().body for peer in peers] == [b"0", b"1", b"1"]
    assert serving.seen == [[b"0"], [b"1", b"1"]]


def test_more_than_the_queue_holds_is_refused_while_a_handler_runs(serving: Serving) -> None:
    peer = Peer(serving.path)
    serving.hold()
    for number in range(QUEUE + 1):
        peer.ask(number, b"x")
    refused = peer.next()
    assert (refused.number, refused.value) == (QUEUE, 503)
    assert b"x-sagesmith-busy:1" in refused.head
    serving.goes_on.set()
    assert sorted(peer.next().number for _ in range(QUEUE)) == list(range(QUEUE))


def test_what_is_taken_back_while_a_handler_runs_is_not_begun(serving: Serving) -> None:
    peer = Peer(serving.path)
    serving.hold()
    peer.ask(1, b"held")
    serving.began.wait()
    peer.ask(2, b"unwanted")
    peer.cancel(2)
    peer.ask(3, b"wanted")
    serving.wait_for_pending(3)
    serving.goes_on.set()
    assert [peer.next().number for _ in range(2)] == [1, 3]
    assert serving.seen == [[b"held"], [b"wanted"]]


def test_what_takes_long_in_a_batch_keeps_no_other_answer_waiting(serving: Serving) -> None:
    peer = Peer(serving.path)
    serving.hold()
    peer.ask(1, b"held")
    serving.began.wait()
    peer.ask(2, b"quick")
    peer.ask(3, b"slow")
    serving.wait_for_pending(3)
    serving.goes_on.set()
    assert [peer.next()[:3] for _ in range(2)] == [(frames.ANSWER, 1, 200), (frames.ANSWER, 2, 200)]
    serving.slow_goes_on.set()
    assert peer.next()[:3] == (frames.ANSWER, 3, 200)
    assert serving.seen == [[b"held"], [b"quick", b"slow"]]


def test_a_handler_that_never_returns_is_given_up(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "s", handler_seconds="0.1")
    peer = Peer(serving.path)
    serving.hold()
    peer.ask(1, b"stuck")
    given_up = peer.next()
    assert (given_up.number, given_up.value) == (1, 504)
    serving.stuck.wait()
    serving.end()


def test_a_peer_that_is_gone_takes_back_what_it_asked(serving: Serving) -> None:
    peer, other = Peer(serving.path), Peer(serving.path)
    serving.hold()
    other.ask(1, b"held")
    serving.began.wait()
    peer.ask(1, b"unwanted")
    peer.socket.close()
    serving.goes_on.set()
    assert other.next().body == b"held"
    other.ask(2, b"after")
    assert other.next().body == b"after"
    assert serving.pool.pending == 0


def test_a_request_that_came_by_http_wakes_a_worker_that_waits_for_frames(serving: Serving) -> None:
    peer = Peer(serving.path)
    peer.ask(1, b"first")
    assert peer.next().body == b"first"
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(serving.path))
            client.sendall(b"POST /invocations HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi")
            received = b"".join(iter(partial(client.recv, 4096), b""))
        assert received.startswith(b"HTTP/1.1 200")
        assert received.endswith(b"hi")


def test_pieces_leave_as_their_reader_takes_them(serving: Serving) -> None:
    peer = Peer(serving.path)
    peer.ask(1, b"stream")
    size = 0
    while (found := peer.next()).kind != frames.END:
        if found.kind == frames.PIECE:
            size += len(found.body)
            peer.socket.sendall(frames.taken(1, len(found.body)))
    assert size == 64 * (64 << 10)
    peer.ask(2, b"after")
    assert peer.next().body == b"after"


def test_a_large_answer_reaches_a_peer_that_reads_slowly(serving: Serving) -> None:
    peer = Peer(serving.path)
    body = bytes(range(256)) * 800
    for number in range(30):  # more than a socket holds
        peer.ask(number, body)
        if number % 2:  # two of them at most wait
            peer.ask(100 + number, b"small")
            answers = [peer.next() for _ in range(3)]
            assert sorted(len(each.body) for each in answers) == [5, len(body), len(body)]


def test_a_peer_that_does_not_read_keeps_no_other_waiting_whatever_time_limit_a_script_gives_sockets(
    serving: Serving,
) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)
    try:
        slow, other = Peer(serving.path), Peer(serving.path)
        for peer in (slow, other):
            peer.socket.settimeout(None)
            peer.ask(1, b"first")  # after which the worker has the connection
            assert peer.next().body == b"first"
    finally:
        socket.setdefaulttimeout(before)
    body = bytes(250_000)
    slow.ask(2, body)
    slow.ask(3, body)  # more than a socket holds
    other.ask(2, b"second")
    assert other.next().body == b"second"
    assert [slow.next().body for _ in range(2)] == [body, body]


def test_a_server_without_descriptors_ends_the_connection_that_it_cannot_take(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_number: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("sagesmith.modelserver.desk.os.dup", full)
        refused = Peer(serving.path)
        with pytest.raises((EOFError, ConnectionError)):
            refused.next()
    peer = Peer(serving.path)
    peer.ask(1, b"after")
    assert peer.next().body == b"after"


def test_what_waits_for_a_slow_peer_is_not_copied_for_each_part_that_leaves(serving: Serving) -> None:
    serving.pool._limit = serving.pool.batch_limit = count = 40
    peer, body = Peer(serving.path), bytes(250_000)
    serving.hold()
    for number in range(count):
        peer.ask(number, body)
    serving.wait_for_pending(count)
    assert serving.pool.desk is not None
    (transport,) = serving.pool.desk._connections.values()
    serving.goes_on.set()
    held = set()
    for _ in range(count):
        assert peer.next().body == body
        with serving.pool.desk.lock:
            held |= {id(each.obj) for each in transport._unsent if isinstance(each, memoryview)}
    assert 0 < len(held) < count // 4  # the first answers, and what came while they waited


def test_what_is_no_frame_ends_its_connection_alone(serving: Serving) -> None:
    bad, good = Peer(serving.path), Peer(serving.path)
    good.ask(1, b"first")
    assert good.next().body == b"first"
    bad.socket.sendall(b"\xff" * 64)
    with pytest.raises((EOFError, ConnectionError)):
        bad.next()
    good.ask(2, b"second")
    assert good.next().body == b"second"


def test_a_server_that_ends_says_so_first(serving: Serving) -> None:
    peer = Peer(serving.path)
    peer.ask(1, b"first")
    assert peer.next().body == b"first"
    serving.on_loop(lambda: [one.finish() for one in _connections(serving)])
    assert peer.next().kind == frames.LEAVE


def _connections(serving: Serving) -> list[Any]:
    desk = serving.pool.desk
    assert desk is not None
    return [each._connection for each in desk._connections.values()]
