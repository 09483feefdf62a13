"""The line for compute capacity, on both databases."""

from sagesmith.store import Place, Store

KIND, REGION = "training-job", "us-east-1"


def enter(store: Store, key: str, arrived_at: float, hosts: int = 1, kind: str = KIND) -> None:
    with store.write() as tx:
        tx.enter_line(Place(kind, REGION, key, arrived_at, hosts))


def take(store: Store, key: str, capacity: int, kind: str = KIND) -> bool:
    with store.write() as tx:
        return tx.take_hosts(kind, REGION, key, capacity)


def test_hosts_are_given_in_the_order_of_arrival_over_all_kinds(store: Store) -> None:
    enter(store, "second", 2.0)
    enter(store, "first", 1.0, kind="processing-job")
    assert not take(store, "second", 2)
    assert take(store, "first", 2, kind="processing-job")
    assert take(store, "second", 2)
    with store.read() as tx:
        assert tx.hosts_held() == 2
        assert tx.first_in_line() is None


def test_a_gang_waits_for_all_of_its_hosts_and_nobody_overtakes_it(store: Store) -> None:
    enter(store, "small", 1.0)
    enter(store, "large", 2.0, hosts=2)
    enter(store, "late", 3.0)
    assert take(store, "small", 2)
    assert not take(store, "large", 2)
    assert not take(store, "late", 2)
    with store.write() as tx:
        tx.leave_line(KIND, REGION, "small")
    assert take(store, "large", 2)


def test_who_wants_more_than_there_is_has_all_of_it(store: Store) -> None:
    enter(store, "small", 1.0)
    enter(store, "huge", 2.0, hosts=20)
    assert take(store, "small", 2)
    assert not take(store, "huge", 2)
    with store.write() as tx:
        tx.leave_line(KIND, REGION, "small")
    assert take(store, "huge", 2)


def test_what_is_held_is_held_once_and_stays_so(store: Store) -> None:
    enter(store, "job", 1.0)
    assert take(store, "job", 1)
    enter(store, "job", 9.0)
    assert take(store, "job", 1)
    with store.read() as tx:
        assert tx.places(KIND) == [Place(KIND, REGION, "job", 1.0, 1, held=True)]
        assert tx.hosts_held() == 1


def test_hosts_that_are_given_back_leave_the_place_in_line(store: Store) -> None:
    enter(store, "first", 1.0)
    enter(store, "second", 2.0)
    assert take(store, "first", 1)
    with store.write() as tx:
        tx.give_hosts_back(KIND, REGION, "first")
    assert not take(store, "second", 1)
    assert take(store, "first", 1)


def test_what_has_no_place_gets_no_hosts(store: Store) -> None:
    assert not take(store, "nobody", 5)
