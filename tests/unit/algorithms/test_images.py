"""Images and what is known of them, in every form that the image algorithms take."""

import io
import json
import os
import struct
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sagesmith.algorithms.data import annotations, images, recordio
from sagesmith.algorithms.data.indexed import Indexed
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError, Unreadable
from sagesmith.algorithms.semantic_segmentation.images import central_crop, uncut
from sagesmith.algorithms.vision import channels

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
RECORDIO = "application/x-recordio"


def encoded(pixels, kind="PNG", palette=None):
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette(palette)
    target = io.BytesIO()
    image.save(target, kind)
    return target.getvalue()


PNG, JPEG = encoded(PIXELS), encoded(PIXELS, "JPEG")


def channel(folder, name, files, content_type=RECORDIO, **options):
    root = folder / name
    root.mkdir(parents=True)
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Source(name, root, content_type, **options)


def test_records_of_mxnet_have_an_image_and_a_label_or_several(tmp_path):
    data = recordio.write([images.packed(PNG, 3, 17), images.packed(JPEG, [0, 1, 1])])
    first, second = images.records(channel(tmp_path, "train", {"a.rec": data}))
    assert (first.known.tolist(), second.known.tolist()) == ([3], [0, 1, 1])
    assert np.array_equal(first.pixels(), PIXELS)
    assert second.pixels().shape == PIXELS.shape


def test_an_augmented_manifest_streams_each_image_before_its_annotation(tmp_path):
    source = channel(tmp_path, "train", {}, mode="Pipe", record_wrapper="RecordIO")
    os.mkfifo(tmp_path / "train_0")
    content = recordio.write([PNG, b'"1"', JPEG, b"[0, 2]"])
    writer = threading.Thread(target=(tmp_path / "train_0").write_bytes, args=(content,))
    writer.start()
    first, second = images.records(source)
    writer.join()
    assert np.array_equal(first.pixels(), PIXELS)
    assert annotations.classes(first.known, 3, first.place) == 1
    assert annotations.classes(second.known, 3, second.place, several=True, by_id=True).tolist() == [1, 0, 1]


def in_parts(data):
    """A record as MXNet writes one whose data has the magic number, which is left out there."""
    middle, head = len(data) // 8 * 4, struct.Struct("<II")
    parts = ((1, data[:middle]), (3, data[middle:]))
    written = (head.pack(recordio.MAGIC, kind << 29 | len(part)) + part + bytes(-len(part) % 4) for kind, part in parts)
    return b"".join(written)


IN_PARTS = len(in_parts(images.packed(PNG, 1)))
MXNET = recordio.write([images.packed(PNG, 3), images.packed(JPEG, [0, 1, 1])]) + in_parts(images.packed(PNG, 1))
FILES = {"a.rec": MXNET, "b.rec": recordio.write([PNG, b'"1"', JPEG, b"[0, 2]"]), "c/d.rec": MXNET[:-8] + bytes(8)}


def test_records_in_any_order_are_those_that_are_streamed(tmp_path):
    source = channel(tmp_path, "train", FILES)
    streamed, indexed = list(images.records(source)), Indexed(source)
    assert len(indexed) == len(streamed) == 8
    for number in np.random.default_rng(0).permutation(8).tolist():
        found, wanted = indexed[number], streamed[number]
        assert (found.source, found.told()) == (wanted.source, pytest.approx(wanted.told()))
        assert found.place == wanted.place or wanted.place in found.place


def test_each_pass_draws_all_images_of_files_anew_and_those_of_a_pipe_from_its_own(tmp_path):
    rows = recordio.write([images.packed(PNG, number) for number in range(40)])
    for mode in ("File", "FastFile", "Pipe"):
        source = channel(tmp_path / mode, "train", {"a.rec": rows}, mode=mode)
        drawn, orders = channels.drawn(source, list), []
        for number in range(2):
            writer = threading.Thread(target=(tmp_path / mode / f"train_{number}").write_bytes, args=(rows,))
            if mode == "Pipe":
                os.mkfifo(tmp_path / mode / f"train_{number}")
                writer.start()
            orders.append([int(each().told()[0]) for each in drawn(number, np.random.default_rng(number))])
            if mode == "Pipe":
                writer.join()
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(40))
        assert orders[0] != orders[1]


