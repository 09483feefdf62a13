"""Image Classification of scikit-learn's handwritten digits, against its support vector machine."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.algorithms import Row
from sagesmith.algorithms.data import images, recordio
from tests.algorithms import harness

_HYPERPARAMETERS = {
    "num_classes": 10,
    "num_layers": 20,
    "image_shape": "1,16,16",
    "mini_batch_size": 32,
    "epochs": 12,
    "learning_rate": 0.05,
    "momentum": 0.9,
    "lr_scheduler_step": "6,10",
}


def quality() -> Iterator[Row]:
    """The share of 450 digits that are told, of 1797; a tenth of the others is there to choose the epoch by."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.svm import SVC

    digits = load_digits()
    parts = train_test_split(digits.images, digits.target, test_size=450, random_state=0, stratify=digits.target)
    train, test, labels, wanted = parts
    cut = len(train) * 9 // 10
    with tempfile.TemporaryDirectory() as folder:
        channels = {
            "train": _channel(train[:cut], labels[:cut]),
            "validation": _channel(train[cut:], labels[cut:]),
        }
        given = _HYPERPARAMETERS | {"num_training_samples": cut}
        trained = harness.train("image_classification", Path(folder), given, channels)
        # One more epoch that learns nothing measures the test images as its validation.
        archive = {path.name: path.read_bytes() for path in (trained.root / "model").iterdir()}
        again = harness.train(
            "image_classification",
            Path(folder) / "test",
            given | {"epochs": 1, "learning_rate": 0},
            channels | {"validation": _channel(test, wanted), "model": harness.Channel(archive)},
        )

    ours = again.metrics["validation:accuracy"][-1]
    flat = [each.reshape(len(each), -1) for each in (train, test)]
    theirs = float(SVC(gamma=0.001).fit(flat[0], labels).score(flat[1], wanted))
    yield Row("image_classification", "digits", "accuracy", ours, theirs, "scikit-learn's SVC")


def _channel(digits: Any, labels: Any) -> harness.Channel:
    from PIL import Image

    packed = []
    for number, (digit, label) in enumerate(zip(digits, labels, strict=True)):
        target = io.BytesIO()
        Image.fromarray((digit * 15.9375).astype(np.uint8)).save(target, "PNG")
        packed.append(images.packed(target.getvalue(), int(label), number))
    return harness.Channel({"digits.rec": recordio.write(packed)}, "application/x-recordio")
