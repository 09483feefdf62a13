import multiprocessing
import threading
from multiprocessing.queues import Queue

from sagesmith.store import Store

R = "us-east-1"


def test_work_is_claimed_once_when_due_and_the_longest_due_first(store: Store) -> None:
    with store.write() as tx:
        tx.schedule("job", R, "late", 20.0)
        tx.schedule("job", R, "b", 10.0)
        tx.schedule("job", R, "a", 5.0)
        assert tx.next_due() == 5.0
        assert tx.claim("me", 4.0, 30.0, 10) == []
        assert [work.key for work in tx.claim("me", 10.0, 30.0, 10)] == ["a", "b"]
        assert tx.claim("you", 10.0, 30.0, 10) == []
        assert tx.next_due() == 20.0


def test_no_more_is_claimed_than_asked_for(store: Store) -> None:
    with store.write() as tx:
        for number in range(5):
            tx.schedule("job", R, str(number), 1.0)
        assert len(tx.claim("me", 2.0, 30.0, 3)) == 3
        assert len(tx.claim("me", 2.0, 30.0, 3)) == 2


def test_the_earliest_of_several_schedules_wins(store: Store) -> None:
    with store.write() as tx:
        tx.schedule("job", R, "a", 10.0)
        tx.schedule("job", R, "a", 5.0)
        tx.schedule("job", R, "a", 8.0)
        assert tx.next_due() == 5.0


def test_finished_work_comes_again_when_told_and_never_otherwise(store: Store) -> None:
    with store.write() as tx:
        tx.schedule("job", R, "a", 1.0)
        (work,) = tx.claim("me", 1.0, 30.0, 1)
        assert tx.finish(work, 7.0)
        assert tx.claim("me", 6.0, 30.0, 1) == []
        (work,) = tx.claim("me", 7.0, 30.0, 1)
        assert tx.finish(work, None)
        assert tx.next_due() is None


def test_what_is_scheduled_while_claimed_is_looked_at_after(store: Store) -> None:
    with store.write() as tx:
        tx.schedule("job", R, "a", 1.0)
        (work,) = tx.claim("me", 1.0, 30.0, 1)
        tx.schedule("job", R, "a", 2.0)
        assert tx.claim("you", 3.0, 30.0, 1) == []
        assert tx.finish(work, None)
        assert len(tx.claim("you", 3.0, 30.0, 1)) == 1


def test_a_lease_that_ended_is_taken_over_and_its_holder_told(store: Store) -> None:
    with store.write() as tx:
        tx.schedule("job", R, "a", 1.0)
        (dead,) = tx.claim("dead", 1.0, 30.0, 1)
        assert tx.claim("heir", 30.9, 30.0, 1) == []
        (taken,) = tx.claim("heir", 31.0, 30.0, 1)
        assert not tx.finish(dead, None)
        assert tx.finish(taken, None)
        assert not tx.finish(taken, 5.0)
        assert tx.next_due() is None


def test_an_owner_that_starts_anew_gets_its_work_back_at_once(store: Store) -> None:
    with store.write() as tx:
        tx.schedule("job", R, "a", 1.0)
        tx.schedule("job", R, "b", 1.0)
        tx.claim("me", 1.0, 3600.0, 1)
        tx.claim("you", 1.0, 1e12, 1)
        assert tx.unclaim("me") == 1
        assert len(tx.claim("me", 4e9, 30.0, 10)) == 1


def test_listeners_hear_of_work_after_it_is_committed_and_only_then(store: Store) -> None:
    heard: list[float | None] = []

    def listen() -> None:
        with store.read() as tx:
            heard.append(tx.next_due())

    store.on_schedule(listen)
    with store.write() as tx:
        tx.create_log_group(R, "g")
    try:
        with store.write() as tx:
            tx.schedule("job", R, "a", 5.0)
            raise KeyError
    except KeyError:
        pass
    assert heard == []
    with store.write() as tx:
        tx.schedule("job", R, "a", 6.0)
        assert heard == []
    assert heard == [6.0]


def test_threads_that_claim_together_share_the_work_out(store: Store) -> None:
    with store.write() as tx:
        for number in range(60):
            tx.schedule("job", R, str(number), 1.0)
    got: list[str] = []

    def take() -> None:
        while True:
            with store.write() as tx:
                works = tx.claim(threading.current_thread().name, 2.0, 3600.0, 4)
            if not works:
                return
            got.extend(work.key for work in works)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(map(str, range(60)))


def _take_all(url: str, owner: str, found: "Queue[list[str]]") -> None:
    store = Store.open(url)
    got: list[str] = []
    while True:
        with store.write() as tx:
            works = tx.claim(owner, 2.0, 3600.0, 3)
        if not works:
            break
        got += [work.key for work in works]
    store.close()
    found.put(got)


def test_two_processes_never_hold_the_same_work(store: Store, url: str) -> None:
    with store.write() as tx:
        for number in range(200):
            tx.schedule("job", R, str(number), 1.0)
    context = multiprocessing.get_context("spawn")
    found: Queue[list[str]] = context.Queue()
    processes = [context.Process(target=_take_all, args=(url, name, found)) for name in ("one", "two")]
    for process in processes:
        process.start()
    got = [key for _ in processes for key in found.get(timeout=60)]
    for process in processes:
        process.join()
    assert sorted(got) == sorted(map(str, range(200)))
