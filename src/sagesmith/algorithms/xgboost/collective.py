"""Several instances that train one model, by XGBoost's own collective communication in any of its versions."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xgboost
from xgboost.tracker import RabitTracker

from sagesmith.algorithms.run.hosts import Hosts


@contextlib.contextmanager
def together(trainers: Sequence[str], host: str, leader: str, hosts: Hosts) -> Iterator[None]:
    """Be one of the instances that train together.

    Args:
        trainers: those that do.
        host: this one; it need not be among them if it leads.
        leader: the first of all instances, by which all find each other.
        hosts: all of them, which learn by it where the leader listens, and that it does.
    """
    address = socket.gethostbyname(leader)
    tracker, port = _tracker(address, len(trainers)) if host == leader else (None, 0)
    port = int(hosts.gather(b"%d" % port)[0])
    with _member(address, port) if host in trainers else contextlib.nullcontext():
        yield
    if tracker is not None:
        tracker.wait_for() if hasattr(tracker, "wait_for") else tracker.join()


def any_of(mine: bool) -> bool:
    """Whether it is so on any instance that trains; all of them are to ask."""
    if hasattr(xgboost, "collective"):
        if not xgboost.collective.is_distributed():
            return mine
        return bool(xgboost.collective.allreduce(np.array([mine], np.int32), xgboost.collective.Op.MAX)[0])
    from xgboost import rabit

    if rabit.get_world_size() == 1:
        return mine
    return bool(rabit.allreduce(np.array([mine], np.int32), rabit.Op.MAX)[0])


def _tracker(address: str, members: int) -> tuple[Any, int]:
    """What the members find each other by, at a port that is free, and that port."""
    if hasattr(RabitTracker, "worker_args"):
        tracker = RabitTracker(host_ip=address, n_workers=members)
        tracker.start()
        return tracker, int(tracker.worker_args()["dmlc_tracker_port"])
    # Before XGBoost 2.1; its arguments have had two names each, and not in each version does it choose a port itself.
    with socket.create_server((address, 0)) as server:
        port = int(server.getsockname()[1])
    tracker = RabitTracker(address, members, port)
    tracker.start(members)
    return tracker, port


@contextlib.contextmanager
def _member(address: str, port: int) -> Iterator[None]:
    if not hasattr(xgboost, "collective"):
        # Before XGBoost 1.7.
        from xgboost import rabit

        rabit.init([b"DMLC_TRACKER_URI=" + address.encode(), b"DMLC_TRACKER_PORT=%d" % port])
        try:
            yield
        finally:
            rabit.finalize()
        return
    where: dict[str, Any] = {"dmlc_tracker_uri": address, "dmlc_tracker_port": port}
    if not hasattr(RabitTracker, "worker_args"):
        where = {name.upper(): value for name, value in where.items()}
    with xgboost.collective.CommunicatorContext(**where):
        yield
