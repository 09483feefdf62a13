"""A few threads that work through many queues."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from sagesmith.modelserver.answers import Answer
from sagesmith.modelserver.crew import Crew, Shift
from sagesmith.modelserver.worker import Invocation, WorkerPool

THREADS = 2


def pool_of(
    crew: Crew, loop: asyncio.AbstractEventLoop, work: Callable[[Invocation], None], limit: int = 1
) -> WorkerPool:
    pool = WorkerPool(loop, limit=100)

    def execute(batch: list[Invocation]) -> None:
        for invocation in batch:
            work(invocation)
            invocation.answer = Answer(200, "text/plain", invocation.body)
            pool.settle(invocation)

    pool.wake = Shift(crew, pool, limit, execute).wake
    return pool


async def ask(pool: WorkerPool, body: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    answer = await pool.submit(Invocation(body, "text/plain", "*/*", [], loop.create_future()))
    return answer.body


def run(test: Callable[[Crew], Coroutine[Any, Any, None]]) -> None:
    crew = Crew(THREADS)
    crew.start()
    try:
        asyncio.run(test(crew))
    finally:
        crew.stop()


def test_a_queue_whose_handler_takes_long_keeps_one_thread_and_others_are_answered() -> None:
    async def test(crew: Crew) -> None:
        go, loop = threading.Event(), asyncio.get_running_loop()
        slow = pool_of(crew, loop, lambda _: go.wait() and None)
        quick = pool_of(crew, loop, lambda _: None)
        waiting = [asyncio.ensure_future(ask(slow, b"%d" % number)) for number in range(3)]
        assert [await ask(quick, b"%d" % number) for number in range(20)] == [b"%d" % number for number in range(20)]
        assert not any(each.done() for each in waiting)
        go.set()
        assert await asyncio.gather(*waiting) == [b"0", b"1", b"2"]

    run(test)


def test_no_more_threads_work_for_a_queue_than_it_may_have() -> None:
    async def test(crew: Crew) -> None:
        lock, most, running = threading.Lock(), 0, 0

        def work(_: Invocation) -> None:
            nonlocal most, running
            with lock:
                running += 1
                most = max(most, running)
            with lock:
                running -= 1

        pool = pool_of(crew, asyncio.get_running_loop(), work)
        answers = await asyncio.gather(*(ask(pool, b"%d" % number) for number in range(50)))
        assert answers == [b"%d" % number for number in range(50)]
        assert most == 1

    run(test)


def test_many_queues_are_worked_through_by_few_threads() -> None:
    async def test(crew: Crew) -> None:
        threads: Counter[int] = Counter()
        loop = asyncio.get_running_loop()
        pools = [pool_of(crew, loop, lambda _: threads.update([threading.get_ident()])) for _ in range(30)]
        for _ in range(10):
            assert await asyncio.gather(*(ask(pool, b"x") for pool in pools)) == [b"x"] * len(pools)
        assert threads.total() == 300
        assert len(threads) <= THREADS

    run(test)
