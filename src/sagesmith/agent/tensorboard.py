"""TensorBoard's event files: what user code writes into their folder is in S3 while it still runs, and at its end.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TensorBoardOutputConfig.html
"""

from pathlib import Path, PurePosixPath

from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.mirror import Mirror
from sagesmith.agent.task import Task


def event_files(task: Task) -> Mirror | None:
    """Make the folder; what keeps S3 in step with it, None if the task has none.

    Raises:
        TaskFailed: its place in S3 cannot be one.
        OSError: the disk is full, or fails.
    """
    output = task.spec.tensorboard
    if output is None:
        return None
    from sagesmith.agent.s3 import S3Failed, split_uri

    relative = Path(PurePosixPath(output.local_path).relative_to("/opt/ml"))
    (task.directory.opt_ml / relative).mkdir(parents=True, exist_ok=True)
    try:
        bucket, prefix = split_uri(output.s3_uri)
    except S3Failed as error:
        raise TaskFailed(f"ClientError: {error} ({output.s3_uri})") from error
    return Mirror(
        task.directory.opt_ml, relative, output.local_path, bucket, prefix, task.spec.kms_key_id, task.output.say
    )
