"""The engine under all jobs: a job waits in line, starts as a gang of one task a host, is followed, and ends.

A kind of job is a value of `JobKind`, which says what differs; its declaration's `initial` adds `beginning()`, and
`services.sagemaker.JOBS` lists it. `Line` gives hosts in the order of arrival, over all kinds and regions.
"""

from sagesmith.services.sagemaker.jobs.base import (
    ENDED,
    INTERRUPTED,
    STOPPING,
    WAITING,
    Ending,
    Gang,
    JobKind,
    Member,
    Wait,
    beginning,
    gang_of,
    move,
    noting,
    spent_seconds,
)
from sagesmith.services.sagemaker.jobs.gang import Stage
from sagesmith.services.sagemaker.jobs.line import Line
from sagesmith.services.sagemaker.jobs.reconciler import JobReconciler

__all__ = [
    "ENDED",
    "INTERRUPTED",
    "STOPPING",
    "WAITING",
    "Ending",
    "Gang",
    "JobKind",
    "JobReconciler",
    "Line",
    "Member",
    "Stage",
    "Wait",
    "beginning",
    "gang_of",
    "move",
    "noting",
    "spent_seconds",
]
