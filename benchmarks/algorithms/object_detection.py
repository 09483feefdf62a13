"""Object Detection of generated shapes, against histograms of gradients and a support vector machine.

The reference is the detector that people trusted before networks (Dalal and Triggs, CVPR 2005): a window slides over
the image at several sizes, a linear support vector machine of scikit-learn says what is in it, and hard negatives are
learned from in a second round. Both learn from the same images.
"""

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.algorithms import Row
from sagesmith.algorithms.data import images, recordio
from tests.algorithms import harness

_SIDE, _CELLS, _BINS = 64, 4, 9
_WINDOWS = (14, 18, 22, 27)
_HYPERPARAMETERS = {
    "base_network": "resnet-50",
    "num_classes": 3,
    "image_shape": 128,
    "mini_batch_size": 16,
    "learning_rate": 0.001,
    "optimizer": "adam",
    "epochs": 12,
    "lr_scheduler_step": "10",
}


def quality() -> Iterator[Row]:
    """The mean average precision of discs, squares and triangles, one to three in each of 60 images, learned of 240."""
    random = np.random.default_rng(0)
    train, validation, test = ([_scene(random) for _ in range(count)] for count in (216, 24, 60))
    with tempfile.TemporaryDirectory() as folder:
        channels = {"train": _channel(train), "validation": _channel(validation)}
        given = _HYPERPARAMETERS | {"num_training_samples": len(train)}
        trained = harness.train("object_detection", Path(folder), given, channels)
        assert trained.exit_code == 0, trained.log
        found = [trained.answer(_png(pixels), "image/png") for pixels, _ in test]
    ours = mean_average_precision([_rows(each) for each in found], [boxes for _, boxes in test])
    theirs = mean_average_precision(_reference(train + validation, test), [boxes for _, boxes in test])
    yield Row("object_detection", "300 generated images", "mAP", ours, theirs, "HOG and scikit-learn's LinearSVC")


