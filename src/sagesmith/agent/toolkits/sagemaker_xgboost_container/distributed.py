"""Training on all hosts of a job that have data, over XGBoost's own collective."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import xgboost
from xgboost.tracker import RabitTracker

COUNT_PORT = 9098
TRACKER_PORT = 9099
_RETRY_SECONDS = 0.2


def wait_hostname_resolution(sm_hosts: "Sequence[str]") -> None:
    """Nothing to wait for: the hosts of a job know each other from the beginning."""
    for host in sm_hosts:
        socket.gethostbyname(host)


def rabit_run(
    exec_fun: "Callable[..., Any]",
    args: "dict[str, Any]",
    include_in_training: bool,
    hosts: "Sequence[str]",
    current_host: str,
    first_port: "int | None" = None,
    second_port: "int | None" = None,
    max_connect_attempts: "int | None" = None,
    connect_retry_timeout: int = 3,
    update_rabit_args: bool = False,
) -> None:
    """Call `exec_fun` on every host that has data, so that they train one model together.

    Args:
        args: the function's.
        include_in_training: whether this host has data; one without only waits for the others, if it is the first.
        first_port, second_port: of the hosts' count and of the tracker, on the first host.
        max_connect_attempts, connect_retry_timeout: have no effect, for the hosts of a job start together.
        update_rabit_args: whether the function has an argument `is_master`: true on the one host that saves the model.

    Raises:
        ValueError: no host has data.
    """
    master, tracker = hosts[0], None
    port = second_port or TRACKER_PORT
    address = socket.gethostbyname(master)
    if current_host == master:
        with _counted(len(hosts), include_in_training, first_port or COUNT_PORT) as count:
            if count:
                tracker = _tracker(address, count, port)
    else:
        count = _told(address, include_in_training, first_port or COUNT_PORT)
    if not count:
        raise ValueError("No host has received training data.")
    if include_in_training:
        with _member(address, port) as rank:
            exec_fun(**args, **({"is_master": rank == 0} if update_rabit_args else {}))
    if tracker is not None:
        tracker.wait_for() if hasattr(tracker, "wait_for") else tracker.join()


@contextlib.contextmanager
def _counted(hosts: int, own: bool, port: int) -> "Iterator[int]":
    """How many hosts have data; the others are told when the body has ended."""
    with contextlib.ExitStack() as open_ones:
        server = open_ones.enter_context(socket.create_server(("", port)))
        others = [open_ones.enter_context(server.accept()[0]) for _ in range(hosts - 1)]
        count = own + sum(other.recv(1) == b"1" for other in others)
        yield count
        for other in others:
            other.sendall(b"%d\n" % count)


def _told(master: str, own: bool, port: int) -> int:
    while True:
        try:
            connection = socket.create_connection((master, port))
        except ConnectionRefusedError:
            time.sleep(_RETRY_SECONDS)
            continue
        with connection:
            connection.sendall(b"%d" % own)
            answer = connection.makefile("rb").readline()
            if not answer:
                raise ConnectionError("The first host ended before the training could begin: its log says why.")
            return int(answer)


def _tracker(address: str, members: int, port: int) -> Any:
    """What the hosts find each other by, started."""
    if hasattr(RabitTracker, "worker_args"):
        tracker = RabitTracker(host_ip=address, n_workers=members, port=port)
        tracker.start()
    else:
        # Before XGBoost 2.1; its arguments have had two names each.
        tracker = RabitTracker(address, members, port)
        tracker.start(members)
    return tracker


@contextlib.contextmanager
def _member(tracker: str, port: int) -> "Iterator[int]":
    """Be one of the hosts that train; this one's rank."""
    if not hasattr(xgboost, "collective"):
        # Before XGBoost 1.7.
        from xgboost import rabit

        rabit.init([b"DMLC_TRACKER_URI=" + tracker.encode(), b"DMLC_TRACKER_PORT=%d" % port])
        try:
            yield rabit.get_rank()
        finally:
            rabit.finalize()
        return
    where: dict[str, Any] = {"dmlc_tracker_uri": tracker, "dmlc_tracker_port": port}
    if not hasattr(RabitTracker, "worker_args"):
        where = {name.upper(): value for name, value in where.items()}
    with xgboost.collective.CommunicatorContext(**where):
        yield xgboost.collective.get_rank()
