import asyncio
import threading
from functools import partial

import pytest

from sagesmith.modelserver.answers import Answer
from sagesmith.modelserver.errors import Overloaded, TimedOut
from sagesmith.modelserver.rows import MAX_BODY_BYTES
from sagesmith.modelserver.worker import Invocation, WorkerPool


def invocation(body: bytes = b"") -> Invocation:
    return Invocation(body, "text/csv", "text/csv", [], asyncio.get_running_loop().create_future())


def echo(pool: WorkerPool, batch: list[Invocation]) -> None:
    for one in batch:
        one.answer = Answer(200, "text/csv", one.body)
        pool.settle(one)


def test_answers_come_back_to_whoever_asked() -> None:
    async def scenario() -> list[bytes]:
        pool = WorkerPool(asyncio.get_running_loop(), limit=100)
        thread = threading.Thread(target=pool.run, args=(partial(echo, pool),))
        thread.start()
        bodies = [str(number).encode() for number in range(100)]
        answers = await asyncio.gather(*(pool.submit(invocation(body)) for body in bodies))
        pool.stop()
        thread.join()
        assert pool.pending == 0
        assert [one.body for one in answers] == bodies
        return bodies

    asyncio.run(scenario())


def test_one_more_than_the_limit_is_refused() -> None:
    async def scenario() -> None:
        pool = WorkerPool(asyncio.get_running_loop(), limit=1)
        waiting = asyncio.ensure_future(pool.submit(invocation()))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await pool.submit(invocation())
        waiting.cancel()

    asyncio.run(scenario())


def test_a_batch_is_what_has_arrived_up_to_the_limit_without_what_was_cancelled() -> None:
    async def scenario() -> list[int]:
        pool = WorkerPool(asyncio.get_running_loop(), limit=10, batch_limit=3)
        tasks = [asyncio.ensure_future(pool.submit(invocation())) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        sizes: list[int] = []

        def execute(batch: list[Invocation]) -> None:
            sizes.append(len(batch))
            echo(pool, batch)

        pool.stop()
        pool.run(execute)
        await asyncio.gather(*tasks, return_exceptions=True)
        return sizes

    assert asyncio.run(scenario()) == [2, 2]


def test_a_large_request_ends_a_batch_and_is_none_with_others() -> None:
    async def scenario() -> list[int]:
        pool = WorkerPool(asyncio.get_running_loop(), limit=10, batch_limit=10)
        large = b"0" * (MAX_BODY_BYTES + 1)
        tasks = [asyncio.ensure_future(pool.submit(invocation(body))) for body in (b"", b"", large, large, b"", b"")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sizes: list[int] = []

        def execute(batch: list[Invocation]) -> None:
            sizes.append(len(batch))
            echo(pool, batch)

        pool.stop()
        pool.run(execute)
        await asyncio.gather(*tasks)
        return sizes

    assert asyncio.run(scenario()) == [2, 1, 1, 2]


def test_what_is_abandoned_is_answered() -> None:
    async def scenario() -> None:
        pool = WorkerPool(asyncio.get_running_loop(), limit=10)
        running, waiting = (asyncio.ensure_future(pool.submit(invocation())) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # what came in one turn is handed over in the next
        began, go_on = threading.Event(), threading.Event()

        def execute(batch: list[Invocation]) -> None:
            began.set()
            go_on.wait()
            echo(pool, batch)

        thread = threading.Thread(target=pool.run, args=(execute,))
        thread.start()
        began.wait()
        pool.abandon(TimedOut("too long"))
        with pytest.raises(TimedOut):
            await running
        with pytest.raises(Overloaded):
            await waiting
        go_on.set()
        pool.stop()
        thread.join()

    asyncio.run(scenario())