def _scene(random: np.random.Generator) -> tuple[Any, Any]:
    """An image, and its objects: rows of class, left, top, right, bottom, in pixels."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    pixels = 110 + 40 * np.sin((x * random.uniform(-1, 1) + y * random.uniform(-1, 1)) / 9)[..., None]
    pixels = pixels + random.uniform(-25, 25, 3)
    taken = np.zeros((_SIDE, _SIDE), bool)
    objects = []
    for _ in range(int(random.integers(1, 4))):
        kind, side = int(random.integers(3)), int(random.integers(14, 28))
        left, top = (int(each) for each in random.integers(0, _SIDE - side, 2))
        if taken[top : top + side, left : left + side].any():
            continue
        taken[top : top + side, left : left + side] = True
        across, down = (x - left) / (side - 1), (y - top) / (side - 1)
        inside = (across >= 0) & (across <= 1) & (down >= 0) & (down <= 1)
        inside &= (
            np.hypot(across - 0.5, down - 0.5) <= 0.5,
            inside,
            np.abs(across - 0.5) <= down / 2,
        )[kind]
        pixels[inside] += random.choice([-1, 1]) * random.uniform(40, 80) + random.uniform(-30, 30, 3)
        objects.append([kind, left, top, left + side, top + side])
    noisy = pixels + random.normal(0, 12, pixels.shape)
    return noisy.clip(0, 255).astype(np.uint8), np.array(objects, np.float64)


def _png(pixels: Any) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def _channel(scenes: Sequence[tuple[Any, Any]]) -> harness.Channel:
    packed = []
    for number, (pixels, objects) in enumerate(scenes):
        rows = objects.copy()
        rows[:, 1:] /= _SIDE
        packed.append(images.packed(_png(pixels), [2, 5, *rows.ravel()], number))
    return harness.Channel({"shapes.rec": recordio.write(packed)}, "application/x-recordio")


def _rows(answer: bytes) -> Any:
    """Rows of class, score, left, top, right, bottom, in pixels."""
    import json

    rows = np.array(json.loads(answer)["prediction"], np.float64).reshape(-1, 6)
    rows[:, 2:] *= _SIDE
    return rows


def _reference(scenes: Sequence[tuple[Any, Any]], test: Sequence[tuple[Any, Any]]) -> list[Any]:
    from sklearn.svm import LinearSVC

    places = [
        (side, left, top)
        for side in _WINDOWS
        for top in range(0, _SIDE - side, 3)
        for left in range(0, _SIDE - side, 3)
    ]
    windows = np.array([[0, left, top, left + side, top + side] for side, left, top in places], np.float64)
    seen = [_windows(pixels, windows) for pixels, _ in scenes]
    features, labels = [], []
    random = np.random.default_rng(1)
    for (pixels, objects), around in zip(scenes, seen, strict=True):
        shared = np.array([overlaps(row[1:], windows[:, 1:]) for row in objects])
        features.append(_windows(pixels, objects))
        labels += objects[:, 0].astype(int).tolist()
        for row, near in zip(objects, shared, strict=True):
            features.append(around[near > 0.65])
            labels += [int(row[0])] * int((near > 0.65).sum())
        far = random.permutation(np.flatnonzero(shared.max(0) < 0.35))[:30]
        features.append(around[far])
        labels += [3] * len(far)
    machine = LinearSVC(C=0.1, max_iter=5000).fit(np.concatenate(features), labels)
    for (_, objects), around in zip(scenes, seen, strict=True):
        shared = np.array([overlaps(row[1:], windows[:, 1:]) for row in objects]).max(0)
        wrong = np.flatnonzero((machine.predict(around) != 3) & (shared < 0.35))
        features.append(around[wrong])
        labels += [3] * len(wrong)
    machine = LinearSVC(C=0.1, max_iter=5000).fit(np.concatenate(features), labels)
    return [_suppressed(machine.decision_function(_windows(pixels, windows)), windows) for pixels, _ in test]


def _windows(pixels: Any, boxes: Any) -> Any:
    """The histograms of gradients of windows, each scaled to 16 pixels a side."""
    from PIL import Image

    image = Image.fromarray(pixels).convert("L")
    return np.array([_hog(np.asarray(image.resize((16, 16), box=tuple(row[1:])), np.float32)) for row in boxes])


def _hog(grey: Any) -> Any:
    down, across = np.gradient(grey)
    strength, angle = np.hypot(down, across), np.arctan2(down, across) % np.pi
    cells = (np.arange(16)[:, None] // 4 * _CELLS + np.arange(16) // 4) * _BINS
    bins = cells + np.minimum((angle / np.pi * _BINS).astype(int), _BINS - 1)
    found = np.bincount(bins.ravel(), strength.ravel(), _CELLS * _CELLS * _BINS)
    return np.minimum(found / (np.linalg.norm(found) + 1e-6), 0.3)


def _suppressed(scores: Any, windows: Any) -> Any:
    kept: list[Any] = []
    best = scores[:, :3] - scores[:, 3:]
    for place in np.argsort(-best.max(1))[:300]:
        kind = int(best[place].argmax())
        box = windows[place, 1:]
        if all(row[0] != kind or overlaps(box, row[None, 2:])[0] <= 0.3 for row in kept):
            kept.append(np.array([kind, best[place, kind], *box]))
    return np.array(kept)


def overlaps(box: Any, others: Any) -> Any:
    """Intersection over union of a box with each of others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(0).prod(1)
    return shared / ((box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - shared)


def mean_average_precision(found: Sequence[Any], true: Sequence[Any]) -> float:
    """The area under precision by recall, at an overlap of a half, the mean of the classes."""
    areas = []
    for kind in range(3):
        taken: set[tuple[int, int]] = set()
        ranked = sorted(
            ((row[1], image, row[2:]) for image, rows in enumerate(found) for row in rows if row[0] == kind),
            key=lambda each: -each[0],
        )
        right = []
        for _, image, box in ranked:
            there = np.flatnonzero(true[image][:, 0] == kind)
            shared = overlaps(box, true[image][there, 1:])
            best = int(there[shared.argmax()]) if len(there) else -1
            right.append(len(there) > 0 and shared.max() >= 0.5 and (image, best) not in taken)
            if right[-1]:
                taken.add((image, best))
        total = sum(int((rows[:, 0] == kind).sum()) for rows in true)
        hits = np.cumsum(right)
        precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
        areas.append(float((np.diff([0, *hits]) / total * precision).sum()))
    return float(np.mean(areas))
