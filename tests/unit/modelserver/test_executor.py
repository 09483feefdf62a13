"""Requests that are taken together: who answers them, in which order, and what is said of the time that it takes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagesmith.modelserver.errors import TimedOut
from sagesmith.modelserver.executor import Executor
from sagesmith.modelserver.handlers import Context, Handlers, Steps
from sagesmith.modelserver.rows import Rows, split
from sagesmith.modelserver.worker import Invocation, WorkerPool

Predict = Callable[[Any], Any]
Output = Callable[[Any], Any]


def text(prediction: Any) -> str:
    return ",".join(str(value) for value in prediction[0])


def executor(pool: WorkerPool, predict: Predict = lambda data: data, output: Output = text) -> Executor:
    """For a model that predicts what it is given, one line of numbers a request."""

    def input_fn(body: Any, _content_type: str, _context: Context) -> Any:
        return np.array([body.split(",")], dtype=int)

    def predict_together(data: Any, counts: Sequence[int]) -> list[Any]:
        return split(predict(data), counts)

    def transform(_model: Any, body: Any, content_type: str, _accept: str, context: Context) -> Any:
        return output(predict(input_fn(body, content_type, context)))

    own = frozenset({"predict_fn"})
    steps = Steps(input_fn, lambda data, *_: predict(data), lambda prediction, *_: output(prediction), own)
    rows = Rows(None, lambda data: data, predict_together)
    return Executor(Handlers(None, Path(), transform, steps), pool, rows)


async def submitted(pool: WorkerPool, *bodies: bytes) -> list[Invocation]:
    """Invocations that wait for a worker."""
    loop = asyncio.get_running_loop()
    invocations = [Invocation(body, "text/csv", "text/csv", [], loop.create_future()) for body in bodies]
    asyncio.gather(*(pool.submit(each) for each in invocations), return_exceptions=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # what came in one turn is handed over in the next
    return invocations


def answered(invocations: list[Invocation]) -> list[bytes | None]:
    return [each.future.result().body if each.future.done() else None for each in invocations]


class Held:
    """Where a handler stays for as long as a test likes."""

    def __init__(self) -> None:
        self._began, self._go_on = threading.Event(), threading.Event()

    def stay(self) -> None:
        self._began.set()
        self._go_on.wait()

    async def reached(self) -> None:
        """By now the loop has done what it was given before."""
        await asyncio.get_running_loop().run_in_executor(None, self._began.wait)

    def end(self) -> None:
        self._go_on.set()


def with_worker(scenario: Callable[[WorkerPool, Held, Callable[[Executor], None]], Awaitable[None]]) -> None:
    """Run a scenario with a pool, and a thread of it that is started with an executor."""

    async def run() -> None:
        pool, held = WorkerPool(asyncio.get_running_loop(), limit=10, batch_limit=10), Held()
        threads: list[threading.Thread] = []

        def start(execute: Executor) -> None:
            threads.append(threading.Thread(target=pool.run, args=(execute,)))
            threads[0].start()

        try:
            await scenario(pool, held, start)
        finally:
            held.end()
            pool.stop()
            for each in threads:
                each.join()

    asyncio.run(run())


@pytest.mark.parametrize(
    "bodies", [(b"1", b"1,2", b"1,2,3"), (b"1", b"2", b"3")], ids=["unlike", "not predictable together"]
)
def test_what_is_not_predicted_together_is_left_to_other_workers(bodies: tuple[bytes, ...]) -> None:
    async def scenario(pool: WorkerPool, held: Held, start: Callable[[Executor], None]) -> None:
        def predict(data: Any) -> Any:
            if len(data) > 1:
                raise ValueError("one row at a time")
            if threading.current_thread() is not threading.main_thread():
                held.stay()
            return data

        invocations = await submitted(pool, *bodies)
        start(executor(pool, predict))
        await held.reached()
        pool.stop()
        # A second worker, until nothing waits any more.
        pool.run(executor(pool, predict))
        await asyncio.sleep(0)
        assert answered(invocations) == [None, *bodies[1:]]
        assert pool.pending == 1

    with_worker(scenario)


def test_an_answer_is_not_kept_for_those_after_it() -> None:
    async def scenario(pool: WorkerPool, held: Held, start: Callable[[Executor], None]) -> None:
        def output(prediction: Any) -> str:
            if prediction[0, 0] == 2:
                held.stay()
            return text(prediction)

        invocations = await submitted(pool, b"no number", b"1", b"2", b"3")
        start(executor(pool, output=output))
        await held.reached()
        assert (await invocations[0].future).status == 500
        assert (await invocations[1].future).body == b"1"
        assert answered(invocations)[2:] == [None, None]

    with_worker(scenario)


def test_the_time_of_a_handler_begins_with_each_call() -> None:
    async def scenario(pool: WorkerPool, _held: Held, _start: Callable[[Executor], None]) -> None:
        seen: list[float | None] = []

        def output(prediction: Any) -> str:
            seen.append(pool.running_since())
            return text(prediction)

        def predict(data: Any) -> Any:
            seen.append(pool.running_since())
            return data

        await submitted(pool, b"1", b"2", b"3", b"1,2")
        before = pool.now()
        pool.stop()
        pool.run(executor(pool, predict, output))
        # Of three together, and of one by itself, of which two functions are one call.
        times = [each for each in seen if each is not None]
        assert len(times) == len(seen) == 6
        assert before < times[0] < times[1] < times[2] < times[3] < times[4] == times[5] < pool.now()
        assert pool.running_since() is None

    with_worker(scenario)


def test_a_client_that_is_waited_for_hides_no_handler_that_hangs() -> None:
    async def scenario(pool: WorkerPool, held: Held, start: Callable[[Executor], None]) -> None:
        def predict(data: Any) -> Any:
            held.stay()
            return data

        before = pool.now()
        await submitted(pool, b"1")
        start(executor(pool, predict))
        await held.reached()
        pool.waits()  # as another worker would
        since = pool.running_since()
        assert since is not None
        assert before < since < pool.now()

    with_worker(scenario)


def test_what_a_handler_has_seen_is_not_offered_to_another_model_server() -> None:
    async def scenario(pool: WorkerPool, held: Held, start: Callable[[Executor], None]) -> None:
        def predict(data: Any) -> Any:
            held.stay()
            return data

        seen = await submitted(pool, b"1", b"1,2", b"1,2,3")
        start(executor(pool, predict))
        await held.reached()
        pool.abandon(TimedOut("too long"))
        assert [type(each.future.exception()) for each in seen] == [TimedOut] * 3

    with_worker(scenario)
