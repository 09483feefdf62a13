"""What a training job reads and keeps in step with S3: its channels, checkpoints and event files of TensorBoard.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html
"""

import posixpath
from collections.abc import Sequence
from pathlib import PurePosixPath

from sagesmith.compute.base import Channel, Checkpoints, InstanceGroup, TensorBoardOutput
from sagesmith.services.sagemaker.training_resources import hosts_of
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

_ROOT = PurePosixPath("/opt/ml")
_CHECKPOINTS = "/opt/ml/checkpoints"
_ONLY_IN_PIPES = (
    ("CompressionType", "Gzip"),
    ("RecordWrapperType", "RecordIO"),
    ("S3DataType", "AugmentedManifestFile"),
)
_TENSORBOARD = "/opt/ml/output/tensorboard"
_TAKEN = tuple(_ROOT / name for name in ("input", "model", "output", "code"))
_TAKEN_BESIDE_EVENTS = tuple(
    _ROOT / name for name in ("input", "model", "code", "output/data", "output/failure", "output/intermediate")
)


def check_channels(params: Params) -> None:
    """Refuse channels that cannot be.

    Raises:
        ValidationException: AWS's documentation rules them out.
    """
    names: set[str] = set()
    for each in params.get("InputDataConfig") or ():
        name = each["ChannelName"]
        if name in names:
            raise ValidationException(f"Channel names must be unique within a training job: {name}.")
        names.add(name)
        _check_source(name, each["DataSource"])
        _check_mode(each, _mode(each, params["AlgorithmSpecification"]))
    for each in params.get("InputDataConfig") or ():
        pipe, epoch = f"{each['ChannelName']}_", _mode(each, params["AlgorithmSpecification"]) == "Pipe"
        for name in names if epoch else ():
            if name.startswith(pipe) and name.removeprefix(pipe).isdecimal():
                raise ValidationException(f"Channel {name} is called like a pipe of channel {each['ChannelName']}.")


def _check_source(name: str, source: Params) -> None:
    if not source.get("S3DataSource"):
        raise ValidationException(f"Channel {name} needs an S3DataSource: other data sources are not built yet.")


def _check_mode(each: Params, mode: str) -> None:
    name, source = each["ChannelName"], each["DataSource"]["S3DataSource"]
    given = {**each, **source}
    only_pipe = [f"{member} {value}" for member, value in _ONLY_IN_PIPES if given.get(member) == value]
    if only_pipe and mode != "Pipe":
        raise ValidationException(
            f"{only_pipe[0]} can only be used if the channel's input mode is Pipe: channel {name} has {mode}."
        )
    if source["S3DataType"] == "AugmentedManifestFile" and not source.get("AttributeNames"):
        raise ValidationException(
            f"AttributeNames must be specified for channel {name}, whose S3DataType is AugmentedManifestFile."
        )
    if source["S3DataType"] != "AugmentedManifestFile" and source.get("AttributeNames"):
        raise ValidationException(
            f"AttributeNames can only be specified for S3DataType AugmentedManifestFile: channel {name} has "
            f"{source['S3DataType']}."
        )


def check_checkpoints(params: Params) -> None:
    """Refuse a place for checkpoints that is another's.

    Raises:
        ValidationException: it is not below /opt/ml, or is where channels, model, output or code lie.
    """
    _check_folder(params, "CheckpointConfig", _CHECKPOINTS, _TAKEN)


def check_tensorboard(params: Params) -> None:
    """Refuse a place for TensorBoard's event files that is another's, and one in S3 that cannot be.

    Raises:
        ValidationException: as of checkpoints; but it may be below /opt/ml/output, where no other output lies.
    """
    _check_folder(params, "TensorBoardOutputConfig", _TENSORBOARD, _TAKEN_BESIDE_EVENTS)
    uri = (params.get("TensorBoardOutputConfig") or {}).get("S3OutputPath", "s3://")
    if not uri.startswith("s3://"):
        raise ValidationException(f"Invalid TensorBoardOutputConfig S3OutputPath {uri}: it must begin with s3://.")


def _check_folder(params: Params, member: str, usual: str, taken: Sequence[PurePosixPath]) -> None:
    given = (params.get(member) or {}).get("LocalPath")
    if not given:
        return
    path = PurePosixPath(posixpath.normpath(given))
    if _ROOT not in path.parents or "\0" in str(path):
        raise ValidationException(
            f"Invalid {member} LocalPath {given}: it must be a directory below /opt/ml, such as {usual}."
        )
    for each in taken:
        if path == each or each in path.parents:
            raise ValidationException(
                f"Invalid {member} LocalPath {given}: it conflicts with {each}, which SageMaker uses itself."
            )


def channel(each: Params, algorithm: Params, groups: Sequence[InstanceGroup] = ()) -> Channel:
    """A channel of the request, as a task has it.

    Args:
        groups: the job's instance groups.
    """
    source = each["DataSource"]["S3DataSource"]
    shuffle = each.get("ShuffleConfig")
    return Channel(
        name=each["ChannelName"],
        s3_uri=source["S3Uri"],
        s3_data_type=source["S3DataType"],
        distribution=source.get("S3DataDistributionType") or "FullyReplicated",
        content_type=each.get("ContentType"),
        input_mode=_mode(each, algorithm),
        record_wrapper=each.get("RecordWrapperType") or "None",
        compression=each.get("CompressionType") or "None",
        shuffle_seed=shuffle["Seed"] if shuffle else None,
        attribute_names=source.get("AttributeNames") or [],
        hosts=hosts_of(groups, source.get("InstanceGroupNames")),
    )


def checkpoints(config: Params | None) -> Checkpoints | None:
    """The checkpoints of a job, as a task has them."""
    if not config:
        return None
    path = posixpath.normpath(config.get("LocalPath") or _CHECKPOINTS)
    return Checkpoints(config["S3Uri"], path)


def tensorboard(config: Params | None, job_name: str) -> TensorBoardOutput | None:
    """The event files of a job, as a task has them: where `latest_job_tensorboard_artifacts_path` of SDK v2 finds
    them."""
    if not config:
        return None
    path = posixpath.normpath(config.get("LocalPath") or _TENSORBOARD)
    return TensorBoardOutput(f"{config['S3OutputPath'].rstrip('/')}/{job_name}/tensorboard-output", path)


def _mode(each: Params, algorithm: Params) -> str:
    return each.get("InputMode") or algorithm.get("TrainingInputMode") or "File"
