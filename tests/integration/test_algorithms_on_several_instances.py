"""Each built-in algorithm that several instances may train, on two of them: shared files, copies, and none for one."""

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data import images, protobuf, recordio
from tests.algorithms.rows import csv
from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.programs.pngs import png

ACCOUNT = "382416733822.dkr.ecr.us-east-1.amazonaws.com"
RECORDS, NO_LABEL = "application/x-recordio-protobuf", "text/csv;label_size=0"
TAGS = {"xgboost": "sagemaker-xgboost:1.7-1"}
random = np.random.default_rng(0)


@dataclass(frozen=True)
class Trial:
    """What an algorithm trains with: the files of a channel, each a part of the rows, and a metric that it has then.

    Attributes:
        test: the channel that all instances get the first part of, beside the training's.
    """

    hyperparameters: dict[str, object]
    parts: Sequence[bytes]
    content_type: str
    metric: str
    test: str | None = None


def table(labels: Callable[[Any], Any] | None = None, rows: int = 60) -> list[bytes]:
    """Two parts of the rows of two groups, one for each."""
    parts = [random.normal(centre, 1, (rows, 4)) for centre in (-4, 4)]
    return [csv(part, None if labels is None else labels(part)).encode() for part in parts]


def mixed(labels: Callable[[Any], Any]) -> list[bytes]:
    """Two parts that both have both classes."""
    parts = [random.normal(0, 1, (80, 4)) for _ in range(2)]
    return [csv(part, labels(part)).encode() for part in parts]


def ratings() -> list[bytes]:
    parts = []
    for _ in range(2):
        pairs = np.column_stack([random.integers(0, 5, 100), random.integers(5, 10, 100)])
        rows = np.zeros((100, 10), np.float32)
        np.put_along_axis(rows, pairs, 1, 1)
        labels = (pairs.sum(1) % 5).astype(np.float32)
        records = [
            protobuf.write({"values": row}, {"values": label[None]}) for row, label in zip(rows, labels, strict=True)
        ]
        parts.append(recordio.write(records))
    return parts


def series() -> list[bytes]:
    days = np.arange(60)
    rows = [{"start": "2024-01-01", "target": (10 + scale * (days % 7)).tolist()} for scale in (1, 2, 3, 4)]
    return [("\n".join(json.dumps(row) for row in part) + "\n").encode() for part in (rows[:2], rows[2:])]


def logins() -> list[bytes]:
    return ["".join(f"user_{n % 5},10.0.{n % 5}.{n % 200}\n" for n in range(k, 400, 2)).encode() for k in (0, 1)]


def pictures(label: Callable[[int], Any]) -> list[bytes]:
    """Two RecordIO files of red and of blue images."""
    parts = []
    for part in range(2):
        packed = []
        for number in range(part * 8, part * 8 + 8):
            pixel = bytes([200, 30, 30] if number % 2 else [30, 30, 200])
            packed.append(images.packed(png(pixel * 32 * 32, 32, 32), label(number % 2), number))
        parts.append(recordio.write(packed))
    return parts


def positive(rows: Any) -> Any:
    return (rows[:, 0] > 0).astype(int)


NETWORK = {"num_classes": 2, "num_training_samples": 16, "mini_batch_size": 4, "epochs": 1}
TRIALS: dict[str, Callable[[], Trial]] = {
    "blazingtext": lambda: Trial(
        {"mode": "batch_skipgram", "vector_dim": 8, "epochs": 2, "min_count": 1, "evaluation": "false"},
        [b"one two three four\n" * 50, b"four five six one\n" * 50],
        "text/plain",
        "",
    ),
    "deepar": lambda: Trial(
        {"time_freq": "D", "context_length": 7, "prediction_length": 7, "epochs": 1, "num_cells": 8, "num_layers": 1},
        series(),
        "application/jsonlines",
        "train:final_loss",
        "test",
    ),
    "factorization_machines": lambda: Trial(
        {"feature_dim": 10, "num_factors": 2, "predictor_type": "regressor", "epochs": 2, "mini_batch_size": 20},
        ratings(),
        RECORDS,
        "test:rmse",
        "test",
    ),
    "image_classification": lambda: Trial(
        {**NETWORK, "num_layers": 20, "image_shape": "3,28,28"},
        pictures(lambda kind: kind),
        "application/x-recordio",
        "validation:accuracy",
        "validation",
    ),
    "ipinsights": lambda: Trial(
        {"num_entity_vectors": 20, "vector_dim": 8, "epochs": 1, "mini_batch_size": 50},
        logins(),
        "text/csv",
        "validation:discriminator_auc",
        "validation",
    ),
    "kmeans": lambda: Trial({"k": 2, "feature_dim": 4}, table(), NO_LABEL, "test:msd", "test"),
    "knn": lambda: Trial(
        {"k": 3, "feature_dim": 4, "sample_size": 100, "predictor_type": "classifier"},
        mixed(positive),
        "text/csv",
        "test:accuracy",
        "test",
    ),
    "linear_learner": lambda: Trial(
        {"predictor_type": "binary_classifier", "feature_dim": 4, "epochs": 2, "mini_batch_size": 20},
        mixed(positive),
        "text/csv",
        "test:binary_classification_accuracy",
        "test",
    ),
    "ntm": lambda: Trial(
        {"feature_dim": 4, "num_topics": 2, "epochs": 1, "mini_batch_size": 20, "encoder_layers": "[8]"},
        [csv(random.integers(0, 5, (60, 4))).encode() for _ in range(2)],
        NO_LABEL,
        "validation:total_loss",
        "validation",
    ),
    "object_detection": lambda: Trial(
        {**NETWORK, "base_network": "resnet-20", "use_pretrained_model": 0, "image_shape": 32},
        pictures(lambda kind: [2, 5, kind, 0.1, 0.1, 0.9, 0.9]),
        "application/x-recordio",
        "validation:mAP",
        "validation",
    ),
    "pca": lambda: Trial(
        {"feature_dim": 4, "num_components": 2, "mini_batch_size": 20}, table(), NO_LABEL, "train:explained_variance"
    ),
    "randomcutforest": lambda: Trial(
        {"feature_dim": 4, "num_trees": 50, "num_samples_per_tree": 20}, table(), NO_LABEL, ""
    ),
    "xgboost": lambda: Trial(
        {"objective": "binary:logistic", "num_round": 3, "eval_metric": "auc"},
        mixed(positive),
        "text/csv",
        "validation:auc",
        "validation",
    ),
}


