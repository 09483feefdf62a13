"""Pairs of an entity and an IPv4 address: what files and requests have, as numbers."""

import csv
import json
import socket
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.json_rows import features, loaded
from sagesmith.algorithms.data.lines import blocks
from sagesmith.algorithms.data.read import Source, no_data, streams
from sagesmith.algorithms.declaration import CSV, JSON
from sagesmith.algorithms.errors import BadRequest, Unreadable

_REQUEST = "the request"
_KEPT = 1 << 20
"""So many entities' and addresses' numbers are kept of training data, since most come again."""
_LONGEST_KEPT = 64
"""Characters of an entity or an address whose number is kept."""


class Numbers:
    """The numbers of entities and addresses.

    Args:
        vectors: how many entity vectors there are.
        kept: how many entities and how many addresses are remembered.
    """

    def __init__(self, vectors: int, kept: int = _KEPT) -> None:
        self._vectors = vectors
        self._room = kept
        self._entities: dict[str, int] = {}
        self._addresses: dict[str, int] = {}

    def entity(self, name: str) -> int:
        """The number of the vector that a hash function gives an entity."""
        number = self._entities.get(name)
        if number is None:
            digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            number = int.from_bytes(digest, "big") % self._vectors
            if len(self._entities) < self._room and len(name) <= _LONGEST_KEPT:
                self._entities[name] = number
        return number

    def address(self, text: str) -> int:
        """An IPv4 address in decimal-dot notation as a number of 32 bits.

        Raises:
            ValueError: it is none.
        """
        number = self._addresses.get(text)
        if number is None:
            try:
                number = int.from_bytes(socket.inet_pton(socket.AF_INET, text.strip()), "big")
            except (OSError, UnicodeError) as error:
                raise ValueError(f"'{text}' is not an IPv4 address in decimal-dot notation") from error
            if len(self._addresses) < self._room and len(text) <= _LONGEST_KEPT:
                self._addresses[text] = number
        return number

    def pairs(self, rows: Iterable[tuple[str, Sequence[Any]]]) -> Any:
        """Rows as an int64 array of shape (rows, 2).

        Args:
            rows: where each stands, and its cells.

        Raises:
            Unreadable: one is not an entity and an address.
        """
        found: list[int] = []
        for place, cells in rows:
            if len(cells) != 2:
                raise Unreadable(
                    place, f"A row has 2 columns, an entity and an IPv4 address, but this has {len(cells)}"
                )
            entity, address = str(cells[0]).strip(), str(cells[1])
            if not entity:
                raise Unreadable(f"{place}, column 1", "The entity is empty")
            try:
                found += (self.entity(entity), self.address(address))
            except ValueError as error:
                raise Unreadable(f"{place}, column 2", str(error)) from None
        return np.array(found, np.int64).reshape(-1, 2)


def batches(source: Source, numbers: Numbers, rows: int, epoch: int, seed: int | None = None) -> Iterator[Batch]:
    """The pairs of a channel, in batches whose features are int64.

    Args:
        seed: shuffle the pairs within some megabytes, in another order with each epoch.

    Raises:
        CustomerError: the channel has no rows, or wrong ones.
    """
    rest, found = np.empty((0, 2), np.int64), False
    random = None if seed is None else np.random.default_rng((seed, epoch))
    for stream, name in streams(source, epoch):
        for block in blocks(stream):
            pairs = numbers.pairs(_cells(block.text(name), name, block.line))
            found = found or len(pairs) > 0
            rest = np.concatenate([rest, pairs])
            if random is not None:
                rest = random.permutation(rest)
            while len(rest) >= rows:
                yield Batch(rest[:rows])
                rest = rest[rows:]
    if len(rest):
        yield Batch(rest)
    if not found:
        raise no_data(source)


def decode(body: bytes, content_type: str, numbers: Numbers) -> Any:
    """The pairs of a request, as `Numbers.pairs` has them.

    Args:
        content_type: a media type without parameters: CSV, JSON or JSON lines.

    Raises:
        BadRequest: the body is not what its content type says.
    """
    try:
        pairs = numbers.pairs(_requested(body, content_type))
    except Unreadable as error:
        raise BadRequest(f"Unable to evaluate payload provided: {error.place}: {error.why}") from None
    if not len(pairs):
        raise BadRequest("Unable to evaluate payload provided: the request has no rows")
    return pairs


def _requested(body: bytes, content_type: str) -> Iterator[tuple[str, Sequence[Any]]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(_REQUEST, f"It is not UTF-8 text: {error.reason} at byte {error.start}") from None
    if content_type == CSV:
        yield from _cells(text, _REQUEST, 1)
    elif content_type == JSON:
        content = loaded(text, _REQUEST)
        instances = content.get("instances") if isinstance(content, dict) else None
        if not isinstance(instances, list):
            raise Unreadable(_REQUEST, "JSON is to be an object with a list of 'instances'")
        for number, instance in enumerate(instances):
            place = f"{_REQUEST}, instance {number}"
            yield place, _features(instance, place)
    else:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                place = f"{_REQUEST}, line {number}"
                yield place, _features(loaded(line, place), place)


def _cells(text: str, name: str, first: int) -> Iterator[tuple[str, list[str]]]:
    if '"' in text:
        reader = csv.reader(text.split("\n"), skipinitialspace=True)
        yield from ((f"{name}, line {first + reader.line_num - 1}", cells) for cells in reader if cells)
        return
    for number, line in enumerate(text.split("\n"), first):
        if line.strip():
            yield f"{name}, line {number}", line.split(",")


def _features(instance: Any, place: str) -> Sequence[Any]:
    found = features(instance)
    if found is None:
        raise Unreadable(place, f"There are no features in {json.dumps(instance)[:100]}")
    values: list[Any] = found["values"] if isinstance(found, dict) else found
    return values
