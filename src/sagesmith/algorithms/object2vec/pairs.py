"""Pairs of sequences of tokens, as arrays."""

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.sequences import Sequences
from sagesmith.algorithms.text import lines, loads

INPUTS = ("in0", "in1")
_GREATEST = 1e300


@dataclass(frozen=True, slots=True)
class Pairs:
    """Labelled pairs.

    Attributes:
        labels: float64, shape (pairs,).
        inputs: in0 and in1.
    """

    labels: Any
    inputs: tuple[Sequences, Sequences]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> Any:
        """Of the longer sequence of each pair."""
        return np.maximum(self.inputs[0].lengths, self.inputs[1].lengths)


def read(source: Source, values: Mapping[str, Any]) -> Pairs:
    """All pairs of a channel.

    Raises:
        CustomerError: a line is no such pair, or there is none.
    """
    labels, tokens, lengths = array("d"), (array("i"), array("i")), (array("q"), array("q"))
    classes = values["num_classes"] if values["output_layer"] == "softmax" else None
    limits = [(values[f"{name}_vocab_size"], values[f"{name}_max_seq_len"]) for name in ("enc0", "enc1")]
    for line, place in lines(source):
        entry = _entry(line, place)
        labels.append(_label(entry.get("label"), classes, place))
        for number, (vocabulary, longest) in enumerate(limits):
            sequence = checked(entry.get(INPUTS[number]), INPUTS[number], vocabulary, place)[:longest]
            tokens[number].extend(sequence)
            lengths[number].append(len(sequence))
    if not labels:
        raise CustomerError(f"The channel '{source.name}' has no data.")
    sequences = [Sequences.of(tokens[number], lengths[number]) for number in (0, 1)]
    return Pairs(np.array(labels), (sequences[0], sequences[1]))


def checked(sequence: Any, name: str, vocabulary: int, place: str) -> list[int]:
    """A sequence of tokens, if it is one.

    Raises:
        CustomerError: it is none, or has a token that is not in the vocabulary.
    """
    if not isinstance(sequence, list) or not sequence:
        raise CustomerError(f"'{name}' must be a list of tokens, at least one: {_short(sequence)} ({place})")
    for position, token in enumerate(sequence):
        if type(token) is not int:
            raise CustomerError(f"'{name}' has a token that is no integer: {_short(token)} ({place}, token {position})")
        if not 0 <= token < vocabulary:
            raise CustomerError(
                f"'{name}' has the token {token}, which is not below the vocabulary's size, {vocabulary} "
                f"({place}, token {position})"
            )
    return sequence


def _entry(line: bytes, place: str) -> dict[str, Any]:
    try:
        entry = loads(line)
    except ValueError as error:
        raise CustomerError(f"The line is not JSON: {error} ({place})") from None
    if not isinstance(entry, dict):
        raise CustomerError(f"The line must be an object with label, in0 and in1 ({place})")
    return entry


def _label(label: Any, classes: int | None, place: str) -> float:
    # An integer may be too large to be a number for NumPy.
    if isinstance(label, bool) or not isinstance(label, int | float) or not abs(label) < _GREATEST:
        raise CustomerError(f"'label' must be a number: {_short(label)} ({place})")
    if classes is not None and (label != int(label) or not 0 <= label < classes):
        raise CustomerError(f"'label' must be a class from 0 to {classes - 1} (num_classes): {label} ({place})")
    return float(label)


def _short(value: Any) -> str:
    return json.dumps(value)[:80]
