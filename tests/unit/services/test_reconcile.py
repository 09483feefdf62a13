"""The reconcile loop with its threads, on the real store."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from sagesmith.services.base import Home
from sagesmith.services.reconcile import ReconcileLoop
from sagesmith.store import Document, VersionConflict
from tests.unit.services.sagemaker.world import World

WAIT_SECONDS = 30.0


class Recorder:
    """A reconciler that does what a test says, and lets it wait until that was done."""

    kind = "thing"

    def __init__(self, step: Callable[[Document, int], float | None]) -> None:
        self._step = step
        self._changed = threading.Condition()
        self.steps: list[str] = []
        self.recovered = 0
        self.running: set[str] = set()
        self.overlaps = 0

    def recover(self, home: Home) -> None:
        self.recovered += 1

    def step(self, home: Home, document: Document) -> float | None:
        with self._changed:
            self.overlaps += document.key in self.running
            self.running.add(document.key)
            count = self.steps.count(document.key)
        try:
            return self._step(document, count)
        finally:
            with self._changed:
                self.running.discard(document.key)
                self.steps.append(document.key)
                self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.steps) >= count, WAIT_SECONDS)


def schedule(world: World, key: str, due_at: float) -> None:
    with world.store.write() as tx:
        if tx.get("thing", "us-east-1", key) is None:
            tx.create(Document("thing", "us-east-1", key, key, f"arn:{key}", {}))
        tx.schedule("thing", "us-east-1", key, due_at)


def test_scheduled_work_is_done_until_it_rests(world: World) -> None:
    recorder = Recorder(lambda document, count: 0.0 if count < 2 else None)
    loop = ReconcileLoop(world.home, [recorder])
    loop.start()
    schedule(world, "a", time.time())
    recorder.wait(3)
    loop.stop()
    assert recorder.steps == ["a", "a", "a"]
    assert recorder.recovered == 1
    with world.store.read() as tx:
        assert tx.next_due() is None


def test_a_step_that_raises_is_taken_again(world: World) -> None:
    def step(document: Document, count: int) -> None:
        if count == 0:
            raise RuntimeError("broken once")
        if count == 1:
            raise VersionConflict("somebody was faster")

    recorder = Recorder(step)
    loop = ReconcileLoop(world.home, [recorder])
    loop.start()
    schedule(world, "a", time.time())
    recorder.wait(3)
    loop.stop()
    assert recorder.steps == ["a"] * 3


def test_work_that_is_scheduled_during_its_step_is_looked_at_again(world: World) -> None:
    def step(document: Document, count: int) -> None:
        if count == 0:
            schedule(world, "a", time.time())

    recorder = Recorder(step)
    loop = ReconcileLoop(world.home, [recorder])
    loop.start()
    schedule(world, "a", time.time())
    recorder.wait(2)
    loop.stop()
    assert recorder.steps == ["a", "a"]


def test_many_resources_are_worked_on_and_none_twice_at_once(world: World) -> None:
    recorder = Recorder(lambda document, count: 0.0 if count < 4 else None)
    loops = [ReconcileLoop(world.home, [recorder]) for _ in range(2)]
    for loop in loops:
        loop.start()
    for number in range(20):
        schedule(world, f"k{number}", time.time())
    recorder.wait(100)
    for loop in loops:
        loop.stop()
    assert recorder.overlaps == 0
    assert len(recorder.steps) == 100


def test_a_new_process_takes_over_what_a_killed_one_held(world: World) -> None:
    schedule(world, "a", time.time())
    owner = ReconcileLoop(world.home, []).owner
    with world.store.write() as tx:
        (held,) = tx.claim(owner, time.time(), 3600.0, 10)
    assert held.key == "a"
    recorder = Recorder(lambda document, count: None)
    loop = ReconcileLoop(world.home, [recorder])
    loop.start()
    recorder.wait(1)
    loop.stop()


def test_stopping_waits_for_the_step_that_runs(world: World) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def step(document: Document, count: int) -> None:
        begun.set()
        assert let_go.wait(WAIT_SECONDS)

    recorder = Recorder(step)
    loop = ReconcileLoop(world.home, [recorder])
    loop.start()
    schedule(world, "a", time.time())
    assert begun.wait(WAIT_SECONDS)
    stopping = threading.Thread(target=loop.stop)
    stopping.start()
    let_go.set()
    stopping.join(WAIT_SECONDS)
    assert recorder.steps == ["a"]


def test_a_resource_that_is_gone_is_forgotten(tmp_path: Path, world: World) -> None:
    schedule(world, "a", time.time())
    with world.store.write() as tx:
        tx.delete("thing", "us-east-1", "a")
    loop = ReconcileLoop(world.home, [Recorder(lambda document, count: None)])
    assert loop.turn()
    assert not loop.turn()
