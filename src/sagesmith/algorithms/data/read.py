"""A channel as batches of rows: what training code calls, whatever the format and the input mode are."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.data import json_rows, parquet, records, text_csv, text_libsvm
from sagesmith.algorithms.data.ahead import ahead
from sagesmith.algorithms.data.assemble import in_batches, shuffled, whole_of
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.checks import Wanted
from sagesmith.algorithms.data.recordio import Stream, wrapped
from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, LIBSVM, PARQUET, RECORDIO
from sagesmith.algorithms.errors import CustomerError, NoData, Unreadable

Reader = Callable[[Stream, str, Wanted], Iterator[Batch]]
_READERS: dict[str, Reader] = {
    CSV: text_csv.batches,
    LIBSVM: text_libsvm.batches,
    RECORDIO: records.batches,
    PARQUET: parquet.batches,
    JSON_LINES: json_rows.batches,
}
_COMPILED = (CSV, RECORDIO, PARQUET)
"""Formats whose readers leave the interpreter to others most of the time: they read ahead in a thread."""
# XGBoost's page has these names beside the types.
_ALIASES = {
    "csv": CSV,
    "libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "parquet": PARQUET,
    "recordio-protobuf": RECORDIO,
    "application/json-lines": JSON_LINES,
    JSON: JSON_LINES,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A channel as a job has it.

    Attributes:
        folder: `/opt/ml/input/data/<name>`; in Pipe mode there are FIFOs `<folder>_<epoch>` instead.
        content_type: with its parameters, such as `text/csv;label_size=0`.
        mode: File, FastFile or Pipe.
        record_wrapper: in Pipe mode `RecordIO` where each object is wrapped in a record.
        replicated: every instance has all of it, else each has files of its own.
    """

    name: str
    folder: Path
    content_type: str
    mode: str = "File"
    record_wrapper: str = "None"
    replicated: bool = True


def batches(
    source: Source,
    *,
    labels: int | None = None,
    rows: int | None,
    columns: int | None = None,
    dense: bool = False,
    missing: bool = False,
    epoch: int = 0,
    shuffle_seed: int | None = None,
) -> Iterator[Batch]:
    """The rows of a channel in batches, the last perhaps of fewer rows.

    Files are read one after the other in the order of their paths, and no more of them is in memory than a few
    megabytes, or a batch. In Pipe mode an epoch can be read once.

    Args:
        labels: how many labels each row must have, 0 if they do not matter; None for what the content type's
            `label_size` says (1 where it says nothing), and of protobuf for what the records have.
        rows: of a batch; None for as many as come together, some megabytes of them.
        columns: how many features each row must have (`feature_dim`); None to take what the first has.
        dense: arrays also of sparse data.
        missing: features may be missing, which is NaN then.
        shuffle_seed: shuffle the files, and rows within some megabytes; another order with each `epoch`.

    Raises:
        CustomerError: the channel has no data, or data that are wrong; it names file, line and column.
    """
    kind, wanted_labels = _content_type(source, labels)
    if kind == LIBSVM and columns is None:
        columns = peek_columns(source)
    wanted = Wanted(wanted_labels, columns, dense, missing)
    random = None if shuffle_seed is None else np.random.default_rng((shuffle_seed, epoch))
    pieces = _pieces(source, _READERS[kind], wanted, epoch, random)
    if random is not None:
        pieces = shuffled(pieces, random, rows or 1)
    found = pieces if rows is None else in_batches(pieces, rows)
    return ahead(found, endless=source.mode == "Pipe") if kind in _COMPILED else found


def whole(
    source: Source,
    *,
    labels: int | None = None,
    columns: int | None = None,
    dense: bool = False,
    missing: bool = False,
    epoch: int = 0,
) -> Batch:
    """All rows of a channel, for algorithms that need them at once. As `batches` otherwise."""
    return whole_of(
        batches(source, labels=labels, rows=1 << 16, columns=columns, dense=dense, missing=missing, epoch=epoch)
    )


