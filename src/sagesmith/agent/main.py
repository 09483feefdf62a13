"""The node agent's life: take the task, run it, report its end."""

import contextlib
import errno
import fcntl
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent import lease
from sagesmith.agent.artifacts import give_up
from sagesmith.agent.failures import TaskFailed, TaskStopped
from sagesmith.agent.handover import leave
from sagesmith.agent.output import Output
from sagesmith.agent.report import Report
from sagesmith.agent.runtime import Environments, ShippedEnvironments
from sagesmith.agent.signals import Signals
from sagesmith.agent.task import Task
from sagesmith.agent.taskdir import TaskDir
from sagesmith.agent.train import Ending, ending_of, train
from sagesmith.files import remove_tree
from sagesmith.process_identity import ProcessIdentity, write_identity

if TYPE_CHECKING:
    from sagesmith.agent.warm import Warmed


def run(directory: Path, environments: Environments | None = None, warm: "Warmed | None" = None) -> int:
    """Run the task of a directory to its end; the exit code.

    Args:
        directory: `tasks/<id>`, with the specification in it.
        environments: where runtimes come from; the project's own if None.
        warm: a model server for it that runs already.
    """
    task_dir = TaskDir(directory)
    signals = Signals()
    lease.hold_if_any()
    lock = os.open(task_dir.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # The task has its agent.
    if task_dir.agent.exists():
        return 0  # It had one, and a task is run once.
    if warm is not None:
        warm.leave()
    write_identity(task_dir.agent, ProcessIdentity.own())
    # Looked for after the identity is there: from now on whoever writes it also sends the signal.
    if task_dir.stop.exists():
        signals.stop_requested = True
    os.umask(0o022)
    spec = task_dir.read_spec()
    outer = task_dir.outer
    task = Task(
        spec,
        task_dir,
        Report(task_dir.report),
        Output(outer.output, spec.metric_definitions, outer.metrics, spec.container),
        signals,
        environments or ShippedEnvironments(),
    )
    if warm is not None:
        warm.join(task)
    ending = _run(task)
    with contextlib.suppress(OSError):
        task.output.flush()
    with contextlib.suppress(OSError):
        task.leave_gang()
    last = task.report.line(ending.state, ending.message, **ending.detail)
    leave(task, last)
    try:
        task.report.append(last)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # The disk is full, perhaps of this task's own files, and what they were good for is over.
        for path in (task_dir.opt_ml, task_dir.scratch):
            with contextlib.suppress(OSError):
                remove_tree(path)
        task.report.append(last)
    return 0


def _work(task: Task) -> Ending:
    """What is to be done, each kind loaded when it is asked for. Each of several containers is served by itself."""
    match "serve" if task.spec.container else task.spec.kind:
        case "serve":
            from sagesmith.agent.serve import serve

            return serve(task)
        case "process":
            from sagesmith.agent.processing import process

            return process(task)
        case "transform":
            from sagesmith.agent.transform.task import transform

            return transform(task)
        case "load":
            from sagesmith.agent.load import put_load

            return put_load(task)
        case "train":
            return train(task)


def _run(task: Task) -> Ending:
    try:
        return _work(task)
    except (TaskFailed, TaskStopped) as ended:
        if task.spec.kind == "train":
            with contextlib.suppress(TaskFailed):
                give_up(task)
        return ending_of(ended)
    except Exception as error:
        with contextlib.suppress(OSError):  # The disk that has the agent's log may be full.
            traceback.print_exc(file=sys.stderr)
        return ending_of(TaskFailed(f"InternalServerError: the node agent failed: {type(error).__name__}: {error}"))
