"""Semantic Segmentation as its image runs it."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sagesmith.algorithms.data import protobuf, recordio
from tests.algorithms.harness import Channel, Trained, finish, prepare, start, train

NAME = "semantic_segmentation"
SIDE = 32
TINY = {
    "backbone": "resnet-20",
    "num_classes": 3,
    "num_training_samples": 24,
    "base_size": SIDE,
    "crop_size": 24,
    "mini_batch_size": 8,
    "validation_mini_batch_size": 1,
    "learning_rate": 0.002,
    "optimizer": "adam",
    "epochs": 12,
}


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, form)
    return target.getvalue()


def squares(count: int, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images whose left or right half is red or blue on grey, and masks that say so."""
    random = np.random.default_rng(seed)
    found = {}
    for number in range(count):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        kind, half = random.integers(1, 3), random.integers(0, 2) * SIDE // 2
        mask[:, half : half + SIDE // 2] = kind
        pixels = random.integers(90, 120, (SIDE, SIDE, 3), np.uint8)
        pixels[mask == 1, 0], pixels[mask == 2, 2] = 230, 230
        found[f"{number}"] = pixels, mask
    return found


def channels(name: str, count: int, seed: int) -> dict[str, Channel]:
    made = squares(count, seed)
    return {
        name: Channel({f"{stem}.jpg": encoded(pixels, "JPEG") for stem, (pixels, _) in made.items()}, "image/jpeg"),
        f"{name}_annotation": Channel({f"{stem}.png": encoded(mask) for stem, (_, mask) in made.items()}, "image/png"),
    }


TRAIN, VALIDATION = channels("train", 24, 0), channels("validation", 4, 1)
FEW = channels("train", 4, 2) | VALIDATION
BRIEF = TINY | {"num_training_samples": 4, "mini_batch_size": 3, "epochs": 1}


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(NAME, tmp_path_factory.mktemp("halves"), TINY, TRAIN | VALIDATION)


def test_masks_of_images_that_were_not_seen_are_found(halves: Trained) -> None:
    assert halves.exit_code == 0, halves.log
    assert max(halves.metrics["validation:mIOU"]) > 0.7, halves.log
    assert max(halves.metrics["validation:pixel_accuracy"]) > 0.8
    assert halves.metrics["train:loss"][-1] < halves.metrics["train:loss"][0]
    assert halves.metrics["train:progress"][-1] == 100


def test_the_mask_of_the_best_epoch_is_answered_at_the_images_size(halves: Trained) -> None:
    pixels, true = next(iter(squares(1, 3).values()))
    wide = np.concatenate([pixels, pixels[:, :5]], 1)
    mask = np.array(Image.open(io.BytesIO(halves.answer(encoded(wide, "JPEG"), "image/jpeg", "image/png"))))
    assert mask.shape == wide.shape[:2]
    assert (mask[:, :SIDE] == true).mean() > 0.7


def test_probabilities_are_a_record_of_values_and_their_shape(halves: Trained) -> None:
    pixels = next(iter(squares(1, 4).values()))[0][:20]
    body = halves.answer(encoded(pixels), "image/png", "application/x-protobuf")
    (record,) = (each for lot in recordio.frames(io.BytesIO(body), "answer") for each in lot)
    data = np.frombuffer(record, np.uint8)
    found = protobuf.read(data, np.array([0]), np.array([len(data)])).features
    assert found["shape"].values.tolist() == [1, 3, 20, SIDE]
    probabilities = found["target"].values.reshape(1, 3, 20, SIDE)
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-4)


def test_what_is_no_image_is_refused(halves: Trained) -> None:
    ended = halves.ask(b"nothing", "image/jpeg")
    assert ended.returncode == 2
    assert "not a JPEG or PNG" in ended.stderr.decode()