@pytest.mark.parametrize("data", [*FILES.values(), b"", b"no records", bytes(20)])
def test_a_file_that_is_cut_off_is_refused_in_the_same_words_in_any_order(tmp_path, data):
    source = channel(tmp_path, "train", {"a.rec": data})
    for length in range(0, len(data), 7):
        (source.folder / "a.rec").write_bytes(data[:length])
        said = []
        for read in (lambda: list(images.records(source)), lambda: list(Indexed(source))):
            try:
                read()
                said.append("")
            except CustomerError as error:
                said.append(error.reason)
        assert bool(said[0]) == bool(said[1]), length
        # Of a record in parts, one names the record's beginning, and the other the part's.
        assert said[0] == said[1] or length > len(MXNET) - IN_PARTS, length


@pytest.mark.parametrize("line", ["5\t1\tdogs/1.png", "5 1 dogs/1.png", "5\t1.000000\t./dogs/1.png\r"])
def test_a_list_names_images_by_number_label_and_path(tmp_path, line):
    source = channel(tmp_path, "train", {"dogs/1.png": PNG, "other.png": JPEG})
    (example,) = images.listed(source, channel(tmp_path, "train_lst", {"train.lst": f"{line}\n\n"}))
    assert example.known.tolist() == [1]
    assert np.array_equal(example.pixels(), PIXELS)


def test_images_have_their_annotations_by_name_in_the_other_channel(tmp_path):
    source = channel(tmp_path, "train", {"in/1.png": PNG, "2.png": PNG, "readme.txt": ""})
    box = {"class_id": 1, "left": 4, "top": 0, "width": 4, "height": 3}
    document = {"file": "in/1.png", "image_size": [{"width": 8, "height": 6, "depth": 3}], "annotations": [box]}
    empty = {**document, "annotations": []}
    known = channel(tmp_path, "train_annotation", {"1.json": json.dumps(document), "2.json": json.dumps(empty)})
    second, first = images.annotated(source, known, ".json")
    assert annotations.boxes(first.told(), 2, first.place).tolist() == [[1, 0.5, 0, 1, 0.5]]
    assert annotations.boxes(second.told(), 2, second.place).shape == (0, 5)


def test_boxes_of_mxnets_records_stand_behind_a_header_of_any_length():
    label = np.array([4, 6, 8, 6, 1, 0.1, 0.2, 0.3, 0.4, 0, 0, 0.5, 0.5, 1, 1.25, 0, -1, -1, -1, -1, -1, -1], "float32")
    expected = [[1, 0.1, 0.2, 0.3, 0.4], [0, 0.5, 0.5, 1, 1]]
    assert np.allclose(annotations.boxes(label, 2, "record"), expected)


