"""Images with what is known of them, in the forms that the image algorithms take: RecordIO, lists, annotations, masks.

Sources:
    https://docs.aws.amazon.com/sagemaker/latest/dg/image-classification.html#IC-inputoutput
    https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html#object-detection-inputoutput
    https://docs.aws.amazon.com/sagemaker/latest/dg/semantic-segmentation.html#semantic-segmentation-inputoutput
    https://mxnet.apache.org/versions/1.9.1/api/python/docs/api/mxnet/recordio/index.html (IRHeader)
"""

import io
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagesmith.algorithms.data.checks import float32
from sagesmith.algorithms.data.read import Source, files, no_data, parts
from sagesmith.algorithms.data.recordio import MAGIC, frames
from sagesmith.algorithms.errors import Unreadable

# flag, label, id, id2; a flag above zero is how many labels follow.
_HEADER = struct.Struct("<IfQQ")
_MARKS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_WRAPPED = struct.pack("<I", MAGIC)
_SUFFIXES = (".jpg", ".jpeg", ".png")
_ORIENTATION = 0x0112
MOST_PIXELS = 64_000_000
"""Of an image: 8,000 by 8,000. A few kilobytes may say that they are more, and would take all memory."""


@dataclass(frozen=True, slots=True)
class Example:
    """An image and what is known of it.

    Attributes:
        source: the image as JPEG or PNG, or the file that has it.
        known: a vector of float32 from an IRHeader or a list; or, from elsewhere, JSON or a mask as PNG, or the file
            that has it.
        place: where it stands, for errors.
    """

    source: bytes | Path
    known: Any
    place: str

    def told(self) -> Any:
        """What is known of the image: a vector, or bytes."""
        return self.known.read_bytes() if isinstance(self.known, Path) else self.known

    def pixels(self, mode: str = "RGB") -> Any:
        """The image as a uint8 array of shape (height, width, channels).

        Raises:
            Unreadable: it is not one.
        """
        data = self.source.read_bytes() if isinstance(self.source, Path) else self.source
        return pixels(data, self.place, mode)


def records(source: Source, epoch: int = 0) -> Iterator[Example]:
    """The images of application/x-recordio: of MXNet's files, or of an augmented manifest in a pipe.

    The latter gives for each line of the manifest two records, the image first.

    Raises:
        CustomerError: the channel has no images, or something else.
    """
    found = False
    for stream, name in parts(source, epoch, None, unwrap=False):
        placed = ((record, lot.place(name, index)) for lot in frames(stream, name) for index, record in enumerate(lot))
        for example in examples(placed):
            found = True
            yield example
    if not found:
        raise no_data(source)


def examples(records: Iterable[tuple[bytes, str]]) -> Iterator[Example]:
    """The images of records, of each of which is said where it stands.

    Raises:
        Unreadable: a record is none, or an image's annotation is not there.
    """
    image: tuple[bytes, str] | None = None
    for record, place in records:
        if image is not None:
            yield Example(image[0], record, image[1])
            image = None
        elif is_image(record):
            image = record, place
        else:
            yield _unpacked(record, place)
    if image is not None:
        raise Unreadable(image[1], "The image is the last record; an augmented manifest's annotation follows each")


def is_image(record: bytes) -> bool:
    """Whether a record is an image alone, which the next one tells of; by its beginning."""
    return record.startswith(_MARKS)


def packed(image: bytes, label: Any, number: int = 0) -> bytes:
    """A record as MXNet's im2rec writes it; a label that is no single number is a vector of them."""
    labels = np.atleast_1d(np.asarray(label, "<f4"))
    if np.ndim(label) == 0:
        return _HEADER.pack(0, float(labels[0]), number, 0) + image
    return _HEADER.pack(len(labels), 0.0, number, 0) + labels.tobytes() + image


def listed(images: Source, lists: Source) -> list[Example]:
    """The images that the .lst files of a channel name: their number, labels and path, with tabs in between.

    Raises:
        CustomerError: a line is no such, or its image is not there.
    """
    found = []
    for path in files(lists):
        name = f"file {lists.name}/{path.relative_to(lists.folder)}"
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if line.strip():
                found.append(_of_line(line, f"{name}, line {number}", images))
    if not found:
        raise no_data(lists)
    return found


def annotated(images: Source, annotations: Source, suffix: str) -> list[Example]:
    """Images with the files of another channel that have the same path but for the suffix: `.json`, or `.png` of masks.

    Raises:
        CustomerError: an image has none, or there are no images.
    """
    known = {path.relative_to(annotations.folder).with_suffix(""): path for path in files(annotations)}
    known = {stem: path for stem, path in known.items() if path.suffix.lower() == suffix}
    pictures = {path: path.relative_to(images.folder) for path in files(images) if path.suffix.lower() in _SUFFIXES}
    # AWS's example has annotations beside one another whose images are in folders. None is two images'.
    apart = set(known) - {path.with_suffix("") for path in pictures.values()}
    names = Counter(stem.name for stem in apart)
    flat = {stem.name: known[stem] for stem in apart if names[stem.name] == 1}
    found = []
    for path, within in pictures.items():
        place, stem = f"file {images.name}/{within}", within.with_suffix("")
        annotation = known.get(stem) or flat.pop(stem.name, None)
        if annotation is None:
            raise Unreadable(place, f"Channel '{annotations.name}' has no {stem.name}{suffix} for the image")
        found.append(Example(path, annotation, place))
    if not found:
        raise no_data(images)
    return found


