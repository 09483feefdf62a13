"""The channels of the text algorithms: CSV files without a header, the class first, then the text or both sentences.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/text-classification-tensorflow-inputoutput.html
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.data.read import Source, files, no_data
from sagesmith.algorithms.errors import CustomerError, Unreadable
from sagesmith.algorithms.run.job import Job

Text = str | tuple[str, str]
"""A text, or the two sentences of a pair."""
FILE = "data.csv"
_SEED = 123
_LARGEST_FIELD = 1 << 24


@dataclass(frozen=True, slots=True)
class Texts:
    """What a job learns from.

    Attributes:
        classes: the labels that the training data have, in order.
        texts: all of them.
        labels: the numbers of their classes.
        train, validation: which of them are for what.
    """

    classes: tuple[int, ...]
    texts: Sequence[Text]
    labels: Any
    train: Any
    validation: Any


def read(job: Job, sentences: int, classes: Sequence[int] | None) -> Texts:
    """The texts of a job, with a part to validate with.

    Args:
        sentences: how many each row has.
        classes: those of an earlier model, which the data may have no others than; None to take what there are.

    Raises:
        CustomerError: the data are wrong; it names file and line.
    """
    labels, texts = _rows(job.sources["training"], sentences)
    found = sorted(set(labels))
    if classes is None and len(found) < 2:
        raise CustomerError(
            f"The first column of channel 'training' has one class alone ({found[0]}): a classification needs two."
        )
    known = tuple(found if classes is None else classes)
    _check(found, known, "training")
    count = len(labels)
    if "validation" in job.sources:
        others, more = _rows(job.sources["validation"], sentences)
        _check(sorted(set(others)), known, "validation")
        labels, texts = labels + others, [*texts, *more]
        parts = np.arange(count), np.arange(count, len(labels))
    else:
        order = np.random.default_rng(_SEED).permutation(count)
        held = min(round(count * job.values["validation_split_ratio"]), count - 1)
        parts = np.sort(order[held:]), np.sort(order[:held])
    return Texts(known, texts, np.searchsorted(known, labels), *parts)


def _check(found: Sequence[int], known: Sequence[int], channel: str) -> None:
    strange = sorted(set(found) - set(known))
    if strange:
        raise CustomerError(
            f"Channel '{channel}' has the class {strange[0]} in its first column; the model's classes are "
            f"{', '.join(map(str, known))}."
        )


def _rows(source: Source, sentences: int) -> tuple[list[int], list[Text]]:
    paths = files(source)
    paths = [path for path in paths if path.name == FILE] or paths
    if not paths:
        raise no_data(source)
    labels, texts = list[int](), list[Text]()
    for path in paths:
        for label, text in _file(path, f"file {source.name}/{path.relative_to(source.folder)}", sentences):
            labels.append(label)
            texts.append(text)
    if not labels:
        raise CustomerError(f"Unable to read data channel '{source.name}': it has no rows")
    return labels, texts


def _file(path: Path, name: str, sentences: int) -> Iterator[tuple[int, Text]]:
    data = path.read_bytes()
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(
            f"{name}, line {line}", f"Byte 0x{data[error.start]:02x} is not UTF-8 text: it is to be a CSV file"
        ) from None
    csv.field_size_limit(_LARGEST_FIELD)
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    begun = 1
    try:
        for row in reader:
            if row:
                yield _row(row, f"{name}, line {begun}", sentences)
            begun = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"{name}, line {begun}", f"The row is not CSV: {error}") from None


def _row(row: list[str], place: str, sentences: int) -> tuple[int, Text]:
    if len(row) != 1 + sentences:
        columns = "the class and the text" if sentences == 1 else "the class and the two sentences"
        raise Unreadable(
            place,
            f"The row has {len(row)} column{'s'[: len(row) != 1]}, and not the {1 + sentences} of {columns}. "
            'Text with commas stands between quotation marks (")',
        )
    label = row[0].strip()
    if not (label.isascii() and label.isdigit()) or len(label) > 9:
        short = label if len(label) <= 40 else f"{label[:37]}..."
        header = " The file must not have a header" if place.endswith(", line 1") else ""
        raise Unreadable(f"{place}, column 1", f"'{short}' is not a class, a whole number from 0 on.{header}")
    for column, text in enumerate(row[1:], 2):
        if not text.strip():
            raise Unreadable(f"{place}, column {column}", "The text is empty")
    return int(label), row[1] if sentences == 1 else (row[1], row[2])
