"""Image Classification as its image runs it."""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sagesmith.algorithms.data import images, recordio
from tests.algorithms.harness import Channel, Trained, finish, prepare, program, start, stop_once

NAME = "image_classification"
RECORDS, IMAGE, MODEL = "application/x-recordio", "application/x-image", "application/x-sagemaker-model"
TINY: dict[str, object] = {
    "num_classes": 3,
    "num_training_samples": 48,
    "num_layers": 20,
    "image_shape": "3,12,12",
    "mini_batch_size": 8,
    "epochs": 3,
    "learning_rate": 0.05,
    "momentum": 0.9,
}


def picture(label: int, random: np.random.Generator) -> bytes:
    """A bright stripe: across, down, or none."""
    pixels = random.integers(0, 90, (14, 14, 3))
    at = random.integers(3, 10)
    if label == 1:
        pixels[at : at + 2] += 150
    elif label == 2:
        pixels[:, at : at + 2] += 150
    target = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(target, "PNG")
    return target.getvalue()


def pictures(count: int, seed: int = 0) -> list[tuple[bytes, int]]:
    random = np.random.default_rng(seed)
    return [(picture(number % 3, random), number % 3) for number in range(count)]


def records(count: int, seed: int = 0) -> Channel:
    packed = [images.packed(image, label, number) for number, (image, label) in enumerate(pictures(count, seed))]
    return Channel({"some.rec": recordio.write(packed)}, RECORDS)


def labelled(count: int) -> Channel:
    """Images with a vector of zeros and ones: bright across, bright down."""
    packed = [images.packed(image, [label == 1, label == 2]) for image, label in pictures(count)]
    return Channel({"some.rec": recordio.write(packed)}, f"{RECORDS}; label-format=multi-hot")


def listed(name: str, count: int, seed: int = 0) -> dict[str, Channel]:
    found = pictures(count, seed)
    lines = "".join(f"{number}\t{label}\tall/{number}.png\n" for number, (_, label) in enumerate(found))
    files: Mapping[str, bytes] = {f"all/{number}.png": image for number, (image, _) in enumerate(found)}
    return {name: Channel(files, IMAGE), f"{name}_lst": Channel({f"{name}.lst": lines}, IMAGE)}


def job(root: Path, given: Mapping[str, object], channels: Mapping[str, Channel]) -> Path:
    prepare(root, given, channels, "algo-1", ["algo-1"])
    return root


