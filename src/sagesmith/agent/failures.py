"""How a task can end before its time, and the reasons of those ends that are not user code's doing.

TaskEnded
├── TaskFailed     it cannot go on, and the reason is for its user
└── TaskStopped    somebody asked it to end
"""

import contextlib
import errno
from collections.abc import Iterator

MAX_REASON = 1024


class TaskEnded(Exception):
    pass


class TaskFailed(TaskEnded):
    """The message becomes the FailureReason, at most 1024 characters of it (AWS's limit)."""

    @property
    def reason(self) -> str:
        return str(self)[:MAX_REASON]


class TaskStopped(TaskEnded):
    pass


def machine_failed(error: OSError, doing: str) -> TaskFailed:
    """The reason to give when the node itself is at fault."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TaskFailed(f"ClientError: No space left on device while {doing}. Free some disk space and try again.")
    return TaskFailed(f"InternalServerError: {error.strerror or error} while {doing}")


@contextlib.contextmanager
def uploading(what: str, uri: str, *, as_: str) -> Iterator[None]:
    """Within it, what cannot be stored ends the task.

    Args:
        what: as people call it.
        uri: where it goes.
        as_: what AWS calls it at the beginning of the reason.

    Raises:
        TaskFailed: something could not be stored.
    """
    from sagesmith.agent.s3 import S3Failed

    try:
        yield
    except S3Failed as error:
        said = f"{as_} upload failed:{error.code}: {error} (uploading to {uri})"
        if error.is_the_stores:
            hint = "The object store's disk may be full: `sagesmith doctor` shows what is free, its log says more."
            raise TaskFailed(f"InternalServerError: {said}. {hint}") from error
        raise TaskFailed(f"ClientError: {said}") from error
    except OSError as error:
        raise machine_failed(error, f"uploading {what}") from error
