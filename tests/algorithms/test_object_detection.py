"""Object Detection as its image runs it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sagesmith.algorithms.data import images, recordio
from tests.algorithms.harness import Channel, Trained, finish, prepare, program, start, train, train_together

NAME = "object_detection"
SIDE = 32
RECORDS = "application/x-recordio"
TINY = {
    "base_network": "resnet-20",
    "num_classes": 2,
    "num_training_samples": 48,
    "image_shape": SIDE,
    "mini_batch_size": 8,
    "learning_rate": 0.003,
    "optimizer": "adam",
    "epochs": 8,
}


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, form)
    return target.getvalue()


def squares(count: int, seed: int) -> list[tuple[bytes, list[int]]]:
    """Images with a red or a blue square, and its class, left, top and side."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        pixels = random.integers(90, 120, (SIDE, SIDE, 3), np.uint8)
        kind, side = int(random.integers(0, 2)), int(random.integers(12, 20))
        left, top = (int(each) for each in random.integers(0, SIDE - side, 2))
        pixels[top : top + side, left : left + side, 2 * kind] = 240
        found.append((encoded(pixels), [kind, left, top, side]))
    return found


def packed(count: int, seed: int) -> Channel:
    rows = []
    for number, (image, (kind, left, top, side)) in enumerate(squares(count, seed)):
        label = [2, 5, kind, *(each / SIDE for each in (left, top, left + side, top + side))]
        rows.append(images.packed(image, label, number))
    return Channel({"all.rec": recordio.write(rows)}, RECORDS)


def annotated(name: str, count: int, seed: int, kind: int | None = None) -> dict[str, Channel]:
    pictures, annotations = {}, {}
    for number, (image, (found, left, top, side)) in enumerate(squares(count, seed)):
        pictures[f"{number}.png"] = image
        box = {"class_id": found if kind is None else kind, "left": left, "top": top, "width": side, "height": side}
        size = [{"width": SIDE, "height": SIDE, "depth": 3}]
        annotations[f"{number}.json"] = json.dumps({"file": f"{number}.png", "image_size": size, "annotations": [box]})
    return {name: Channel(pictures, "image/png"), f"{name}_annotation": Channel(annotations, "image/png")}


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    channels = {"train": packed(48, 0), "validation": packed(12, 1)}
    return train(NAME, tmp_path_factory.mktemp("detector"), TINY, channels)


def test_objects_are_found_in_images_that_were_not_seen(detector: Trained) -> None:
    assert detector.exit_code == 0, detector.log
    assert max(detector.metrics["validation:mAP"]) > 0.8, detector.metrics
    assert detector.metrics["train:cross_entropy"][-1] < detector.metrics["train:cross_entropy"][0]
    assert detector.metrics["train:smooth_l1"][-1] < detector.metrics["train:smooth_l1"][0]