def train_all(jobs: Mapping[str, Path]) -> dict[str, Trained]:
    return {name: finish(NAME, root, start(NAME, root)) for name, root in jobs.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(NAME)


@pytest.fixture(scope="module")
def trained(folder: Path) -> dict[str, Trained]:
    """Jobs that learn."""
    seen = {"train": records(48), "validation": records(24, 1)}
    jobs = {
        "records": job(folder / "records", TINY | {"epochs": 5, "top_k": 2, "augmentation_type": "crop"}, seen),
        "listed": job(
            folder / "listed",
            TINY | {"checkpoint_frequency": 2, "optimizer": "adam", "learning_rate": 0.003, "resize": 13},
            listed("train", 48) | listed("validation", 12, 1),
        ),
        "labels": job(
            folder / "labels",
            TINY
            | {"num_classes": 2, "multi_label": 1, "use_weighted_loss": 1, "lr_scheduler_step": "4, 5", "epochs": 6},
            {"train": labelled(49), "validation": labelled(12)},
        ),
        "stopped": job(
            folder / "stopped",
            TINY
            | {
                "epochs": 50,
                "early_stopping": True,
                "early_stopping_min_epochs": 2,
                "early_stopping_patience": 1,
                "learning_rate": 0,
            },
            seen,
        ),
    }
    return train_all(jobs)


@pytest.fixture(scope="module")
def resumed(folder: Path, trained: dict[str, Trained]) -> dict[str, Trained]:
    """Jobs that go on from others, and such that cannot."""
    changed = TINY | {"augmentation_type": "crop_color_transform"}
    channels = {"train": records(48), "validation": records(24, 1)}
    for name in ("whole", "half", "second"):
        (folder / name).mkdir()
    (folder / "half" / "checkpoints").mkdir()
    (folder / "second" / "checkpoints").symlink_to(folder / "half" / "checkpoints")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path in (trained["records"].root / "model").iterdir():
            tar.add(path, path.name)
    earlier = {"model": Channel({"model.tar.gz": archive.getvalue()}, MODEL)}
    deep = {"num_layers": 18, "use_pretrained_model": 1, "epochs": 1}
    jobs = {
        "whole": job(folder / "whole", changed, channels),
        "half": job(folder / "half", changed | {"epochs": 1}, channels),
        "second": job(folder / "second", changed, channels),
        "incremental": job(folder / "incremental", TINY | {"epochs": 1, "learning_rate": 0.001}, channels | earlier),
        "other": job(folder / "other", TINY | {"num_classes": 4}, channels | earlier),
        "pretrained": job(folder / "pretrained", TINY | deep, channels),
        "diverged": job(folder / "diverged", TINY | {"optimizer": "adam", "eps": 0}, channels),
        "label": job(folder / "label", TINY | {"num_classes": 2}, channels),
        "no image": job(
            folder / "no image", TINY, {"train": Channel({"a.rec": recordio.write([b"no image at all" * 9])}, RECORDS)}
        ),
        "cut": job(
            folder / "cut",
            TINY,
            {"train": Channel({"a.rec": recordio.write([images.packed(pictures(1)[0][0][:150], 0)])}, RECORDS)},
        ),
        "no list": job(folder / "no list", TINY, {"train": listed("train", 3)["train"]}),
    }
    return train_all(jobs)


def test_images_are_told_apart_that_were_not_seen(trained: dict[str, Trained]) -> None:
    one = trained["records"]
    assert one.exit_code == 0, one.log
    assert max(one.metrics["validation:accuracy"]) > 0.9
    assert len(one.metrics["train:accuracy"]) == 5
    assert "Epoch[4] Train-top_k_accuracy_2=" in one.log
    assert len(list((one.root / "model").glob("*.npz"))) == 1


def test_images_with_a_list_are_learned_and_networks_kept_as_often_as_is_said(trained: dict[str, Trained]) -> None:
    one = trained["listed"]
    assert one.exit_code == 0, one.log
    assert one.metrics["train:accuracy"][-1] > 0.8
    kept = sorted(path.name for path in (one.root / "model").glob("*.npz"))
    assert kept == ["image-classification-0002.npz", "image-classification-0003.npz"]


def test_images_may_have_several_labels(trained: dict[str, Trained]) -> None:
    one = trained["labels"]
    assert one.exit_code == 0, one.log
    assert one.metrics["validation:accuracy"][-1] > 0.8
    assert "num_training_samples is 48, and the channel 'train' has 49 images" in one.log
    assert one.log.count("Change learning rate") == 2


def test_it_stops_early_when_nothing_improves(trained: dict[str, Trained]) -> None:
    assert "Early stopping condition met after" in trained["stopped"].log
    assert len(trained["stopped"].metrics["validation:accuracy"]) < 10


def test_answers_are_probabilities_as_json_or_a_line_of_it(trained: dict[str, Trained]) -> None:
    one, labels = trained["records"], trained["labels"]
    bodies = [image for image, _ in pictures(3, 5)]
    found = [json.loads(one.answer(body, IMAGE)) for body in bodies]
    assert [int(np.argmax(each)) for each in found] == [0, 1, 2]
    assert all(sum(each) == pytest.approx(1) for each in found)
    line = one.answer(bodies[2], "image/png", "application/jsonlines")
    assert line == json.dumps({"prediction": found[2]}).encode() + b"\n"
    target = io.BytesIO()
    Image.open(io.BytesIO(bodies[1])).resize((60, 70)).save(target, "JPEG")
    assert np.argmax(json.loads(one.answer(target.getvalue(), "image/jpeg"))) == 1
    across, down = json.loads(labels.answer(bodies[1], IMAGE))
    assert across > 0.5 > down


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [(b"no image", IMAGE, "not a JPEG or PNG"), (b"", "image/png", "not a JPEG or PNG"), (b"1,2", "text/csv", IMAGE)],
)
def test_requests_that_are_none_are_refused(
    trained: dict[str, Trained], body: bytes, content_type: str, message: str
) -> None:
    ended = trained["records"].ask(body, content_type)
    assert ended.returncode == 2
    assert message in ended.stderr.decode()


