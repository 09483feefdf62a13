"""How a task can end before its time.

TaskEnded
├── TaskFailed     it cannot go on, and the reason is for its user
└── TaskStopped    somebody asked it to end
"""

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
