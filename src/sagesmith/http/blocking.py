"""An HTTP/1.1 server for our own processes: a thread a connection, over a unix socket, whole messages both ways.

A request wakes one thread, which reads it, answers it and writes the answer; an event loop with a pool of threads
behind it would wake each other twice more. For peers that can be trusted to send and to read without delay: what a
client of the platform sends is received by `sagesmith.http.server`, in a router.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Callable  # noqa: UP035

import httptools

from sagesmith.http.messages import Headers, Response
from sagesmith.http.unix import listen_at
from sagesmith.http.writing import join_head, status_line

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger("sagesmith.http")

BlockingHandler = Callable[[str, bytes, Headers, bytes], Response]
"""Answers a request, given its method, target, headers and body, with a body of bytes."""

_READ_SIZE = 256 << 10
_SEND_SIZE = 1 << 20
"""Of an answer, the kernel takes so much at once, as far as `net.core.wmem_max` lets it: for each piece less, whoever
writes it waits until the peer has had its turn."""


class BlockingServer:
    """A running server.

    Args:
        path: of the unix socket, made with mode 0600; one that a dead process left there is replaced.
        handler: called in the connection's thread; what it raises is logged and answered 500.
        at_once: how many requests are handled at once; others wait.
        body_size: bytes that a body may have; a larger one is answered 413.

    Raises:
        OSError: the path is taken, or not ours to take.
    """

    def __init__(self, path: Path, handler: BlockingHandler, *, at_once: int, body_size: int) -> None:
        self._handler = handler
        self._body_size = body_size
        self._permits: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(at_once):
            self._permits.put(None)
        self._closing = False
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, _Connection] = {}
        self._listening = listen_at(os.fspath(path))
        self._acceptor = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._acceptor.start()

    def close(self, grace_seconds: float = 10.0) -> None:
        """Stop listening, let what is under way be answered, then cut what is left after `grace_seconds`."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listening.close()
        deadline = time.monotonic() + grace_seconds
        with self._lock:
            connections = list(self._connections.values())
        for connection in connections:
            connection.finish()
        for connection in connections:
            connection.thread.join(max(0.0, deadline - time.monotonic()))
        for connection in connections:
            connection.abort()

    def _accept(self) -> None:
        while not self._closing:
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                if self._closing:
                    return
                logger.exception("a connection could not be accepted")
                time.sleep(0.1)  # out of descriptors, most likely: some of them will be free again
                continue
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_SIZE)
            connection = _Connection(accepted, self._answer, self._body_size)
            with self._lock:
                self._connections[accepted] = connection
            connection.thread = threading.Thread(target=self._serve, args=(connection,), name="operation", daemon=True)
            connection.thread.start()

    def _serve(self, connection: _Connection) -> None:
        try:
            connection.serve()
        except OSError:
            pass  # the peer went away
        except Exception:
            logger.exception("a connection failed")
        finally:
            with self._lock:
                del self._connections[connection.socket]
            connection.socket.close()

    def _answer(self, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        self._permits.get()
        try:
            return self._handler(method, target, headers, body)
        except Exception:
            logger.exception("a handler failed")
            return Response(500)
        finally:
            self._permits.put(None)


class _Connection:
    """One connection: reads a request, answers it, and so on."""

    thread: threading.Thread

    def __init__(self, accepted: socket.socket, answer: BlockingHandler, body_size: int) -> None:
        self.socket = accepted
        self._handler = answer
        self._body_size = body_size
        self._parser: Any = httptools.HttpRequestParser(self)
        self._idle = threading.Lock()
        self._finishing = False
        self._target = b""
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._size = 0
        self._whole = False
        self._keep = True

    def serve(self) -> None:
        """Until either side closes."""
        while self._keep and not self._finishing:
            data = self.socket.recv(_READ_SIZE)
            if not data:
                return
            with self._idle:
                try:
                    self._parser.feed_data(data)
                except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                    self._write(Response(400), keep=False)
                    return
                if self._size > self._body_size:
                    self._write(Response(413), keep=False)
                    return
                if self._whole:
                    response = self._answer()
                    try:
                        self._write(response, self._keep)
                    finally:
                        if response.close is not None:
                            response.close()

    def _answer(self) -> Response:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return self._handler(self._parser.get_method().decode(), self._target, self._headers, body)

    def _write(self, response: Response, keep: bool) -> None:
        body = response.body
        assert isinstance(body, bytes)
        headers = [*response.headers, (b"content-length", b"%d" % len(body))]
        if not keep:
            headers.append((b"connection", b"close"))
        self.socket.sendall(join_head(status_line(response.status), headers) + body)

    def finish(self) -> None:
        """Close at once if no request is under way, else after its answer."""
        self._finishing = True
        if self._idle.acquire(blocking=False):
            self.abort()
            self._idle.release()

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    # What follows are the parser's callbacks.

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._body = []
        self._size = 0
        self._whole = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._keep = self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._body_size:
            self._body.append(piece)

    def on_message_complete(self) -> None:
        self._whole = True
