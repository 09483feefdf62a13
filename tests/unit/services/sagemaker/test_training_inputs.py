"""Which channels and checkpoints CreateTrainingJob takes, and how a task has them."""

from typing import Any

import pytest

from sagesmith.compute.base import Channel, Checkpoints, TensorBoardOutput
from sagesmith.services.sagemaker.training_inputs import (
    channel,
    check_channels,
    check_checkpoints,
    check_tensorboard,
    checkpoints,
    tensorboard,
)
from sagesmith.wire.errors import ValidationException


def request(mode: str = "File", source: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    s3 = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/p", **(source or {})}
    one = {"ChannelName": "train", "DataSource": {"S3DataSource": s3}, **members}
    return {"AlgorithmSpecification": {"TrainingInputMode": mode}, "InputDataConfig": [one]}


AUGMENTED = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref"]}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (request(CompressionType="Gzip"), "CompressionType Gzip can only be used if the channel's input mode is Pipe"),
        (request("Pipe", CompressionType="Gzip", InputMode="FastFile"), "channel train has FastFile"),
        (request(RecordWrapperType="RecordIO"), "RecordWrapperType RecordIO can only be used"),
        (request(source=AUGMENTED), "S3DataType AugmentedManifestFile can only be used"),
        (
            request("Pipe", {"S3DataType": "AugmentedManifestFile"}),
            "AttributeNames must be specified for channel train",
        ),
        (request("Pipe", {"AttributeNames": ["a"]}), "AttributeNames can only be specified for S3DataType Augmented"),
    ],
    ids=["gzip", "own-mode", "recordio", "augmented", "no-attributes", "attributes"],
)
def test_what_only_pipes_can_do_is_refused_of_files(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationException, match=words):
        check_channels(wrong)


def test_a_channel_called_like_a_pipe_is_refused() -> None:
    wrong = request("Pipe")
    wrong["InputDataConfig"].append({**wrong["InputDataConfig"][0], "ChannelName": "train_0"})
    with pytest.raises(ValidationException, match="Channel train_0 is called like a pipe of channel train"):
        check_channels(wrong)


def test_a_channel_reaches_the_task_with_all_its_members() -> None:
    asked = request(
        "Pipe",
        {**AUGMENTED, "S3DataDistributionType": "ShardedByS3Key"},
        CompressionType="Gzip",
        RecordWrapperType="RecordIO",
        ContentType="image/jpeg",
        ShuffleConfig={"Seed": 0},
    )
    check_channels(asked)
    assert channel(asked["InputDataConfig"][0], asked["AlgorithmSpecification"]) == Channel(
        "train",
        "s3://b/p",
        "AugmentedManifestFile",
        "ShardedByS3Key",
        "image/jpeg",
        "Pipe",
        "RecordIO",
        "Gzip",
        0,
        ["source-ref"],
    )


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/etc", "/opt/ml", "checkpoints", "/opt/ml/../../etc", "/opt/mlx"),
        *("/opt/ml/input/data/train", "/opt/ml/model", "/opt/ml/checkpoints/../output/x", "/opt/ml/code"),
    ],
)
def test_checkpoints_outside_their_place_are_refused_naming_it(path: str) -> None:
    with pytest.raises(ValidationException, match=f"^Invalid CheckpointConfig LocalPath {path}: "):
        check_checkpoints({"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": path}})


@pytest.mark.parametrize("path", ["/opt/ml/checkpoints", "/opt/ml/checkpoints/", "/opt/ml/local/x"])
def test_checkpoints_have_a_directory_below_opt_ml(path: str) -> None:
    config = {"S3Uri": "s3://b/c", "LocalPath": path}
    check_checkpoints({"CheckpointConfig": config})
    assert checkpoints(config) == Checkpoints("s3://b/c", path.rstrip("/"))
    assert checkpoints({"S3Uri": "s3://b/c"}) == Checkpoints("s3://b/c", "/opt/ml/checkpoints")


@pytest.mark.parametrize("path", ["/tmp/logs", "/opt/ml/model/logs", "/opt/ml/output/data", "/opt/ml/output/data/logs"])
def test_event_files_outside_their_place_are_refused_naming_it(path: str) -> None:
    with pytest.raises(ValidationException, match=f"^Invalid TensorBoardOutputConfig LocalPath {path}: "):
        check_tensorboard({"TensorBoardOutputConfig": {"S3OutputPath": "s3://b/c", "LocalPath": path}})


def test_event_files_go_to_a_prefix_of_the_jobs_own() -> None:
    config = {"S3OutputPath": "s3://b/c/", "LocalPath": "/opt/ml/output/tensorboard/"}
    check_tensorboard({"TensorBoardOutputConfig": config})
    wanted = TensorBoardOutput("s3://b/c/job/tensorboard-output", "/opt/ml/output/tensorboard")
    assert tensorboard(config, "job") == wanted
    assert tensorboard({"S3OutputPath": "s3://b/c"}, "job") == wanted


def test_event_files_go_to_s3_alone() -> None:
    with pytest.raises(ValidationException, match="S3OutputPath https://b/c"):
        check_tensorboard({"TensorBoardOutputConfig": {"S3OutputPath": "https://b/c"}})
