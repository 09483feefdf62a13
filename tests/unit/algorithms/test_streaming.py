"""Passes over data: resumed where they were left, stopped cleanly, the same on several instances as on one."""

import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.errors import AlgorithmError, CustomerError
from sagesmith.algorithms.run import meeting
from sagesmith.algorithms.run.hosts import Hosts, connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.log import Log
from sagesmith.algorithms.run.state import pack, unpack
from sagesmith.algorithms.run.streaming import CHECKPOINT, passes

ALONE = Hosts(("algo-1",), 0, [])


@dataclass
class Sum:
    """A state: the sum of the rows that it has seen, and how many there were."""

    total: Any = field(default_factory=lambda: np.zeros(2))
    rows: int = 0

    def update(self, batch: Batch) -> None:
        self.total = self.total + batch.features.sum(axis=0)
        self.rows += len(batch)

    def merge(self, others: list["Sum"]) -> None:
        for other in others:
            self.total = self.total + other.total
            self.rows += other.rows

    def arrays(self) -> Mapping[str, Any]:
        return {"total": self.total, "rows": self.rows}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        self.total, self.rows = arrays["total"], int(arrays["rows"])


def job(root: Path, host: str = "algo-1", hosts: tuple[str, ...] = ("algo-1",)) -> Job:
    return Job(catalogue.algorithm("kmeans"), {}, {}, {}, hosts, host, root, Log(host, "Sum"))


def data(rows: int = 4) -> Iterator[Batch]:
    yield from Batch(np.ones((rows, 2), np.float32)).pieces(2)


def test_each_pass_sees_all_rows(tmp_path: Path) -> None:
    state = passes(job(tmp_path), ALONE, Sum(), lambda _: data(), epochs=3)
    assert state.rows == 12
    assert state.total.tolist() == [12, 12]


def test_a_job_that_begins_again_goes_on_after_the_last_pass_that_was_finished(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()

    def killed_in_the_third(epoch: int) -> Iterator[Batch]:
        yield from data()
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        passes(job(tmp_path), ALONE, Sum(), killed_in_the_third, epochs=4)
    seen: list[int] = []

    def noted(epoch: int) -> Iterator[Batch]:
        seen.append(epoch)
        yield from data()

    state = passes(job(tmp_path), ALONE, Sum(), noted, epochs=4)
    assert seen == [2, 3]
    assert state.rows == 16


def test_a_job_that_stopped_early_does_not_go_on_when_it_begins_again(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    passes(job(tmp_path), ALONE, Sum(), lambda _: data(), epochs=9, after=lambda _, epoch: epoch == 1)
    again = passes(job(tmp_path), ALONE, Sum(), lambda _: pytest.fail("read again"), epochs=9)
    assert again.rows == 8


def test_a_checkpoint_of_something_else_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / CHECKPOINT).write_bytes(b"not a checkpoint")
    with pytest.raises(CustomerError, match="cannot be resumed from"):
        passes(job(tmp_path), ALONE, Sum(), lambda _: data(), epochs=1)


def test_a_job_that_is_asked_to_stop_ends_with_what_it_knows(tmp_path: Path) -> None:
    stopped = job(tmp_path)

    def asked() -> Iterator[Batch]:
        yield Batch(np.ones((2, 2), np.float32))
        stopped.stopping.set()
        yield Batch(np.ones((2, 2), np.float32))
        pytest.fail("read on")

    assert passes(stopped, ALONE, Sum(), lambda _: asked(), epochs=5).rows == 4


def test_arrays_are_packed_without_pickle() -> None:
    packed = pack({"a": np.arange(3), "n": 7})
    assert unpack(packed)["a"].tolist() == [0, 1, 2]
    assert int(unpack(packed)["n"]) == 7
    for broken in (b"", packed[: len(packed) // 2], b"PK\x03\x04" + b"x" * 40):
        with pytest.raises(ValueError, match="not an archive"):
            unpack(broken)


@pytest.fixture
def free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    monkeypatch.setattr(meeting, "port", lambda _names: port)


def together(names: tuple[str, ...], run: Any, root: Path = Path("/nowhere")) -> list[Any]:
    """What `run(job, hosts)` returns or raises on each of several instances, which are threads here."""
    results: list[Any] = [None] * len(names)

    def one(rank: int) -> None:
        own = root / names[rank]
        instance = Job(catalogue.algorithm("kmeans"), {}, {}, {}, names, names[rank], own, Log("h", "n"))
        try:
            with connected(instance) as hosts:
                results[rank] = run(instance, hosts)
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# Names that resolve to this machine, as a job's hosts do in its network.
NAMES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


@pytest.mark.usefixtures("free_port")
def test_several_instances_end_with_one_state_of_everybodys_rows() -> None:
    def run(instance: Job, hosts: Hosts) -> Any:
        rank = NAMES.index(instance.host)
        state = passes(instance, hosts, Sum(), lambda _: data(2 * (rank + 1)), epochs=1)
        return state.rows, state.total.tolist()

    assert together(NAMES, run) == [(12, [12, 12])] * 3


@pytest.mark.usefixtures("free_port")
def test_all_instances_go_on_after_the_leaders_checkpoint(tmp_path: Path) -> None:
    """Another may have an older one, or none: it would wait for passes that the leader does not make."""
    for name, epochs in zip(NAMES[:2], (2, 1), strict=True):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        passes(job(tmp_path / name), ALONE, Sum(), lambda _: data(), epochs=epochs)

    def run(instance: Job, hosts: Hosts) -> Any:
        return passes(instance, hosts, Sum(), lambda _: data(), epochs=2).rows

    assert together(NAMES, run, tmp_path) == [8] * 3


@pytest.mark.usefixtures("free_port")
def test_the_first_instance_says_for_all_which_pass_was_the_last_one() -> None:
    def run(instance: Job, hosts: Hosts) -> Any:
        ends = 0 if hosts.rank == 0 else 1
        passes(instance, hosts, Sum(), lambda _: data(), 3, lambda _, epoch: epoch == ends)
        return hosts.gather(b"x")

    assert together(NAMES, run) == [[b"x"] * 3] * 3


@pytest.mark.usefixtures("free_port")
def test_the_sum_of_tables_is_the_same_table_everywhere() -> None:
    sums = together(NAMES, lambda _, hosts: hosts.total(np.full((2, 3), hosts.rank + 1.0)))
    assert all(np.array_equal(each, np.full((2, 3), sum(range(1, len(NAMES) + 1)))) for each in sums)


@pytest.mark.usefixtures("free_port")
def test_everybody_gets_everybodys_data_in_the_order_of_the_instances() -> None:
    answers = together(NAMES, lambda _, hosts: hosts.gather(f"{hosts.rank}".encode() * (1 << 20)))
    assert answers[0] == answers[1] == answers[2]
    assert [each[:1] for each in answers[0]] == [b"0", b"1", b"2"]


@pytest.mark.usefixtures("free_port")
def test_an_instance_that_ends_makes_the_others_fail_instead_of_wait() -> None:
    def run(_: Job, hosts: Hosts) -> Any:
        if hosts.rank == 1:
            raise CustomerError("bad data")
        return hosts.gather(b"x")

    first, second, third = together(NAMES, run)
    assert isinstance(second, CustomerError)
    for other in (first, third):
        assert isinstance(other, AlgorithmError)
        assert "has ended" in str(other)