def test_an_artifact_of_another_algorithm_is_refused(trained: dict[str, Trained], folder: Path) -> None:
    (folder / "foreign" / "model").mkdir(parents=True)
    (folder / "foreign" / "model" / "model_algo-1").write_bytes(b"")
    ended = replace(trained["records"], root=folder / "foreign").ask(b"", IMAGE)
    assert "The model artifact is not one of Image Classification" in ended.stderr.decode()


def test_a_job_goes_on_from_its_checkpoint_as_if_nothing_had_happened(resumed: dict[str, Trained]) -> None:
    assert resumed["whole"].exit_code == 0, resumed["whole"].log
    assert "Resuming from the checkpoint after 1 epochs" in resumed["second"].log
    for name in ("train:accuracy", "validation:accuracy"):
        both = resumed["half"].metrics[name] + resumed["second"].metrics[name]
        assert both == pytest.approx(resumed["whole"].metrics[name])


def test_a_job_that_is_stopped_within_an_epoch_goes_on_with_its_next_batch(tmp_path: Path) -> None:
    given = TINY | {"mini_batch_size": 2, "augmentation_type": "crop"}
    channels = {"train": records(48), "validation": records(6, 1)}
    whole = finish(NAME, tmp_path / "whole", start(NAME, job(tmp_path / "whole", given, channels)))
    root = job(tmp_path / "parts", given, channels)
    (root / "checkpoints").mkdir()
    run = start(NAME, root)
    stop_once(run, "Epoch[0] Batch [20]")
    first = finish(NAME, root, run)
    second = finish(NAME, root, start(NAME, root))
    assert "The job was asked to stop" in first.log
    assert "Resuming from the checkpoint after" in second.log
    for name in ("train:accuracy", "validation:accuracy"):
        both = first.metrics.get(name, []) + second.metrics[name]
        assert both == pytest.approx(whole.metrics[name])


def test_a_job_goes_on_from_an_earlier_model(trained: dict[str, Trained], resumed: dict[str, Trained]) -> None:
    assert resumed["incremental"].exit_code == 0, resumed["incremental"].log
    assert resumed["incremental"].metrics["train:accuracy"][0] > trained["records"].metrics["train:accuracy"][0]


def test_a_job_begins_with_what_imagenet_taught(resumed: dict[str, Trained]) -> None:
    one = resumed["pretrained"]
    assert one.exit_code == 0, one.log
    assert "EFFICIENTNET-LITE0 TAKES ITS PLACE" in one.log
    assert sum(json.loads(one.answer(pictures(1)[0][0], IMAGE))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other", "its num_classes is 3, the job's 4. They must be the same"),
        ("diverged", "lower learning_rate"),
        ("label", "Class 2 is not one of 0 to 1 (num_classes is 2)"),
        ("no image", "file train/a.rec"),
        ("cut", "The image is not a JPEG or PNG that can be read"),
        ("no list", "give the job a channel 'train_lst'"),
    ],
)
def test_what_cannot_be_learned_from_ends_the_job(resumed: dict[str, Trained], name: str, message: str) -> None:
    assert resumed[name].exit_code == 2, resumed[name].log
    assert resumed[name].failure.startswith("ClientError: ")
    assert message in resumed[name].failure


def test_a_long_strip_takes_little_memory() -> None:
    found = program(NAME, "image_strip.py")
    assert found["shape"] == [3, 224, 224]
    # All of it, enlarged until it is high enough, would be 3 GB.
    assert found["grown_bytes"] < 300 << 20


def test_optimizers_descend_without_pytorchs_compiler() -> None:
    seen = program(NAME, "optimizers.py")
    assert seen["imported"] == []
    # The first step goes down by a tenth of the slope of two; the second has half of it, too, to go on with.
    assert seen["found"]["sgd"] == pytest.approx(1 - 0.2 - (0.16 + 0.1))
    assert seen["found"]["nag"] == pytest.approx(1 - 0.3 - (0.14 + 0.5 * (0.14 + 0.1)))
    assert seen["found"]["adam"] == pytest.approx(0.8, abs=1e-2)
    assert all(each < 1 for each in seen["found"].values())
