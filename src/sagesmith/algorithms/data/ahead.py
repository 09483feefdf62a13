"""Reading ahead: a thread reads the next batches while the last one is learnt from."""

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
_BATCHES = 2


def ahead(items: Iterable[T], count: int = _BATCHES, *, endless: bool = False) -> Iterator[T]:
    """The same items, of which a thread makes the next ones before they are asked for.

    Whoever asks for no more waits for the item that is being made: a thread in the middle of compiled code must not be
    met by the interpreter's end.

    Args:
        items: used by the thread alone, from the first item on.
        count: how many may wait.
        endless: making an item may take any time, as reading a pipe does: nobody waits for it.

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

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
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
        # What collects garbage may be the thread itself.
        if not endless and thread is not threading.current_thread():
            thread.join()
