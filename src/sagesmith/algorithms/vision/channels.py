"""A channel's images: of files in any order; of pipes and streamed files as they come, mixed as memory allows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from sagesmith.algorithms.data import images
from sagesmith.algorithms.data.images import Example
from sagesmith.algorithms.data.indexed import Indexed
from sagesmith.algorithms.data.read import Source, parameters
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.vision.declaration import IMAGES

Waiting = Callable[[], Example]
"""An image that is read when it is wanted, by the thread that decodes it."""
Drawn = Callable[[int, np.random.Generator | None], Iterable[Waiting]]
"""A channel's images in one pass, as `Feed.examples`."""
# What waits to be drawn from: enough to mix, little enough for memory.
_WAITING_IMAGES = 4096
_WAITING_BYTES = 256 << 20


def drawn(source: Source, files: Callable[[], Sequence[Example]]) -> Drawn:
    """A channel's images.

    Args:
        files: those of a channel that is not RecordIO.

    Raises:
        CustomerError: there are none.
    """
    recordio = parameters(source.content_type)[0] == IMAGES
    if source.mode == "Pipe" or (recordio and source.mode == "FastFile"):
        return partial(_streamed, source)
    return partial(_ordered, Indexed(source) if recordio else files())


def annotated(job: Job, channel: str, suffix: str) -> Drawn:
    """The images of `train` or `validation`, of which another channel's files tell where they are not RecordIO.

    Args:
        suffix: of those files.

    Raises:
        CustomerError: there are no images, or that channel is not there.
    """
    source, name = job.sources[channel], f"{channel}_annotation"

    def files() -> Sequence[Example]:
        if name not in job.sources:
            raise CustomerError(
                "Unable to initialize the algorithm. Failed to validate input data configuration. (caused by "
                f"ValidationError)\n\nCaused by: '{name}' is a required property"
            )
        return images.annotated(source, job.sources[name], suffix)

    return drawn(source, files)


def _ordered(found: Sequence[Example], _: int, random: np.random.Generator | None) -> Iterator[Waiting]:
    numbers = range(len(found)) if random is None else random.permutation(len(found)).tolist()
    return (partial(found.__getitem__, number) for number in numbers)


def _streamed(source: Source, number: int, random: np.random.Generator | None) -> Iterator[Waiting]:
    found = images.records(source, number)
    return (partial(_as_it_is, example) for example in (found if random is None else _mixed(found, random)))


def _as_it_is(example: Example) -> Example:
    return example


def _mixed(found: Iterator[Example], random: np.random.Generator) -> Iterator[Example]:
    """In another order, as far as those that wait allow."""
    waiting: list[Example] = []
    size = 0
    for example in found:
        waiting.append(example)
        size += _size(example)
        while len(waiting) > _WAITING_IMAGES or size > _WAITING_BYTES:
            place = int(random.integers(len(waiting)))
            waiting[place], waiting[-1] = waiting[-1], waiting[place]
            chosen = waiting.pop()
            size -= _size(chosen)
            yield chosen
    yield from (waiting[row] for row in random.permutation(len(waiting)))


def _size(example: Example) -> int:
    return sum(len(each) for each in (example.source, example.known) if isinstance(each, bytes))