def test_an_answer_has_a_class_a_score_and_a_box_of_each_object_the_best_first(detector: Trained) -> None:
    image, (kind, left, top, side) = squares(1, 5)[0]
    rows = json.loads(detector.answer(image, "application/x-image"))["prediction"]
    scores = [row[1] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert all(len(row) == 6 and min(row[2:]) >= 0 and max(row[2:]) <= 1 for row in rows)
    true = np.array([left, top, left + side, top + side]) / SIDE
    assert rows[0][0] == kind
    assert np.abs(np.array(rows[0][2:]) - true).max() < 0.15


def test_annotations_in_json_and_a_checkpoint_are_gone_on_from(tmp_path: Path) -> None:
    channels = annotated("train", 6, 2) | annotated("validation", 3, 3)
    given = TINY | {"num_training_samples": 6, "mini_batch_size": 5, "epochs": 2, "freeze_layer_pattern": "^conv1"}
    whole = train(NAME, tmp_path / "whole", given, channels)
    assert whole.exit_code == 0, whole.log
    root = tmp_path / "parts"
    (root / "checkpoints").mkdir(parents=True)
    train(NAME, root, given | {"epochs": 1}, channels)
    prepare(root, given, channels, "algo-1", ["algo-1"])
    second = finish(NAME, root, start(NAME, root))
    assert "Resuming from the checkpoint after 1 epochs" in second.log
    assert second.metrics["train:smooth_l1"] == pytest.approx(whole.metrics["train:smooth_l1"][1:], rel=1e-3)


def test_pretrained_weights_make_the_networks_that_they_are_of() -> None:
    found = program(NAME, "pretrained_weights.py")
    assert max(found["far"].values()) < 1e-4, found["far"]
    palace = 698
    assert found["label"] == palace
    said = found["said"]
    assert "THE NETWORK IS TRAINED FROM THE BEGINNING" in said["default"]
    assert said["wanted"].startswith(
        "ClientError: use_pretrained_model is 1, and there are no pretrained weights of vgg-16"
    )
    assert "torchvision's vgg16_bn-*.pth or vgg16-*.pth is in the folder that SAGESMITH_WEIGHTS names" in said["wanted"]
    assert said["other"].startswith("ClientError: The pretrained weights resnet50-1.pth are not those of resnet-50")


def test_the_hyperparameters_of_awss_examples_begin_with_what_imagenet_taught(tmp_path: Path) -> None:
    """object_detection_incremental_training.ipynb, but for the images' size and number and the epochs."""
    channels = {"train": packed(8, 0), "validation": packed(2, 1)}
    common = {
        "base_network": "resnet-50",
        "num_classes": 20,
        "mini_batch_size": 4,
        "epochs": 1,
        "learning_rate": 0.001,
        "optimizer": "rmsprop",
        "momentum": 0.9,
        "image_shape": 64,
        "label_width": 350,
        "num_training_samples": 8,
    }
    schedule = {"lr_scheduler_step": "3,6", "lr_scheduler_factor": 0.1, "weight_decay": 0.0005}
    thresholds = {"overlap_threshold": 0.5, "nms_threshold": 0.45}
    first = train(NAME, tmp_path / "first", common | schedule | thresholds | {"use_pretrained_model": 1}, channels)
    assert first.exit_code == 0, first.log
    assert "EFFICIENTNET-LITE0 TAKES ITS PLACE" in first.log
    earlier = {each.name: each.read_bytes() for each in (first.root / "model").iterdir()}
    channels |= {"model": Channel(earlier, "application/x-sagemaker-model")}
    second = train(NAME, tmp_path / "second", common, channels)
    assert second.exit_code == 0, second.log
    rows = json.loads(second.answer(squares(1, 5)[0][0], "image/jpeg"))["prediction"]
    assert all(0 <= row[0] < 20 for row in rows)


def test_two_instances_descend_the_gradient_of_all_their_images() -> None:
    apart = program(NAME, "averaged_gradients.py")
    assert max(apart.values()) < 1e-6, apart


def test_two_instances_learn_as_one_does(tmp_path: Path) -> None:
    channels = {"train": packed(16, 0), "validation": packed(4, 1)}
    given = TINY | {"num_training_samples": 16, "epochs": 2}
    alone = train(NAME, tmp_path / "alone", given, channels)
    first, second = train_together(NAME, tmp_path, given | {"mini_batch_size": 4}, [channels, channels])
    assert [first.failure, second.failure] == ["", ""]
    assert first.metrics["validation:mAP"] == second.metrics["validation:mAP"]
    for name in ("train:cross_entropy", "train:smooth_l1"):
        assert first.metrics[name] == second.metrics[name]
        # Batches of four are normalised otherwise than batches of eight.
        assert first.metrics[name] == pytest.approx(alone.metrics[name], rel=0.3)
    assert {each.name for each in (first.root / "model").iterdir()} == {"model.json", "weights.npz"}
    assert list((second.root / "model").iterdir()) == []


def test_a_class_that_there_is_not_ends_the_job(tmp_path: Path) -> None:
    trained = train(NAME, tmp_path, TINY, annotated("train", 1, 0, kind=2) | annotated("validation", 1, 0))
    assert trained.exit_code == 2
    assert "Class 2 is not one of 0 to 1" in trained.failure


def test_objects_of_any_place_and_size_have_a_box_that_overlaps_them_by_half() -> None:
    found = program(NAME, "anchors.py")
    assert min(found.values()) > 0.95, found
