"""Checkpoints: fetched before user code starts, synced to S3 while it runs and when it has ended, however it ended.

Every host of a job syncs with the same prefix, as at AWS: files that hosts are not to overwrite need names of their
own. What is deleted here stays in S3.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sagesmith.agent.failures import TaskFailed, uploading
from sagesmith.agent.mirror import Mirror
from sagesmith.agent.task import Task

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3


def restore(task: Task) -> Mirror | None:
    """Fetch the checkpoints of an earlier run, if there are any; what keeps them in step with S3 from now on.

    Returns:
        None if the task has no checkpoints. Call its `assume_stored` when nobody but user code touches the files.

    Raises:
        TaskFailed: S3 does not give them.
        OSError: the disk is full, or fails.
    """
    checkpoints = task.spec.checkpoints
    if checkpoints is None:
        return None
    from sagesmith.agent.inputs import fetch_all
    from sagesmith.agent.s3 import S3Failed, split_uri

    relative = Path(PurePosixPath(checkpoints.local_path).relative_to("/opt/ml"))
    folder = task.directory.opt_ml / relative
    folder.mkdir(parents=True, exist_ok=True)
    try:
        bucket, prefix = split_uri(checkpoints.s3_uri)
        fetch_all(task.s3, bucket, prefix, folder)
    except S3Failed as error:
        said = f"{error.code}: {error} ({checkpoints.s3_uri})"
        raise TaskFailed(f"ClientError: Checkpoint download failed:{said}") from error
    return Mirror(
        task.directory.opt_ml, relative, f"/opt/ml/{relative}", bucket, prefix, task.spec.kms_key_id, task.output.say
    )


def finish(mirror: Mirror, what: str, s3: "Callable[[], S3]") -> None:
    """Store what is not in S3 yet; user code has ended.

    Args:
        what: the folder has, for people: `Checkpoint`.

    Raises:
        TaskFailed: it cannot be stored.
    """
    with uploading(mirror.shown_as, mirror.target, as_=what):
        mirror.finish(s3)
