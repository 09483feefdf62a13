"""What is known of images: classes, boxes, label maps.

Sources: see `images`.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.data.json_rows import loaded
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import Unreadable

IGNORED = 255
"""The class of a mask's pixels that do not count."""


def classes(known: Any, count: int, place: str, *, several: bool = False, by_id: bool = False) -> Any:
    """An image's classes.

    Args:
        known: of an `Example`.
        count: how many classes there are.
        several: an image may have several; the answer is a float32 vector of zeros and ones then, else an integer.
        by_id: several are given by their numbers (`label-format=class-id`), else as such a vector (`multi-hot`).

    Raises:
        Unreadable: they are not there, or not from 0 up to `count`.
    """
    values = _values(known, place)
    if not several:
        if len(values) != 1:
            raise Unreadable(place, f"The image has {len(values)} labels, and one is expected; multi_label is not set")
        return _class(values[0], count, place)
    if by_id:
        hot = np.zeros(count, np.float32)
        hot[[_class(value, count, place) for value in values]] = 1
        return hot
    if len(values) != count or any(value not in (0, 1) for value in values):
        raise Unreadable(place, f"The label is not a list of {count} zeros and ones, one for each class")
    return np.array(values, np.float32)


def boxes(known: Any, count: int, place: str) -> Any:
    """An image's objects: a float32 array with rows of class, left, top, right, bottom; these are from 0 to 1.

    Args:
        known: of an `Example`: MXNet's label vector, or AWS's JSON.
        count: how many classes there are.

    Raises:
        Unreadable: it is neither.
    """
    rows = _boxes_of_json(loaded(known, place), place) if isinstance(known, bytes) else _boxes_of_vector(known, place)
    for row in rows:
        _class(row[0], count, place)
        if not (row[3] > row[1] and row[4] > row[2]):
            raise Unreadable(place, f"The box of an object of class {row[0]:g} has no area")
    table = np.array(rows, np.float32).reshape(-1, 5)
    table[:, 1:] = table[:, 1:].clip(0, 1)
    return table


def label_map(source: Source | None, channel: str) -> Any:
    """The table that turns a mask's values into classes, uint8 of length 256; None where values are classes.

    Args:
        source: the channel `label_map`, if the job has it.
        channel: whose masks they are, `train` or `validation`.

    Raises:
        Unreadable: the map is not as AWS has it.
    """
    path: Path | None = None if source is None else source.folder / f"{channel}_label_map.json"
    if source is None or path is None or not path.is_file():
        return None
    place = f"file {source.name}/{path.name}"
    document = loaded(path.read_bytes(), place)
    table = np.full(256, IGNORED, np.uint8)
    try:
        if "map" in document:
            for mapped, encoded in document["map"].items():
                table[_byte(encoded)] = _byte(mapped)
            return table
        scale = int(document.get("scale", 1))
        if scale < 1:
            raise ValueError
    except (AttributeError, TypeError, ValueError):
        raise Unreadable(
            place, 'A label map is {"map": {"<class>": <value of pixels>, …}} or {"scale": "<n>"}'
        ) from None
    table[:IGNORED] = np.arange(IGNORED) // scale
    return table


def _values(known: Any, place: str) -> list[float]:
    if not isinstance(known, bytes):
        return [float(value) for value in known]
    value = loaded(known, place)
    # A manifest has "class": "0" as often as 0.
    values = value if isinstance(value, list) else [value]
    try:
        if any(isinstance(each, bool) for each in values):
            raise ValueError
        return [float(each) for each in values]
    except (TypeError, ValueError, OverflowError):
        raise Unreadable(place, "The label is not a number or a list of numbers") from None


def _class(value: float, count: int, place: str) -> int:
    if not (math.isfinite(value) and value == int(value) and 0 <= value < count):
        raise Unreadable(place, f"Class {value:g} is not one of 0 to {count - 1} (num_classes is {count})")
    return int(value)


def _boxes_of_vector(vector: Any, place: str) -> list[tuple[float, ...]]:
    """MXNet's: the header's length, an object's, what else the header has, the objects; a class below 0 is padding."""
    values = [float(each) for each in vector]
    if len(values) >= 2 and all(math.isfinite(each) and each == int(each) for each in values[:2]):
        header, width = int(values[0]), int(values[1])
        if 2 <= header <= len(values) and width >= 5 and (len(values) - header) % width == 0:
            objects = (values[at : at + 5] for at in range(header, len(values), width))
            return [tuple(each) for each in objects if not each[0] < 0]
    raise Unreadable(place, "The record's label is not a list of objects with their boxes")


def _boxes_of_json(document: Any, place: str) -> list[tuple[float, ...]]:
    try:
        size = document["image_size"][0]
        width, height = float(size["width"]), float(size["height"])
        if not (width > 0 and height > 0):
            raise ValueError
        return [_box(each, width, height) for each in document["annotations"]]
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise Unreadable(
            place,
            "The annotation is not an object of 'image_size' (a list of width and height) and 'annotations' "
            "(a list of class_id, left, top, width and height)",
        ) from None


def _box(each: Any, width: float, height: float) -> tuple[float, ...]:
    left, top = float(each["left"]), float(each["top"])
    right, bottom = left + float(each["width"]), top + float(each["height"])
    return float(each["class_id"]), left / width, top / height, right / width, bottom / height


def _byte(value: Any) -> int:
    number = int(value)
    if not 0 <= number <= 255:
        raise ValueError
    return number