def bomb(width, height):
    """A PNG of a few bytes that says that it is large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_an_image_of_too_many_pixels_is_refused_by_its_file_before_it_is_decoded(tmp_path):
    source = channel(tmp_path, "train", {"huge.png": bomb(8_001, 8_000)}, "image/png")
    (example,) = images.listed(source, channel(tmp_path, "train_lst", {"a.lst": "0\t1\thuge.png\n"}))
    with pytest.raises(Unreadable, match=r"file train/huge.png: The image has 8001 x 8000 pixels, and may have 64 mil"):
        example.pixels()


def saved(image, kind="PNG", **options):
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def test_pixels_of_every_kind_are_as_they_are_seen():
    upper = np.array([[0x0000, 0x40FF, 0xFF00]], np.uint16)
    sixteen = images.pixels(saved(Image.fromarray(upper)), "it")
    assert sixteen[0].tolist() == [[0, 0, 0], [64, 64, 64], [255, 255, 255]]
    assert images.pixels(saved(Image.fromarray(upper)), "it", "L").tolist() == [[0, 64, 255]]
    for mode, colour in {"RGBA": (9, 8, 7, 0), "LA": (5, 0), "1": 1, "L": 3}.items():
        found = images.pixels(saved(Image.new(mode, (2, 1), colour)), "it")
        expected = {"RGBA": [9, 8, 7], "LA": [5, 5, 5], "1": [255, 255, 255], "L": [3, 3, 3]}[mode]
        assert found.tolist() == [[expected, expected]]
    palette = Image.new("P", (1, 1), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert images.pixels(saved(palette, transparency=b"\xff\x00"), "it").tolist() == [[[10, 20, 30]]]
    ink = images.pixels(saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"), "it")
    assert abs(ink[0, 0].astype(int) - [0, 255, 255]).max() < 60


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_was(turn):
    upright = Image.fromarray(np.kron(np.array([[250, 10, 90], [130, 50, 200]], np.uint8), np.ones((16, 16), np.uint8)))
    undone = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    held = upright.transpose(undone[turn]) if turn in undone else upright
    exif = Image.Exif()
    exif[0x0112] = turn
    found = images.pixels(saved(held, "JPEG", exif=exif, quality=95), "it", "L").astype(int)
    assert found.shape == (32, 48)
    assert abs(found - np.array(upright)).mean() < 3


def test_exif_data_that_make_no_sense_leave_an_image_as_it_is():
    for exif in (b"Exif\x00\x00nonsense", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff", b"\x01"):
        assert images.pixels(saved(Image.fromarray(PIXELS), "JPEG", exif=exif), "it").shape == PIXELS.shape


def test_masks_are_classes_in_grey_or_by_palette_and_through_label_maps(tmp_path):
    table = np.array([[0, 3, 6], [5, 2, 255]], np.uint8)
    grey, indexed = encoded(table), encoded(table, palette=[7, 7, 7] * 256)
    assert np.array_equal(images.mask(grey, "mask"), table)
    assert np.array_equal(images.mask(indexed, "mask"), table)
    maps = {"train_label_map.json": '{"scale": "3"}', "validation_label_map.json": '{"map": {"0": 5, "1": 0, "2": 2}}'}
    source = channel(tmp_path, "label_map", maps)
    scaled = images.mask(grey, "mask", annotations.label_map(source, "train"))
    assert scaled.tolist() == [[0, 1, 2], [1, 0, 255]]
    mapped = images.mask(grey, "mask", annotations.label_map(source, "validation"))
    assert mapped.tolist() == [[1, 255, 255], [0, 2, 255]]
    assert annotations.label_map(None, "train") is None


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([images.packed(b"no image", 1)], "record 1 .*neither an image nor one behind MXNet's header"),
        ([b"short"], "record 1 .*5 bytes are too few"),
        ([PNG, b"1", JPEG], "record 3 .*The image is the last record"),
        ([recordio.write([images.packed(PNG, 1)])], "record 1 .*The record is RecordIO itself"),
        ([], "channel 'train': it has no data"),
    ],
    ids=range(5),
)
def test_records_that_are_no_images_are_said_so(tmp_path, records, message):
    source = channel(tmp_path, "train", {"a.rec": recordio.write(records)} if records else {})
    with pytest.raises(CustomerError, match=message):
        list(images.records(source))


def test_images_that_are_none_or_cut_are_said_so_with_their_file(tmp_path):
    source = channel(tmp_path, "train", {"a.png": PNG[:60], "b.jpg": b"GIF89a"})
    lists = channel(tmp_path, "train_lst", {"a.lst": "1\t0\ta.png\n2\t0\tb.jpg\n"})
    for example, name in zip(images.listed(source, lists), ("a.png", "b.jpg"), strict=True):
        with pytest.raises(Unreadable, match=f"file train/{name}: The image is not a JPEG or PNG"):
            example.pixels()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t0\tnone.png", "file train_lst/a.lst, line 2: Channel 'train' has no image 'none.png'"),
        ("1\t0\t../train_lst/a.lst", "line 2: Channel 'train' has no image"),
        ("1\tdog\ta.png", "line 2: The line is not an image's number, labels and path"),
        ("a.png", "line 2: The line is not an image's number, labels and path"),
    ],
)
def test_a_wrong_line_of_a_list_is_named(tmp_path, line, message):
    source = channel(tmp_path, "train", {"a.png": PNG})
    with pytest.raises(Unreadable, match=message):
        images.listed(source, channel(tmp_path, "train_lst", {"a.lst": f"0\t1\ta.png\n{line}\n"}))


def test_an_image_without_its_annotation_is_named(tmp_path):
    source = channel(tmp_path, "train", {"a.png": PNG})
    with pytest.raises(Unreadable, match=r"file train/a\.png: Channel 'masks' has no a\.png"):
        images.annotated(source, channel(tmp_path, "masks", {"b.png": PNG}), ".png")


@pytest.mark.parametrize(
    "pictures",
    [("a/1.png", "b/1.png"), ("c/1.png", "a/1.png"), ("c/1.png", "d/1.png")],
    ids=["own", "later", "neither"],
)
def test_an_annotation_is_no_other_images_of_the_same_name(tmp_path, pictures):
    source = channel(tmp_path, "train", dict.fromkeys(pictures, PNG))
    with pytest.raises(Unreadable, match=r"Channel 'masks' has no 1\.png for the image"):
        images.annotated(source, channel(tmp_path, "masks", {"a/1.png": PNG}), ".png")


def test_the_middle_of_a_strip_is_all_that_is_enlarged_of_it():
    image, classes = Image.new("RGB", (60_000, 1)), Image.new("L", (60_000, 1))
    classes.putpixel((29_999, 0), 2)
    pixels, found = central_crop(image, classes, 512)
    assert pixels.shape == (3, 512, 512)
    assert found.shape == (512, 512) and (found == 2).all()


def test_an_image_that_is_too_large_to_be_seen_whole_is_named():
    large = Image.new("L", (4_000, 3_001))
    with pytest.raises(Unreadable, match=r"file validation/a\.png: The image has 4000 x 3001 pixels, and may have 12"):
        uncut(large, large, "file validation/a.png")
    _, classes = uncut(Image.new("RGB", (3, 2)), Image.new("L", (3, 2), 1), "it")
    assert classes.tolist() == [[1, 1, 1], [1, 1, 1]]


SIZE = '"image_size": [{"width": 8, "height": 6}]'


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (b"[]", "The annotation is not an object of 'image_size'"),
        (b'{"annotations"', "not JSON"),
        (f'{{{SIZE}, "annotations": [{{"class_id": 0}}]}}'.encode(), "The annotation is not an object"),
        (
            f'{{{SIZE}, "annotations": [{{"class_id": 5, "left": 0, "top": 0, "width": 1, "height": 1}}]}}'.encode(),
            "Class 5 is not one of 0 to 1",
        ),
        (
            f'{{{SIZE}, "annotations": [{{"class_id": 0, "left": 0, "top": 0, "width": 0, "height": 1}}]}}'.encode(),
            "The box of an object of class 0 has no area",
        ),
        (np.float32([2, 5, 0, 0.1]), "The record's label is not a list of objects"),
    ],
    ids=range(6),
)
def test_wrong_boxes_are_said_so(known, message):
    with pytest.raises(Unreadable, match=message):
        annotations.boxes(known, 2, "record 1")


@pytest.mark.parametrize(
    ("known", "options", "message"),
    [
        (np.float32([2]), {}, "Class 2 is not one of 0 to 1"),
        (np.float32([0, 1]), {}, "The image has 2 labels"),
        (b"0.5", {}, "Class 0.5 is not one of"),
        (b'"dog"', {}, "The label is not a number"),
        (b"[0, 1, 1]", {"several": True}, "not a list of 2 zeros and ones"),
        (b"[3]", {"several": True, "by_id": True}, "Class 3 is not one of"),
    ],
    ids=range(6),
)
def test_wrong_classes_are_said_so(known, options, message):
    with pytest.raises(Unreadable, match=message):
        annotations.classes(known, 2, "record 1", **options)


@given(
    st.sampled_from([PNG, JPEG]), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=3), st.integers(0)
)
def test_broken_images_are_read_or_refused_in_our_words(image, flips, cut):
    data = bytearray(image)
    for at, value in flips:
        data[at % len(data)] = value
    for read in (images.pixels, images.mask):
        try:
            found = read(bytes(data[: len(data) - cut % len(data)]), "record 1")
        except Unreadable:
            continue
        assert found.dtype == np.uint8


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda each: st.lists(each) | st.dictionaries(
    st.sampled_from(["image_size", "annotations", "width", "height", "class_id", "left", "top"]), each)))  # fmt: skip
def test_any_json_is_read_or_refused_as_an_annotation(document):
    known = json.dumps(document).encode()
    for read in (annotations.boxes, annotations.classes):
        try:
            read(known, 3, "record 1")
        except Unreadable:
            continue
