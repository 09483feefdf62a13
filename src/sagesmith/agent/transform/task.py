"""A transform task, from its first event to its last: a model server in its sandbox, and beside it the data.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sagesmith.agent.failures import MAX_REASON, TaskFailed
from sagesmith.agent.process import Ended
from sagesmith.agent.serve import prepare
from sagesmith.agent.task import Task
from sagesmith.agent.train import Ending
from sagesmith.agent.transform.failures import SEE_LOGS, Cancelled
from sagesmith.agent.transform.objects import Object, objects_here
from sagesmith.agent.transform.outputs import Outputs, capture
from sagesmith.agent.transform.pipeline import Means, Outcome, Pipeline
from sagesmith.agent.transform.servers import OneServer, Servers, SeveralServers
from sagesmith.compute.base import Transform

_END_SECONDS = 5.0
"""How long a model server may take to end when nothing more is wanted of it."""


def transform(task: Task) -> Ending:
    """Run a transform task up to the event that ends it, which the caller writes.

    Raises:
        TaskFailed, TaskStopped: it ended before the model server ran.
    """
    spec = task.spec
    if spec.transform is None:
        raise TaskFailed("InternalServerError: the task does not say what to transform")
    task.report.write("Starting", "Preparing the instances for the transform job")
    with task.signals.interruptible():
        job = _Job(task, spec.transform)
        left = job.left()
    if not left:
        return job.finish(Outcome())
    sockets = Path(os.environ["SAGESMITH_SOCKET_DIRECTORY"])
    servers = SeveralServers(task, sockets) if spec.containers else OneServer(task, prepare(task, sockets))
    return _Run(task, job, left, servers).to_its_end()


class _Job:
    """This host's part of a job."""

    def __init__(self, task: Task, transform: Transform) -> None:
        from sagesmith.agent.s3 import S3Failed

        self.task = task
        self.transform = transform
        self.started_at = transform.started_at or time.time()
        self.entries = objects_here(task.s3, task.spec, transform)
        try:
            self.outputs = Outputs(task.s3, transform, task.spec.kms_key_id)
        except S3Failed as error:
            raise _not_stored(error) from error

    def left(self) -> Sequence[Object]:
        """The objects that are still to be done."""
        from sagesmith.agent.s3 import S3Failed

        if self.task.spec.attempt == 1:
            return self.entries
        try:
            return self.outputs.left(self.entries)
        except S3Failed as error:
            raise _not_stored(error) from error

    def finish(self, outcome: Outcome) -> Ending:
        """The end of a job of which no object is left."""
        from sagesmith.agent.s3 import S3Failed

        failed = {entry.name for entry, _ in outcome.failed}
        done = [entry for entry in self.entries if entry.name not in failed]
        try:
            capture(self.task.s3, self.task.spec, self.outputs, done, self.started_at)
        except S3Failed as error:
            raise _not_stored(error) from error
        if outcome.failed:
            return _failed(_reason(outcome, len(self.entries)))
        return Ending("Completed", "Transform job completed", {})


class _Run:
    """A model server, or several, at work, and what is sent to them from a thread beside."""

    def __init__(self, task: Task, job: _Job, left: Sequence[Object], servers: Servers) -> None:
        self._task = task
        self._servers = servers
        self._job = job
        self._left = left
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._ending: Ending | None = None
        self._over = False
        self._kill_at: float | None = None

    def to_its_end(self) -> Ending:
        """Start the model server, transform, and end the model server."""
        try:
            self._servers.start()
            ended = self._servers.run(self._task.spec.max_runtime_seconds, _END_SECONDS, self._tick)
        finally:
            self._cancelled.set()
            self._task.limits.remove()
        if self._thread is not None:
            self._thread.join()
        # What failed because the model server had gone is not the data's fault.
        by_itself = self._kill_at is None
        if self._ending is None or (by_itself and self._ending.state == "Failed"):
            return self._ended_early(ended)
        return self._ending

    def _tick(self) -> float | None:
        wait = self._servers.look()
        if self._task.signals.stop_requested:
            self._cancelled.set()
        elif self._servers.announce():
            self._task.report.write("Transforming", "Transform job in progress")
            self._thread = threading.Thread(target=self._transform, name="transform", daemon=True)
            self._thread.start()
        if self._over:
            wait = self._end()
        return wait

    def _end(self) -> float:
        """End a model server that is not needed any more; in how many seconds to look again."""
        now = time.monotonic()
        if self._kill_at is None:
            self._kill_at = now + _END_SECONDS
            self._servers.terminate()
        elif now >= self._kill_at:
            self._servers.kill()
        return max(0.01, self._kill_at - now)

    def _transform(self) -> None:
        """The thread's work: sets how the job ends, unless that is not for it to say."""
        from sagesmith.agent.s3 import S3Failed

        task, job = self._task, self._job
        means = Means(task.s3, job.outputs, self._servers.sockets, task.output.say_of_data, self._cancelled)
        try:
            self._ending = job.finish(Pipeline(means, job.transform, job.started_at).run(self._left))
        except Cancelled:
            pass
        except S3Failed as error:
            self._ending = _failed(_not_stored(error).reason)
        except TaskFailed as error:
            self._ending = _failed(error.reason)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._ending = _failed(f"InternalServerError: the node agent failed: {type(error).__name__}: {error}")
        finally:
            self._over = True
            # Python handles signals in the main thread, which this wakes.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGCHLD)

    def _ended_early(self, ended: Ended) -> Ending:
        """The end of a job whose model server ended before all was done."""
        spec = self._task.spec
        detail = {"exit_code": ended.exit_code}
        if ended.timed_out:
            ending = _failed(
                f"ClientError: The transform job ran for longer than {spec.max_runtime_seconds:.0f} seconds"
            )
        elif ended.stopped:
            ending = Ending("Stopped", "Transform job stopped", {})
        else:
            ending = _failed(self._servers.reason(ended))
        return replace(ending, detail={**detail, **ending.detail})


def _failed(reason: str) -> Ending:
    cut = reason[:MAX_REASON]
    return Ending("Failed", cut, {"failure_reason": cut})


def _reason(outcome: Outcome, total: int) -> str:
    """AWS's words, and then what the data log says of the first object that failed."""
    entry, error = outcome.failed[0]
    head = f"{error.fault}: {SEE_LOGS}"
    said = " ".join(line for line in error.lines if line)
    return f"{head}. {len(outcome.failed)} of {total} objects could not be transformed: {entry.shown}: {said}"


def _not_stored(error: Exception) -> TaskFailed:
    from sagesmith.agent.s3 import S3Failed

    assert isinstance(error, S3Failed)
    if error.is_the_stores:
        return TaskFailed(f"InternalServerError: the object store does not answer: {error.code}: {error}")
    return TaskFailed(f"ClientError: Data upload failed:{error.code}: {error}")