def pixels(data: bytes, place: str, mode: str = "RGB", most: int = MOST_PIXELS) -> Any:
    """A JPEG or PNG as a uint8 array of shape (height, width, channels), without channels for modes of one.

    It is as OpenCV, with which AWS's algorithms read images, has it: turned as its EXIF data say, of 16 bits the upper
    eight, without transparency.

    Args:
        mode: Pillow's name of what its pixels are, RGB or L; "" as they are in the file.
        most: the pixels that it may have.

    Raises:
        Unreadable: it is not one, or has more pixels.
    """
    from PIL import Image

    # It warns, or refuses, by a limit of its own, and to keep it from that takes filters that all threads share.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            width, height = image.size
            if width * height > most:
                why = f"The image has {width} x {height} pixels, and may have {most / 1e6:.0f} million: make it smaller"
                raise Unreadable(place, why)
            return np.array(_upright(_in_mode(image, mode)) if mode else image)
    except Unreadable:
        raise
    except Exception as error:
        # Pillow's plugins raise what their parsing happens to end in.
        raise Unreadable(place, f"The image is not a JPEG or PNG that can be read: {error}") from None


def _in_mode(image: Any, mode: str) -> Any:
    from PIL import Image

    if image.mode.startswith("I"):
        # Pillow takes all that is more than 255 for white.
        found = Image.fromarray((np.array(image).astype(np.uint32) >> 8).astype(np.uint8))
        found.info = image.info
        return _in_mode(found, mode)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def _upright(image: Any) -> Any:
    """An image as it was meant to be seen; where its EXIF data make no sense, as it is."""
    from PIL import Image

    try:
        turn = image.getexif().get(_ORIENTATION)
    except Exception:  # what parsing it happens to end in
        return image
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(turns[turn]) if turn in turns else image


def mask(data: Any, place: str, table: Any = None) -> Any:
    """A mask as a uint8 array of shape (height, width): the class of each pixel, 255 for none.

    Args:
        data: a PNG of one channel, with a palette or grey.
        table: of a label map; None to take pixels as they are.

    Raises:
        Unreadable: it is not one.
    """
    if not isinstance(data, bytes) or not data.startswith(_MARKS[1]):
        raise Unreadable(place, "The annotation is not a PNG mask")
    found = pixels(data, f"the mask of {place}", "")
    if found.ndim != 2 or (found.dtype != bool and (found.min(initial=0) < 0 or found.max(initial=0) > 255)):
        raise Unreadable(place, "The mask has more than one channel of 8 bits")
    classes = found.astype(np.uint8)
    return classes if table is None else table[classes]


def _unpacked(record: bytes, place: str) -> Example:
    """An image behind an IRHeader."""
    if record.startswith(_WRAPPED):
        why = "The record is RecordIO itself: a channel of RecordIO files has RecordWrapperType None"
        raise Unreadable(place, why)
    if len(record) < _HEADER.size:
        raise Unreadable(place, f"Unable to parse record: {len(record)} bytes are too few for an image with its header")
    flag, label, _, _ = _HEADER.unpack_from(record)
    start = _HEADER.size + 4 * flag
    if start >= len(record) or not record.startswith(_MARKS, start):
        raise Unreadable(
            place,
            "Unable to parse record: it is neither an image nor one behind MXNet's header. "
            "Please make sure input data is in correct recordio format",
        )
    labels = np.frombuffer(record, "<f4", flag, _HEADER.size) if flag else np.array([label], np.float32)
    return Example(record[start:], labels, place)


def _of_line(line: bytes, place: str, images: Source) -> Example:
    try:
        cells = line.decode().strip().split("\t")
        # AWS's page shows its example with spaces.
        cells = cells if len(cells) > 1 else line.decode().split()
        labels = float32([float(cell) for cell in cells[1:-1]])
    except ValueError:
        raise Unreadable(place, "The line is not an image's number, labels and path, with tabs in between") from None
    if len(cells) < 3 or not np.isfinite(labels).all():
        raise Unreadable(place, "The line is not an image's number, labels and path, with tabs in between")
    path = images.folder / cells[-1].strip().removeprefix("./")
    if not path.resolve().is_relative_to(images.folder.resolve()) or not path.is_file():
        raise Unreadable(place, f"Channel '{images.name}' has no image '{cells[-1]}'")
    return Example(path, labels, f"file {images.name}/{cells[-1].strip()}")