def test_training_goes_on_from_its_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    # A polynomial would fall with the number of epochs.
    given = BRIEF | {"lr_scheduler": "step", "lr_scheduler_step": "5"}
    whole = train(NAME, tmp_path / "whole", given | {"epochs": 2}, FEW)
    root = tmp_path / "parts"
    (root / "checkpoints").mkdir(parents=True)
    train(NAME, root, given, FEW)
    prepare(root, given | {"epochs": 2}, FEW, "algo-1", ["algo-1"])
    second = finish(NAME, root, start(NAME, root))
    assert "Resuming from the checkpoint after 1 epochs" in second.log
    assert second.metrics["train:loss"] == pytest.approx(whole.metrics["train:loss"][1:], rel=1e-4)


def test_an_earlier_model_is_where_training_begins(halves: Trained, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as opened:
        for path in (halves.root / "model").iterdir():
            opened.add(path, path.name)
    model = {"model": Channel({"model.tar.gz": archive.getvalue()}, "application/x-sagemaker-model")}
    given = BRIEF | {"use_pretrained_model": "True", "learning_rate": 0.00001}
    further = train(NAME, tmp_path / "further", given, FEW | model)
    assert further.exit_code == 0, further.log
    assert further.metrics["train:loss"][0] < halves.metrics["train:loss"][0] * 0.7
    other = train(NAME, tmp_path / "other", given | {"algorithm": "psp"}, FEW | model)
    assert "its algorithm is fcn, the job's psp" in other.failure


@pytest.mark.parametrize("algorithm", ["psp", "deeplab"])
def test_every_decoder_learns_from_an_augmented_manifest_and_label_maps(algorithm: str, tmp_path: Path) -> None:
    made = squares(4, 0)
    pairs = [part for pixels, mask in made.values() for part in (encoded(pixels, "JPEG"), encoded(mask * 3))]
    content = Channel({"pairs.rec": recordio.write(pairs)}, "application/x-recordio")
    maps = {f"{name}_label_map.json": json.dumps({"scale": "3"}) for name in ("train", "validation")}
    given = BRIEF | {"algorithm": algorithm, "validation_mini_batch_size": 4, "lr_scheduler": "cosine"}
    trained = train(NAME, tmp_path, given, {"train": content, "validation": content, "label_map": Channel(maps)})
    assert trained.exit_code == 0, trained.log
    assert 0 <= trained.metrics["validation:mIOU"][0] <= 1


def test_what_cannot_be_learned_from_ends_the_job(tmp_path: Path) -> None:
    pixels = squares(1, 0)["0"][0]
    wrong = Channel({"0.png": encoded(np.full((SIDE, SIDE), 7, np.uint8))})
    bad = VALIDATION | {"train": Channel({"0.jpg": encoded(pixels, "JPEG")}), "train_annotation": wrong}
    trained = train(NAME, tmp_path / "class", BRIEF, bad)
    assert trained.exit_code == 2
    assert "file train/0.jpg: The mask has class 7, which is not one of 0 to 2 (num_classes is 3)" in trained.failure


def test_the_hyperparameters_of_awss_example_begin_with_what_imagenet_taught(tmp_path: Path) -> None:
    """semantic_segmentation_pascalvoc.ipynb, but for the images' size and number and the epochs."""
    given = {
        "backbone": "resnet-50",
        "algorithm": "fcn",
        "use_pretrained_model": "True",
        "crop_size": 64,
        "num_classes": 21,
        "epochs": 1,
        "learning_rate": 0.0001,
        "optimizer": "rmsprop",
        "lr_scheduler": "poly",
        "mini_batch_size": 2,
        "validation_mini_batch_size": 16,
        "early_stopping": True,
        "early_stopping_patience": 2,
        "early_stopping_min_epochs": 10,
        "num_training_samples": 4,
    }
    trained = train(NAME, tmp_path, given, {name: Channel(each.files) for name, each in FEW.items()})
    assert trained.exit_code == 0, trained.log
    assert "EFFICIENTNET-LITE0 TAKES ITS PLACE" in trained.log
    body = encoded(squares(1, 3)["0"][0], "JPEG")
    assert np.array(Image.open(io.BytesIO(trained.answer(body, "image/jpeg", "image/png")))).shape == (SIDE, SIDE)
