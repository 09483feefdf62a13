"""Categories that are words: the numbers that stand for them, and CSV with these in their places.

Source: the notebooks of https://github.com/aws/amazon-sagemaker-examples (tabtransformer_tabular): categories "can be
kept as their original formats".
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

Words = Mapping[int, Sequence[str]]
"""By feature the words that it has, in the order of their numbers; no entry of a feature whose categories are
numbers."""
Numbers = Mapping[int, Mapping[str, str]]
"""By feature the number of each of its words, as text."""
_LARGEST = 1 << 24
"""Of whole numbers that 32 bits tell apart; categories with larger ones are words."""


def found(paths: Iterable[Path], categories: Sequence[int]) -> Words:
    """The words of the categories of training data, whose files have the target first.

    Args:
        categories: the features that are categories.
    """
    if not categories:
        return {}
    values: dict[int, set[str]] = {feature: set() for feature in categories}
    for path in paths:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for cells in map(_cells, file):
                for feature, own in values.items():
                    if feature + 1 < len(cells):
                        own.add(cells[feature + 1].strip())
    return {feature: sorted(own - {""}) for feature, own in values.items() if not all(map(_is_number, own))}


def numbers_of(words: Words) -> Numbers:
    """The numbers that stand for words."""
    return {feature: {word: str(number) for number, word in enumerate(each)} for feature, each in words.items()}


def numbered(data: bytes, numbers: Numbers, labels: int) -> bytes:
    """CSV with numbers in the place of words, in the same lines; a word that is not known becomes a missing value.

    Args:
        labels: how many columns stand before the features.
    """
    if not numbers:
        return data
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return "\n".join(_replaced(lines, numbers, labels)).encode("utf-8", "surrogateescape")


def _replaced(lines: Iterable[str], numbers: Numbers, labels: int) -> Iterator[str]:
    for line in lines:
        cells = _cells(line)
        for feature, own in numbers.items():
            at = feature + labels
            if at < len(cells):
                cells[at] = own.get(cells[at].strip(), "")
        yield ",".join(cells)


def _cells(line: str) -> list[str]:
    line = line.rstrip("\r\n")
    if '"' in line:
        with suppress(csv.Error):
            return next(csv.reader([line]), [])
    # What is no CSV is a word as it stands, or no number for whoever reads those.
    return line.split(",")


def _is_number(cell: str) -> bool:
    try:
        value = float(cell or "0")
    except ValueError:
        return False
    return "_" not in cell and not abs(value) > _LARGEST
