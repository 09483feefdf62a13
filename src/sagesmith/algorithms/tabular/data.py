"""The channels of the tabular algorithms.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/InputOutput-LightGBM.html
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.data import text_csv
from sagesmith.algorithms.data.assemble import whole_of
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.checks import Wanted
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.tabular.words import Numbers, Words, found, numbered, numbers_of

CATEGORIES = "categorical_index.json"
_HELD_OUT = 0.2
_SEED = 200


@dataclass(frozen=True, slots=True)
class Table:
    """What a job learns from.

    Attributes:
        classes: the labels that there are, in order; None for a regression, whose labels are as they were read. Of
            classes the batches' labels are their numbers.
        categories: the features that are categories, from 0 on.
        words: those categories that are words.
    """

    train: Batch
    validation: Batch
    classes: tuple[float, ...] | None
    categories: tuple[int, ...]
    words: Words

    def meta(self) -> dict[str, Any]:
        """What a model must know to answer."""
        return {
            "columns": self.train.columns,
            "classes": self.classes,
            "categories": list(self.categories),
            "words": {str(feature): list(each) for feature, each in self.words.items()},
        }


def regression() -> bool:
    """Whether the image is the one for regression; the other one is for classification."""
    return "regression" in os.environ.get("SAGESMITH_REPOSITORY", "")


def read(job: Job) -> Table:
    """The rows of a job, with a part to validate with.

    Raises:
        CustomerError: channels are missing, or the data are wrong; it names file, line and column.
    """
    named = [name for name in ("train", "training") if name in job.sources]
    if len(named) != 1:
        raise CustomerError("Exactly one of the channels 'training' and 'train' is needed.")
    folder = job.sources[named[0]].folder
    below, apart = folder / "train", folder / "validation"
    if below.is_dir():
        folder, parent = below, folder
    else:
        parent = folder
    categories = _categories(parent)
    words = found(_files(folder), categories)
    numbers = numbers_of(words)
    train = _rows(folder, named[0], numbers)
    if "validation" in job.sources:
        apart = job.sources["validation"].folder
    if any(each >= train.columns for each in categories):
        raise _wrong_categories(f" to {train.columns}")
    classes = None if regression() else _classes(train.labels)
    validation = None
    if apart.is_dir():
        validation = _rows(apart, "validation", numbers, train.columns)
    if validation is None:
        job.log.say("There are no validation data: a fifth of the training data is held out.")
        train, validation = _split(train)
    parts = (train, validation)
    if classes is not None:
        parts = (_numbered(train, classes, named[0]), _numbered(validation, classes, "validation"))
    return Table(*parts, classes, categories, words)


def _rows(folder: Path, channel: str, numbers: Numbers, columns: int | None = None) -> Batch:
    pieces = list(_pieces(folder, channel, numbers, columns))
    if not pieces:
        raise CustomerError(f"Unable to read data channel '{channel}': it has no CSV files with rows")
    return whole_of(pieces)


def _pieces(folder: Path, channel: str, numbers: Numbers, columns: int | None) -> Iterator[Batch]:
    wanted = Wanted(1, columns, missing=True, said_by="the training data have")
    for path in _files(folder):
        with path.open("rb", buffering=0) as file:
            stream = BytesIO(numbered(file.read(), numbers, labels=1)) if numbers else file
            for batch in text_csv.batches(stream, f"file {channel}/{path.relative_to(folder)}", wanted):
                wanted = wanted.like(batch)
                yield batch


def _files(folder: Path) -> list[Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in paths if path.name != CATEGORIES and not path.name.startswith((".", "_"))]


def _categories(folder: Path) -> tuple[int, ...]:
    path = folder / CATEGORIES
    if not path.is_file():
        return ()
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["cat_index_list"]
    except (ValueError, KeyError, TypeError) as error:
        raise CustomerError(f'{CATEGORIES} must be {{"cat_index_list": [numbers of columns]}}: {error!r}') from error
    whole = isinstance(listed, list) and all(isinstance(each, int) and not isinstance(each, bool) for each in listed)
    if not whole or len(set(listed)) != len(listed) or any(each < 1 for each in listed):
        raise _wrong_categories(" on")
    return tuple(sorted(each - 1 for each in listed))


def _wrong_categories(to: str) -> CustomerError:
    return CustomerError(
        f"{CATEGORIES}: cat_index_list must have numbers of columns from 1{to}, each once; column 0 is the target."
    )


def _classes(labels: Any) -> tuple[float, ...]:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise CustomerError(
            f"The target, the first column, has one value alone ({classes[0]:g}): a classification needs two or more."
        )
    if len(classes) > 1000 and len(classes) > len(labels) / 10:
        raise CustomerError(
            f"The target, the first column, has {len(classes)} values: for numbers there is the regression model."
        )
    return tuple(int(each) if float(each).is_integer() else float(each) for each in classes)


def _numbered(batch: Batch, classes: tuple[float, ...], channel: str) -> Batch:
    known = np.array(classes, np.float32)
    numbers = np.searchsorted(known, batch.labels).clip(0, len(known) - 1)
    strange = known[numbers] != batch.labels
    if strange.any():
        row = int(strange.argmax())
        raise CustomerError(
            f"Row {row + 1} of channel '{channel}' has the target {batch.labels[row]:g}, which the training data "
            "have not."
        )
    return Batch(batch.features, numbers.astype(np.int32), batch.weights)


def _split(rows: Batch) -> tuple[Batch, Batch]:
    if len(rows) < 2:
        raise CustomerError("There is one row of training data alone: a part of them must be held out for validation.")
    order = np.random.default_rng(_SEED).permutation(len(rows))
    held = max(1, int(len(rows) * _HELD_OUT))

    def part(chosen: Any) -> Batch:
        return Batch(rows.features[chosen], rows.labels[chosen])

    return part(np.sort(order[held:])), part(np.sort(order[:held]))
