"""Image Classification as its image runs it."""

import io

import numpy as np
import pytest
from PIL import Image

from sagesmith.algorithms.data import images, recordio
from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained, train

RECORDS, IMAGE = "application/x-recordio", "application/x-image"
TINY = {
    "num_classes": 3,
    "num_training_samples": 48,
    "num_layers": 20,
    "image_shape": "3,12,12",
    "mini_batch_size": 8,
    "epochs": 4,
    "learning_rate": 0.05,
    "momentum": 0.9,
}


def picture(label: int, random: np.random.Generator, kind: str = "PNG") -> bytes:
    """A bright stripe: across, down, or none."""
    pixels = random.integers(0, 90, (14, 14, 3))
    at = random.integers(3, 10)
    if label == 1:
        pixels[at : at + 2] += 150
    elif label == 2:
        pixels[:, at : at + 2] += 150
    target = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(target, kind)
    return target.getvalue()


def pictures(count: int, seed: int = 0) -> list[tuple[bytes, int]]:
    random = np.random.default_rng(seed)
    return [(picture(number % 3, random), number % 3) for number in range(count)]


def records(count: int, seed: int = 0) -> Channel:
    data = recordio.write(
        [images.packed(image, label, number) for number, (image, label) in enumerate(pictures(count, seed))]
    )
    return Channel({"some.rec": data}, RECORDS)


def listed(name: str, count: int, seed: int = 0) -> dict[str, Channel]:
    found = pictures(count, seed)
    lines = "".join(f"{number}\t{label}\tall/{number}.png\n" for number, (_, label) in enumerate(found))
    files = {f"all/{number}.png": image for number, (image, _) in enumerate(found)}
    return {name: Channel(files, IMAGE), f"{name}_lst": Channel({f"{name}.lst": lines}, IMAGE)}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    channels = {"train": records(48), "validation": records(24, 1)}
    given = TINY | {"top_k": 2, "epochs": 6, "lr_scheduler_step": "4, 5", "augmentation_type": "crop"}
    return train("image_classification", tmp_path_factory.mktemp("classifier"), given, channels)


def test_images_are_told_apart_that_were_not_seen(classifier: Trained) -> None:
    assert classifier.exit_code == 0, classifier.log
    assert max(classifier.metrics["validation:accuracy"]) > 0.9
    assert len(classifier.metrics["train:accuracy"]) == 6


def test_a_long_strip_takes_little_memory() -> None:
    found = harness.program("image_classification", "image_strip.py")
    assert found["shape"] == [3, 224, 224]
    # All of it, enlarged until it is high enough, would be 3 GB.
    assert found["grown_bytes"] < 300 << 20
