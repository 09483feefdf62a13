"""Reading ahead: a thread reads the next batches while the last one is learnt from."""

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
_BATCHES = 2


def ahead(items: Iterable[T], count: int = _BATCHES) -> Iterator[T]:
    """The same items, of which a thread makes the next ones before they are asked for.

    Whoever asks for no more leaves no thread behind but one that still waits for its source, such as a pipe.

    Args:
        items: used by the thread alone, from the first item on.
        count: how many may wait.

    Raises:
        Exception: what making an item has raised, in the place of that item.
    """
    # An item, what making it has raised, or nothing at the end.
    found: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
    room, left = threading.Semaphore(count), threading.Event()

    def make() -> None:
        try:
            for item in items:
                found.put((item,))
                del item
                room.acquire()
                if left.is_set():
                    return
            found.put(None)
        except BaseException as error:
            found.put(error)

    threading.Thread(target=make, name="ahead", daemon=True).start()
    try:
        while (made := found.get()) is not None:
            if isinstance(made, BaseException):
                raise made
            yield made[0]
            del made
            room.release()
    finally:
        left.set()
        room.release()
