"""The text of a channel as the one file that fastText reads: a line a sentence, labels as words of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagesmith.algorithms.blazingtext.declaration import TEXT
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.data.recordio import frames
from sagesmith.algorithms.declaration import JSON_LINES
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.serving import media_type
from sagesmith.algorithms.text import loads

LABEL = b"__label__"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Corpus:
    """A file of sentences.

    Attributes:
        path: where it lies, which may be the channel's own file.
        bytes: its size.
    """

    path: Path
    bytes: int


def gather(source: Source, scratch: Path, *, labelled: bool) -> tuple[Corpus, int]:
    """The sentences of a channel, and how many of them have no label where there should be one.

    Args:
        scratch: a directory for what has to be put together.
        labelled: each sentence is to have a label.

    Raises:
        CustomerError: there is no text, or none that can be learned from.
    """
    kind = media_type(source.content_type)
    files = [] if source.mode == "Pipe" else _files(source)
    if kind == TEXT and len(files) == 1:
        path = files[0]
    else:
        path = scratch / f"{source.name}.txt"
        with path.open("wb") as target:
            for line in _sentences(source, files, kind):
                target.write(line + b"\n")
    missing = _check(path, source, labelled=labelled)
    return Corpus(path, path.stat().st_size), missing


def _files(source: Source) -> list[Path]:
    found = sorted(path for path in source.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise CustomerError(f"The channel '{source.name}' has no files.")
    return found


def _sentences(source: Source, files: list[Path], kind: str) -> Iterator[bytes]:
    if source.mode == "Pipe" and (kind != TEXT or source.record_wrapper == "RecordIO"):
        with (source.folder.with_name(f"{source.folder.name}_0")).open("rb", buffering=0) as stream:
            records = (record for each in frames(stream, f"channel {source.name}") for record in each)
            yield from _pairs(records, source.name) if kind != TEXT else _split(records)
        return
    if source.mode == "Pipe":
        files = [source.folder.with_name(f"{source.folder.name}_0")]
    for path in files:
        with path.open("rb") as file:
            if kind == TEXT:
                yield from (line.rstrip(b"\r\n") for line in file)
            elif kind == JSON_LINES:
                yield from _manifest(file, f"{source.name}/{path.name}")
            else:
                records = (record for each in frames(file, f"file {source.name}/{path.name}") for record in each)
                yield from _pairs(records, source.name)


def _split(records: Iterator[bytes]) -> Iterator[bytes]:
    for record in records:
        yield from record.splitlines()


def _manifest(lines: Iterator[bytes] | Any, name: str) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"file {name}, line {number}"
        try:
            entry = loads(line)
            source, label = entry["source"], entry.get("label")
        except (ValueError, TypeError, KeyError, AttributeError):
            raise CustomerError(f"Each line must be a JSON object with a 'source' ({place}).") from None
        yield _sentence(source, label, place)


def _pairs(records: Iterator[bytes], name: str) -> Iterator[bytes]:
    """What an augmented manifest's `source` and `label` stream as: a record each, by turns."""
    swapped: bool | None = None
    for number, first in enumerate(records, 1):
        second = next(records, None)
        place = f"channel {name}, entry {number}"
        if second is None:
            raise CustomerError(
                f"AttributeNames must be 'source' and 'label': there is one without the other ({place})."
            )
        if swapped is None:
            swapped = _is_label(first) and not _is_label(second)
        source, label = (second, first) if swapped else (first, second)
        text = source.decode("utf-8", "replace")
        yield _sentence(text, _json(label), place)


def _is_label(record: bytes) -> bool:
    value = _json(record)
    return isinstance(value, int | float | list) or record.startswith(LABEL)


def _json(record: bytes) -> Any:
    try:
        return loads(record)
    except ValueError:
        return record.decode("utf-8", "replace")


def _sentence(source: Any, label: Any, place: str) -> bytes:
    if not isinstance(source, str):
        raise CustomerError(f"'source' must be text, not {json.dumps(source)[:100]} ({place}).")
    labels = [] if label is None else label if isinstance(label, list) else [label]
    words = []
    for each in labels:
        if isinstance(each, bool) or not isinstance(each, int | float | str) or not str(each).strip():
            raise CustomerError(
                f"'label' must be a number or a word, or a list of them: {json.dumps(label)} ({place})."
            )
        word = str(int(each)) if isinstance(each, float) and each.is_integer() else "_".join(str(each).split())
        words.append(word if word.startswith("__label__") else f"__label__{word}")
    return " ".join([*words, *source.split()]).encode()


def _check(path: Path, source: Source, *, labelled: bool) -> int:
    """How many sentences have no label."""
    place = f"file {source.name}/{path.name}"
    with path.open("rb") as file:
        if b"\0" in file.read(_BLOCK_BYTES):
            raise CustomerError(f"The channel '{source.name}' is not text: it has zero bytes ({place}).")
        file.seek(0)
        if not labelled:
            if not any(line.strip() for line in file):
                raise CustomerError(f"The channel '{source.name}' has no text ({place}).")
            return 0
        sentences, missing, labels = 0, 0, set[bytes]()
        for line in file:
            if line.isspace():
                continue
            sentences += 1
            if LABEL not in line:
                missing += 1
            elif len(labels) < 2:
                labels.update(word for word in line.split() if word.startswith(LABEL))
    if not sentences:
        raise CustomerError(f"The channel '{source.name}' has no text ({place}).")
    if not labels:
        raise CustomerError(
            f"No line has a label: each must begin with one, a word that begins with __label__ ({place}, line 1)."
        )
    if len(labels) == 1 and source.name == "train":
        only = next(iter(labels)).decode("utf-8", "replace")
        raise CustomerError(f"All lines have the same label, {only}: there is nothing to tell apart ({place}).")
    return missing