def peek_columns(source: Source, labels: int | None = None) -> int:
    """How many features the channel's rows have, as the first row has them (`feature_dim: auto`).

    Of libsvm, whose rows do not say, the largest index of all files decides.

    Raises:
        CustomerError: the channel has no data or data that are wrong, or is a pipe, which can be read only once.
    """
    kind, wanted_labels = _content_type(source, labels)
    if source.mode == "Pipe":
        raise CustomerError(
            f"The number of features of channel '{source.name}' cannot be found out in Pipe mode: set feature_dim"
        )
    highest = -1
    for stream, name in parts(source, 0, None):
        if kind == LIBSVM:
            highest = max(highest, text_libsvm.highest_index(stream, name))
        elif kind == CSV:
            found = text_csv.first_row(stream, name, 1 if wanted_labels is None else wanted_labels)
            if found is not None:
                return found
        else:
            for batch in _READERS[kind](stream, name, Wanted(wanted_labels)):
                return batch.columns
    if highest < 0:
        raise no_data(source)
    return highest + 1


def streams(source: Source, epoch: int = 0) -> Iterator[tuple[Stream, str]]:
    """A channel's files (or its pipe) as they are, for formats that are not rows, and what each is for people.

    Raises:
        CustomerError: a file cannot be opened.
    """
    return parts(source, epoch, None)


def parameters(content_type: str) -> tuple[str, dict[str, str]]:
    """A content type's name, and its parameters, all in lower case."""
    name, *rest = (each.strip().lower() for each in content_type.split(";"))
    pairs = (each.partition("=") for each in rest if each)
    return _ALIASES.get(name, name), {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _content_type(source: Source, labels: int | None) -> tuple[str, int | None]:
    """A source's kind, and how many labels its rows have."""
    kind, given = parameters(source.content_type)
    if kind not in _READERS:
        taken = ", ".join(f"'{each}'" for each in _READERS)
        raise CustomerError(
            f"No iterator has been registered for ContentType ('{source.content_type}', '1.0') of channel "
            f"'{source.name}'. Supported content types are {taken}"
        )
    size = given.get("label_size")
    if size is not None and not (size.isascii() and size.isdecimal() and len(size) < 6):
        raise CustomerError(
            f"label_size of content type '{source.content_type}' of channel '{source.name}' is not a whole number"
        )
    if labels is None and kind in (CSV, PARQUET):
        return kind, 1 if size is None else int(size)
    return kind, labels


def _pieces(source: Source, reader: Reader, wanted: Wanted, epoch: int, random: Any) -> Iterator[Batch]:
    """What readers give, of all files; all rows are like the first."""
    found = False
    for stream, name in parts(source, epoch, random):
        any_here = False
        for batch in reader(stream, name, wanted):
            wanted = wanted.like(batch)
            any_here = True
            yield batch
        found = found or any_here
        if not any_here and source.mode != "Pipe":
            # Of several instances one whose channel has no rows may stand aside, which rows of other files must not.
            if found or len(files(source)) > 1:
                raise Unreadable(name, "The file is empty")
            raise NoData(f"Unable to read data in {name}: The file is empty")
    if not found:
        raise no_data(source)


def parts(source: Source, epoch: int, random: Any, *, unwrap: bool = True) -> Iterator[tuple[Stream, str]]:
    """The streams of a channel, and what each is for people: its files, or the objects that a pipe's records wrap.

    Args:
        random: a NumPy generator to shuffle the files by, None for the order of their paths.
        unwrap: False to have a pipe as one stream of records.
    """
    if source.mode == "Pipe":
        yield from _piped(source, epoch, unwrap)
        return
    paths = files(source)
    if random is not None:
        random.shuffle(paths)
    for path in paths:
        name = f"file {source.name}/{path.relative_to(source.folder)}"
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(path.open("rb", buffering=0))
            except OSError as error:
                raise Unreadable(name, f"The file cannot be opened: {error.strerror}") from None
            yield stream, name


def _piped(source: Source, epoch: int, unwrap: bool) -> Iterator[tuple[Stream, str]]:
    path = source.folder.with_name(f"{source.folder.name}_{epoch}")
    with path.open("rb", buffering=0) as stream:
        if unwrap and source.record_wrapper == "RecordIO":
            for number, each in enumerate(wrapped(stream, f"channel {source.name}"), 1):
                yield each, f"channel {source.name}, object {number}"
        else:
            yield stream, f"channel {source.name}"


def files(source: Source) -> list[Path]:
    """All files of a channel, in the order of their paths, without hidden ones and markers such as `_SUCCESS`."""
    return list(_files(source.folder)) if source.folder.is_dir() else []


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def no_data(source: Source) -> NoData:
    """The error of a channel without rows."""
    none = "" if source.replicated else ". ShardedByS3Key gives each instance files of its own, and this one got none"
    return NoData(f"Unable to read data channel '{source.name}': it has no data{none}")
