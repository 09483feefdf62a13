"""Several instances that train one model, by XGBoost's own collective communication in any of its versions."""

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import xgboost
from xgboost.tracker import RabitTracker

PORT = 9099


@contextlib.contextmanager
def together(hosts: Sequence[str], host: str, leader: str, ready: Callable[[], object]) -> Iterator[None]:
    """Be one of the instances that train together.

    Args:
        hosts: those that do.
        host: this one; it need not be among them if it leads.
        leader: the one that all find each other by.
        ready: waits until all instances have called it, so that none seeks the leader before that listens.
    """
    tracker = _tracker(socket.gethostbyname(leader), len(hosts)) if host == leader else None
    ready()
    with _member(socket.gethostbyname(leader)) if host in hosts else contextlib.nullcontext():
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


def _tracker(address: str, members: int) -> Any:
    if hasattr(RabitTracker, "worker_args"):
        tracker = RabitTracker(host_ip=address, n_workers=members, port=PORT)
        tracker.start()
        return tracker
    # Before XGBoost 2.1; its arguments have had two names each.
    tracker = RabitTracker(address, members, PORT)
    tracker.start(members)
    return tracker


@contextlib.contextmanager
def _member(address: str) -> Iterator[None]:
    if not hasattr(xgboost, "collective"):
        # Before XGBoost 1.7.
        from xgboost import rabit

        rabit.init([b"DMLC_TRACKER_URI=" + address.encode(), b"DMLC_TRACKER_PORT=%d" % PORT])
        try:
            yield
        finally:
            rabit.finalize()
        return
    where: dict[str, Any] = {"dmlc_tracker_uri": address, "dmlc_tracker_port": PORT}
    if not hasattr(RabitTracker, "worker_args"):
        where = {name.upper(): value for name, value in where.items()}
    with xgboost.collective.CommunicatorContext(**where):
        yield
