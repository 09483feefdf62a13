"""Items that a thread makes before they are asked for."""

import threading
from collections.abc import Iterator

import pytest

from sagesmith.algorithms.data.ahead import ahead


def test_items_come_in_their_order_and_an_error_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield from range(10)
        raise ValueError("the eleventh")

    found: list[int] = []
    with pytest.raises(ValueError, match="the eleventh"):
        found.extend(ahead(items()))
    assert found == list(range(10))


def test_no_more_items_are_made_than_may_wait_and_none_after_the_last_that_was_wanted() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    before = set(threading.enumerate())
    stream = ahead(items(), 2)
    assert next(stream) == 0
    stream.close()  # type: ignore[attr-defined]
    assert len(made) <= 4
    assert set(threading.enumerate()) <= before


def test_nobody_waits_for_a_source_that_may_never_go_on() -> None:
    released = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        released.wait()

    stream = ahead(items(), endless=True)
    assert next(stream) == 0
    stream.close()  # type: ignore[attr-defined]
    released.set()
