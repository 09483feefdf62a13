"""Pairs of sequences out of protobuf records, and their vocabularies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.data import protobuf
from sagesmith.algorithms.data.protobuf import Records, Tensors
from sagesmith.algorithms.data.read import Source, streams
from sagesmith.algorithms.data.recordio import Frames, frames
from sagesmith.algorithms.data.wire import Malformed
from sagesmith.algorithms.errors import CustomerError, Unreadable
from sagesmith.algorithms.sequences import Sequences
from sagesmith.algorithms.text import loads

SOURCE, TARGET = "source", "target"
FILES = {SOURCE: "vocab.src.json", TARGET: "vocab.trg.json"}
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
_SIGNS = ("<pad>", UNKNOWN, BEGIN, END)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens and their numbers.

    Attributes:
        size: one more than the greatest number.
    """

    numbers: Mapping[str, int]
    tokens: Mapping[int, str]
    size: int

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """One of the files that AWS's script writes.

        Raises:
            CustomerError: it is not there, or something else.
        """
        place = f"file {path.parent.name}/{path.name}"
        try:
            numbers = loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise CustomerError(f"There is no vocabulary: {' and '.join(FILES.values())} ({place})") from None
        except ValueError as error:
            raise CustomerError(f"The vocabulary is not JSON: {error} ({place})") from None
        if not isinstance(numbers, dict) or not all(type(each) is int and each >= 0 for each in numbers.values()):
            raise CustomerError(f"The vocabulary must be an object of tokens and numbers ({place})")
        missing = [sign for sign in _SIGNS if sign not in numbers]
        if missing:
            raise CustomerError(f"The vocabulary has no {', '.join(missing)} ({place})")
        return cls(numbers, {number: token for token, number in numbers.items()}, max(numbers.values()) + 1)

    def encoded(self, tokens: Sequence[str]) -> list[int]:
        return [self.numbers.get(token, self.numbers[UNKNOWN]) for token in tokens]

    def decoded(self, numbers: Sequence[int]) -> str:
        return " ".join(self.tokens.get(number, UNKNOWN) for number in numbers)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Sources and their targets, without signs of beginning and end."""

    sources: Sequences
    targets: Sequences

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def lengths(self) -> Any:
        """Of the longer sequence of each pair."""
        return np.maximum(self.sources.lengths, self.targets.lengths)


def read(source: Source, sizes: Mapping[str, int], limits: Mapping[str, int]) -> Pairs:
    """All pairs of a channel.

    Args:
        sizes: of the vocabularies.
        limits: the most tokens of a source and of a target.

    Raises:
        CustomerError: a record is no such pair, or there is none.
    """
    parts: dict[str, list[tuple[Any, Any]]] = {SOURCE: [], TARGET: []}
    for stream, name in streams(source):
        for found in frames(stream, name):
            records = parsed(found, name)
            for key, each in parts.items():
                each.append(sequences(records, key, sizes[key], limits[key], found, name))
    if not parts[SOURCE]:
        raise CustomerError(f"The channel '{source.name}' has no data.")
    made = [
        Sequences.of(np.concatenate([one[0] for one in each]), np.concatenate([one[1] for one in each]))
        for each in parts.values()
    ]
    return Pairs(made[0], made[1])


def parsed(found: Frames, name: str) -> Records:
    """What records say.

    Raises:
        Unreadable: one is no record.
    """
    try:
        return protobuf.read(found.buffer, found.starts, found.ends)
    except Malformed as error:
        raise Unreadable(found.place(name, error.message), f"Unable to parse record: {error.why}") from None


def sequences(records: Records, key: str, size: int, limit: int, found: Frames, name: str) -> tuple[Any, Any]:
    """The tokens of a feature, cut off at a limit, and how many each record has.

    Raises:
        Unreadable: a record has none, or others than there are.
    """
    tensors: Tensors | None = records.features.get(key)
    if tensors is None or not (tensors.counts > 0).all():
        which = 0 if tensors is None else int((tensors.counts == 0).argmax())
        raise Unreadable(found.place(name, which), f"The record has no tokens in its feature '{key}'")
    if tensors.values.dtype != np.int32 or tensors.keys is not None:
        raise Unreadable(found.place(name, 0), f"The feature '{key}' must be an int32_tensor of tokens")
    ends = np.cumsum(tensors.counts)
    wrong = (tensors.values < 0) | (tensors.values >= size)
    if wrong.any():
        at = int(wrong.argmax())
        place = found.place(name, int(np.searchsorted(ends, at, "right")))
        raise Unreadable(place, f"'{key}' has the token {tensors.values[at]}; the vocabulary's are below {size}")
    inside = np.arange(len(tensors.values)) - np.repeat(ends - tensors.counts, tensors.counts) < limit
    return tensors.values[inside], np.minimum(tensors.counts, limit)
