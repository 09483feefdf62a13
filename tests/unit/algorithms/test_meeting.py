"""How the instances of a job find each other, and leave out whoever is not of it."""

import contextlib
import hmac
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sagesmith.algorithms.errors import AlgorithmError
from sagesmith.algorithms.run import meeting

# Names that resolve to this machine, as a job's hosts do in its network.
NAMES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found: int = server.getsockname()[1]
    monkeypatch.setattr(meeting, "port", lambda _names: found)
    monkeypatch.setattr(meeting, "JOIN_SECONDS", 30.0)
    monkeypatch.setenv(meeting.KEY_VARIABLE, "key")
    return "127.0.0.1", found


class Strangers:
    """Connections to a place, once somebody listens there."""

    def __init__(self, place: tuple[str, int]) -> None:
        self._place = place
        self._all: list[socket.socket] = []

    def come(self) -> tuple[socket.socket, bytes]:
        """A new connection, and what it is greeted with."""
        while True:
            try:
                self._all.append(socket.create_connection(self._place))
            except ConnectionRefusedError:
                continue
            return self._all[-1], self._all[-1].recv(meeting._NONCE)

    def close(self) -> None:
        for each in self._all:
            each.close()


def said(nonce: bytes, rank: int = 1, key: bytes = b"key") -> bytes:
    """What a member answers to a greeting."""
    own = bytes(meeting._NONCE)
    return meeting._HELLO.pack(rank, own, hmac.digest(key, b"member %d " % rank + nonce + own, "sha256"))


def test_who_cannot_prove_to_be_of_the_job_is_left_out_and_holds_up_nobody(place: tuple[str, int]) -> None:
    wrong: dict[str, Callable[[bytes], bytes]] = {
        "nonsense": lambda _: b"x" * 200,
        "another key": lambda nonce: said(nonce, key=b"another"),
        "no key": lambda nonce: said(nonce, key=b""),
        "the leader's rank": lambda nonce: said(nonce, 0),
        "a rank that there is not": lambda nonce: said(nonce, 3),
        "an answer to another greeting": lambda _: said(bytes(meeting._NONCE)),
        "half an answer": lambda nonce: said(nonce)[:20],
    }
    strangers = Strangers(place)
    with ThreadPoolExecutor() as pool:
        leader = pool.submit(meeting.wait_for_all, NAMES)
        silent, _ = strangers.come()
        for answer in wrong.values():
            connection, nonce = strangers.come()
            connection.sendall(answer(nonce))
            # It may be refused already.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            assert not _heard(connection)
        for _ in range(meeting._STRANGERS):
            strangers.come()
        # The oldest made room for the others.
        assert not _heard(silent)
        members = [pool.submit(meeting.join, NAMES, rank).result() for rank in (2, 1)]
        peers = leader.result()
    for member, rank in zip(members, (2, 1), strict=True):
        member.sendall(b"%d" % rank)
    assert [each.recv(1) for each in peers] == [b"1", b"2"]
    for each in (*members, *peers):
        each.close()
    strangers.close()


def test_an_instance_that_comes_again_takes_its_own_place(place: tuple[str, int]) -> None:
    with ThreadPoolExecutor() as pool:
        leader = pool.submit(meeting.wait_for_all, NAMES)
        first, again, other = (pool.submit(meeting.join, NAMES, rank).result() for rank in (1, 1, 2))
        peers = leader.result()
    again.sendall(b"1")
    assert peers[0].recv(1) == b"1"
    assert not _heard(first)
    for each in (first, again, other, *peers):
        each.close()


def test_an_instance_trusts_nobody_who_only_listens_where_the_first_one_would(
    place: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "JOIN_SECONDS", 0.0)

    def pretend(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(bytes(meeting._NONCE))
            connection.recv(meeting._HELLO.size)
            connection.sendall(bytes(meeting._PROOF))

    with socket.create_server(place) as server:
        pretender = threading.Thread(target=pretend, args=(server,))
        pretender.start()
        with pytest.raises(AlgorithmError, match="cannot be reached: whoever listens there is not of this job"):
            meeting.join(NAMES, 1)
        pretender.join()


def test_who_does_not_come_is_named(place: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "JOIN_SECONDS", 0.0)
    with pytest.raises(AlgorithmError, match=r"did not begin within 0 s: 127\.0\.0\.2, 127\.0\.0\.3\."):
        meeting.wait_for_all(NAMES)


def _heard(connection: socket.socket) -> bytes:
    """What comes until the other side ends."""
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""


def test_jobs_that_share_a_network_find_their_own_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    names, ports = ("algo-1", "algo-2"), []
    for job in ("first", "second", "first"):
        monkeypatch.setenv("TRAINING_JOB_NAME", job)
        ports.append(meeting.port(names))
    assert ports[0] == ports[2] != ports[1]
    assert all(1024 < port < 32768 for port in ports)
