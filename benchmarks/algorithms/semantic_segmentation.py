"""Semantic Segmentation of generated images, against a random forest that looks at each pixel's surroundings.

The reference is how images are segmented without networks, as ilastik does it: each pixel has its colour, smoothed at
several scales, and the strength of its edges, and scikit-learn's RandomForestClassifier says its class of that.
"""

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.algorithms import Row
from tests.algorithms import harness

_SIDE, _CLASSES = 128, 3
_SCALES = (0.7, 1.5, 3.0, 6.0)
_HYPERPARAMETERS = {
    "backbone": "resnet-50",
    "num_classes": _CLASSES,
    "base_size": _SIDE,
    "crop_size": _SIDE,
    "mini_batch_size": 8,
    "validation_mini_batch_size": 8,
    "learning_rate": 0.002,
    "optimizer": "adam",
    "epochs": 12,
}


def quality() -> Iterator[Row]:
    """The mean intersection over union, and the share of right pixels, of 40 images, learned of 160."""
    random = np.random.default_rng(0)
    train, validation, test = ([_scene(random) for _ in range(count)] for count in (144, 16, 40))
    with tempfile.TemporaryDirectory() as folder:
        channels = _channels("train", train) | _channels("validation", validation)
        given = _HYPERPARAMETERS | {"num_training_samples": len(train)}
        trained = harness.train("semantic_segmentation", Path(folder), given, channels)
        assert trained.exit_code == 0, trained.log
        ours = [_pixels(trained.answer(_png(pixels), "image/png", "image/png")) for pixels, _ in test]
    theirs = _reference(train + validation, [pixels for pixels, _ in test])
    masks = [mask for _, mask in test]
    for number, metric in enumerate(("mIOU", "pixel accuracy")):
        figures = [_agreement(masks, found)[number] for found in (ours, theirs)]
        yield Row("semantic_segmentation", "200 generated images", metric, *figures, "scikit-learn's random forest")


def _scene(random: np.random.Generator) -> tuple[Any, Any]:
    """A ground with discs of two kinds, which differ in their texture and little in their colour, under noise."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    for _ in range(int(random.integers(2, 5))):
        radius = random.uniform(14, 28)
        left, top = random.uniform(16, _SIDE - 16, 2)
        mask[np.hypot(x - left, y - top) < radius] = random.integers(1, _CLASSES)
    light = 100 + 25 * np.sin((x * random.uniform(-1, 1) + y * random.uniform(-1, 1)) / 24)
    pixels = light[..., None] + random.uniform(-12, 12, 3)
    pixels = pixels + (mask == 1)[..., None] * np.array([28, 0, -14])
    stripes = 24 * np.sign(np.sin((x + y) * 0.8))
    pixels = pixels + ((mask == 2) * stripes)[..., None] + (mask == 2)[..., None] * np.array([16, 8, 0])
    return (pixels + random.normal(0, 20, pixels.shape)).clip(0, 255).astype(np.uint8), mask


def _png(pixels: Any) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def _pixels(image: bytes) -> Any:
    from PIL import Image

    return np.array(Image.open(io.BytesIO(image)))


def _channels(name: str, scenes: Sequence[tuple[Any, Any]]) -> dict[str, harness.Channel]:
    return {
        channel: harness.Channel({f"{number}.png": _png(each[part]) for number, each in enumerate(scenes)}, "image/png")
        for part, channel in enumerate((name, f"{name}_annotation"))
    }


def _reference(scenes: Sequence[tuple[Any, Any]], test: Sequence[Any]) -> list[Any]:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(100, min_samples_leaf=4, n_jobs=2, random_state=0)
    rows = np.concatenate([_features(pixels) for pixels, _ in scenes])
    drawn = np.random.default_rng(1).permutation(len(rows))[:120_000]
    forest.fit(rows[drawn], np.concatenate([mask.ravel() for _, mask in scenes])[drawn])
    return [forest.predict(_features(pixels)).reshape(_SIDE, _SIDE) for pixels in test]


def _features(pixels: Any) -> Any:
    """Of each pixel: its colour at several scales, and how strong edges and how uneven things are around it."""
    from scipy import ndimage

    image = pixels.astype(np.float32)
    grey, found = image.mean(2), []
    for scale in _SCALES:
        found += [ndimage.gaussian_filter(image[..., channel], scale) for channel in range(3)]
        found.append(ndimage.gaussian_gradient_magnitude(grey, scale))
        found.append(np.abs(ndimage.gaussian_laplace(grey, scale)))
        mean = ndimage.gaussian_filter(grey, scale)
        found.append(ndimage.gaussian_filter((grey - mean) ** 2, scale))
    return np.stack(found, 2).reshape(-1, len(found))


def _agreement(true: Sequence[Any], found: Sequence[Any]) -> tuple[float, float]:
    pairs = np.zeros((_CLASSES, _CLASSES))
    for one, other in zip(true, found, strict=True):
        np.add.at(pairs, (one.ravel(), other.ravel()), 1)
    both = np.diag(pairs)
    return float((both / (pairs.sum(0) + pairs.sum(1) - both)).mean()), float(both.sum() / pairs.sum())