def start(platform: Running, name: str, files: int = 2, distribution: str = "ShardedByS3Key", **changes: Any) -> str:
    """Begin a job of two instances."""
    trial, job = TRIALS[name](), jobs.name(name.replace("_", "-"))
    for number, part in enumerate(trial.parts[:files]):
        place = jobs.upload(platform, f"{job}/{number}", part).rsplit("/", 1)[0]
    channels = [jobs.channel(place), *([jobs.channel(f"{place}/0", trial.test)] if trial.test else [])]
    for each in channels:
        each["ContentType"] = trial.content_type
    channels[0]["DataSource"]["S3DataSource"]["S3DataDistributionType"] = distribution
    image = TAGS.get(name, f"{catalogue.algorithm(name).repositories[0]}:1")
    return jobs.start_job(
        platform,
        job,
        AlgorithmSpecification={"TrainingImage": f"{ACCOUNT}/{image}", "TrainingInputMode": "File"},
        HyperParameters={key: str(value) for key, value in (trial.hyperparameters | changes).items()},
        InputDataConfig=channels,
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
    )


@pytest.fixture(scope="module")
def begun(platform: Running) -> dict[str, str]:
    """The jobs by the algorithms' names; they wait in line from the start."""
    return {name: start(platform, name) for name in TRIALS}


def check(platform: Running, job: str, metric: str) -> None:
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described["FailureReason"]
    metrics = {each["MetricName"] for each in described.get("FinalMetricDataList", ())}
    assert not metric or metric in metrics


@pytest.mark.parametrize("name", TRIALS)
def test_two_instances_train_one_model_of_files_of_their_own(
    platform: Running, begun: dict[str, str], name: str
) -> None:
    check(platform, begun[name], TRIALS[name]().metric)


@pytest.mark.parametrize("name", ["linear_learner", "pca"])
def test_two_instances_train_one_model_of_the_same_file(platform: Running, name: str) -> None:
    check(platform, start(platform, name, 1, "FullyReplicated"), TRIALS[name]().metric)


def test_an_instance_without_a_file_says_so_and_ends_the_job(platform: Running) -> None:
    described = jobs.wait_job(platform, start(platform, "kmeans", 1))
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"] == (
        "ClientError: Unable to read data channel 'train': it has no data. ShardedByS3Key gives each instance files of "
        "its own, and this one got none, exit code: 2 (algo-2)"
    )


def test_xgboost_leaves_an_instance_without_a_file_aside(platform: Running) -> None:
    check(platform, start(platform, "xgboost", 1), "validation:auc")


def test_a_job_of_which_an_instance_is_killed_fails_with_a_reason(platform: Running) -> None:
    job = start(platform, "kmeans", epochs=1_000_000, half_life_time_size=100)
    while not any("#progress_metric" in line for line in jobs.job_log(platform, job)):
        time.sleep(0.1)
    programs = [each["pid"] for each in platform.status()["processes"] if each["name"] == f"job:{job}"]
    os.kill(programs[-1], signal.SIGKILL)
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: ")


def test_every_algorithm_for_several_instances_is_tried() -> None:
    assert set(TRIALS) == {name for name in catalogue.NAMES if catalogue.algorithm(name).instances}
