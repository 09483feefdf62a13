"""When a container is taken for ill."""

import contextlib
import http.client
import socket

from sagesmith.agent.health import BETWEEN_PINGS_SECONDS, BUSY_SECONDS, FAILURES, Pings, Silence

WELL, ILL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Answers pings one after the other from a list, and moves a clock on; the list's end ends the watch."""

    def __init__(self, answers: list[bytes | None]) -> None:
        self.answers = answers
        self.now = 1000.0
        self.busy_since: float | None = None

    def connect(self, _: float) -> socket.socket:
        answer = self.answers.pop(0)
        if answer is None:
            raise ConnectionRefusedError(111, "Connection refused")
        ours, theirs = socket.socketpair()
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        self._theirs = theirs
        return ours

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if not self.answers:
            raise _AtItsEnd

    def watched(self, timeout_seconds: float = 60.0) -> Pings:
        pings = Pings(self, timeout_seconds, clock=lambda: self.now, sleep=self.sleep)
        with contextlib.suppress(_AtItsEnd):
            pings.run()
        return pings


class _AtItsEnd(Exception):
    pass


def test_a_container_becomes_healthy_with_its_first_200_and_is_announced_once() -> None:
    pings = Server([None, ILL, WELL]).watched()
    assert not pings.late
    assert pings.announce()
    assert not pings.announce()


def test_a_container_that_is_late_says_what_it_answered_last() -> None:
    pings = Server([None, ILL]).watched(timeout_seconds=0.1)
    assert pings.late
    assert pings.reason == "The model server did not pass its health check within 0 seconds: /ping answers 503"


def test_failures_in_a_row_make_it_ill_and_single_ones_do_not() -> None:
    assert not Server([WELL, *[ILL] * (FAILURES - 1), WELL, *[None] * (FAILURES - 1)]).watched().late
    pings = Server([WELL, *[ILL] * (FAILURES - 1), None, WELL]).watched()
    assert pings.late
    assert "health checks in a row: ConnectionRefusedError" in pings.reason


def test_a_server_that_is_at_a_request_need_not_answer_but_not_for_ever() -> None:
    server = Server([WELL, *[None] * 100])
    server.busy_since = server.now
    assert server.watched().late
    assert server.now - server.busy_since >= BUSY_SECONDS + (FAILURES - 1) * BETWEEN_PINGS_SECONDS
    assert len(server.answers) > 0


def test_what_is_no_http_is_not_well() -> None:
    pings = Server([b"hello\r\n\r\n"]).watched(timeout_seconds=0)
    assert pings.late
    assert "hello" in pings.reason


class _Answering(http.client.HTTPConnection):
    """A connection to a server of the list."""

    def __init__(self, server: Server) -> None:
        super().__init__("localhost")
        self._server = server

    def connect(self) -> None:
        self.sock = self._server.connect(0.0)


def silence(server: Server, seconds: float) -> Silence:
    """What was seen of a server up to the end of its answers."""
    found = Silence(lambda: _Answering(server), seconds, clock=lambda: server.now)
    while server.answers and not found.late:
        server.now += found.look()
    return found


def test_a_server_is_silent_that_answers_nothing_for_as_long_as_an_answer_may_take() -> None:
    looks = 14
    found = silence(Server([None] * looks), looks * BETWEEN_PINGS_SECONDS)
    assert found.late
    assert found.reason == "The model server has not answered anything for 70 seconds"
    assert not silence(Server([None] * (looks - 1)), looks * BETWEEN_PINGS_SECONDS).late


def test_a_server_that_answers_anything_is_not_silent() -> None:
    server = Server([*[None] * 3, ILL] * 4)
    assert not silence(server, 4 * BETWEEN_PINGS_SECONDS).late


def test_a_server_is_asked_now_and_then_however_often_its_watch_looks() -> None:
    server = Server([WELL])
    found = Silence(lambda: _Answering(server), 10.0, clock=lambda: server.now)
    assert [found.look() for _ in range(100)] == [BETWEEN_PINGS_SECONDS] * 100
    assert server.answers == [WELL]
    server.now += BETWEEN_PINGS_SECONDS
    found.look()
    assert server.answers == []
