"""The life of a job: waiting, running, ended; each step brings the document up to what the tasks report.

A job's last log lines are stored before its end is, so that whoever sees the end can read the whole log.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace

from sagesmith import logging
from sagesmith.compute.base import TaskEvent, TaskObservation
from sagesmith.compute.instances import resources_of
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.jobs import gang as gangs
from sagesmith.services.sagemaker.jobs.base import (
    ENDED,
    INTERRUPTED,
    METRICS_IN_FULL,
    OVER,
    RUNNING,
    STOPPING,
    WAITING,
    Ending,
    Gang,
    JobKind,
    Wait,
    gang_of,
    spent_seconds,
)
from sagesmith.services.sagemaker.jobs.line import Line, place_of
from sagesmith.services.sagemaker.jobs.looks import LONGEST_LOOK_SECONDS, SHORTEST_LOOK_SECONDS, Looks
from sagesmith.services.sagemaker.task_metrics import Measured, collect_metrics
from sagesmith.store import Document, LogEvent, Transaction

CHATTY_LOOK_SECONDS = 0.02
"""For one that prints more than a look takes; others have their turn meanwhile."""
LAST_BATCHES = 8
"""How much of the log of a job that has ended one step stores."""
FIRST_LOOK_SECONDS = 1.0
"""For the job that is first in line; it is woken when hosts become free, and looks by itself for disk space."""
WAITING_LOOK_SECONDS = 30.0
DISCARD_AGAIN_SECONDS = 1.0
"""For a job that has ended while its backend was being restarted."""
ABORT_SECONDS = 180.0
"""How long the other hosts of a job may take to end their programs once one has ended before its time: AWS gives them
120 seconds after SIGTERM."""
UPLOAD_SECONDS = 3600.0
"""How long they may take to upload then."""

_LOST = (
    "InternalServerError: the node agent ended without a report of how the job ended. "
    "Was it killed, or the machine restarted?"
)
_SHUT_DOWN = "InternalServerError: the platform was shut down while the job ran."
_OF_AN_ATTEMPT = frozenset({"_stop_asked", "_aborted_at", INTERRUPTED})
"""Members that say what was done about the present attempt."""

log = logging.get("jobs")

Observations = Mapping[str, TaskObservation | None]


class JobReconciler:
    """Starts the jobs of one kind in their turn and follows them to their end.

    Args:
        job: what this kind is.
        line: the same for the reconcilers of all kinds.
    """

    def __init__(self, job: JobKind, line: Line) -> None:
        self.kind = job.declaration.id
        self._job = job
        self._line = line
        self._looks = Looks(self.kind)

    def recover(self, home: Home) -> None:
        """End tasks of jobs that have ended or are gone, and look at every job that has not."""
        named: set[str] = set()
        unfinished: set[tuple[str, str]] = set()
        with home.store.write() as tx:
            for status in ("InProgress", STOPPING):
                for document in tasks.all_documents(tx, self.kind, status):
                    named.update(each.task_id for each in self._gang(document).members)
                    unfinished.add((document.region, document.key))
                    tx.enter_line(place_of(self._job, document))
                    tx.schedule(self.kind, document.region, document.key, time.time())
            for place in tx.places(self.kind):
                if (place.region, place.key) not in unfinished:
                    ended = tx.get(place.kind, place.region, place.key)
                    if ended is None or not self._line.pools.retained(ended):
                        tx.leave_line(place.kind, place.region, place.key)
        tasks.discard_orphans(home, self._job.task_prefix, named)

    def step(self, home: Home, document: Document) -> float | None:
        """Bring the job one step on."""
        if document.status in ENDED:
            self._discard(home, document)
            return self._rest(home, document)
        if document.body["_phase"] == WAITING:
            return self._start(home, document)
        return self._follow(home, document)

    def _gang(self, document: Document) -> Gang:
        return gang_of(document, self._job.hosts(document.body))

    def _start(self, home: Home, document: Document) -> float | None:
        now = time.time()
        ending = self._job.gives_up(document, now)
        if document.status == STOPPING:
            ending = Ending("Stopped", "Stopped", now)
        if ending is not None:
            return self._end(home, document, ending)
        if not self._has_hosts(home, document):
            return self._wait(home, document)
        return self._launch(home, document)

    def _has_hosts(self, home: Home, document: Document) -> bool:
        """Whether the job has its hosts, since now or since before a crash."""
        with home.store.write() as tx:
            place = tx.place(self.kind, document.region, document.key)
            if place is not None and place.held:
                return True
            return not _disk_is_short(home) and self._line.take(tx, document)

    def _wait(self, home: Home, document: Document) -> float:
        if _disk_is_short(home):
            wait = Wait(for_hosts=False, message=_short_of_disk(home))
        else:
            most = f"{self._line.capacity} instances of jobs run at once (SAGESMITH_MAX_JOBS)"
            wait = Wait(for_hosts=True, message=f"Waiting for compute capacity: {most}")
        self._tell_wait(home, document, wait)
        with home.store.read() as tx:
            return FIRST_LOOK_SECONDS if self._line.is_first(tx, document) else WAITING_LOOK_SECONDS

    def _launch(self, home: Home, document: Document) -> float | None:
        gang = self._gang(document)
        try:
            if gang.attempt > 1:
                self._discard(home, replace(document, body={**document.body, "_attempt": gang.attempt - 1}))
            specs = self._job.specs(home, document, gang)
            home.backend.start([replace(each, resources=resources_of(each.instance_type)) for each in specs])
        except Exception as error:
            # Whatever it is, the jobs behind this one must not wait for it.
            log.exception("job could not be started", kind=self.kind, name=document.name)
            said = str(error) if isinstance(error, OSError) else "see the log of the API process"
            reason = f"InternalServerError: the job could not be started: {said}"
            return self._end(home, document, Ending("Failed", "Failed", time.time(), reason=reason))
        running = replace(document, body={**document.body, "_phase": RUNNING})
        self._store(home, self._job.reaches(running, gangs.Stage(1, "Starting", time.time(), "")))
        return SHORTEST_LOOK_SECONDS

    def _follow(self, home: Home, document: Document) -> float | None:
        gang = self._gang(document)
        look = self._looks.begin(home, document, [each.task_id for each in gang.members])
        seen = {each.host: tasks.observe(home.backend, each.task_id) for each in gang.members}
        if all(task is None or _is_over(task) for task in seen.values()):
            stored = all(self._collect_rest(home, document, task) for task in seen.items())
            return self._finish(home, document, seen) if stored else 0.0
        document = self._intervene(home, document, seen)
        pending = [task.pending for task in seen.values() if task is not None and task.pending]
        if pending and document.status != STOPPING:
            return self._pend(home, document, pending[0])
        new = [self._collect(home, document, host, task.id) for host, task in seen.items() if task is not None]
        told = self._told(document, seen)
        if told is not document:
            self._store(home, told)
            return SHORTEST_LOOK_SECONDS
        if max(new, default=0) > tasks.LOG_BATCH_BYTES // 2:
            return CHATTY_LOOK_SECONDS
        return look.next_seconds(quiet=not any(new) and _goes_on(document, seen))

    def _pend(self, home: Home, document: Document, why: str) -> float | None:
        """Say that a gang waits in a line of its backend's own; nothing of it has begun yet."""
        now = time.time()
        ending = self._job.gives_up(document, now)
        if ending is not None:
            return self._end(home, document, ending)
        self._tell_wait(home, document, Wait(for_hosts=True, message=why))
        return LONGEST_LOOK_SECONDS

    def _tell_wait(self, home: Home, document: Document, wait: Wait) -> None:
        """Say once why a job waits: in its document, or in the log that it will have if that has no place for it."""
        now = time.time()
        waiting = self._job.waits(document, wait, now)
        if waiting is document:
            return
        log.info("job waits", kind=self.kind, name=document.name, why=wait.message)
        with home.store.write() as tx:
            self._update(tx, waiting)
            if self._job.waits_in_log:
                event = LogEvent(int(now * 1000), wait.message)
                tx.append_log(document.region, self._job.log_group, self._stream(document, tasks.HOST), [event])

    def _intervene(self, home: Home, document: Document, seen: Observations) -> Document:
        """End what is still running of a job that is to be stopped, or of which one host has ended before its time."""
        alive = [task.id for task in seen.values() if task is not None and not _is_over(task)]
        to_be_stopped = document.status == STOPPING or INTERRUPTED in document.body
        if to_be_stopped and "_stop_asked" not in document.body:
            for task_id in alive:
                home.backend.stop(task_id)
            return self._store(home, replace(document, body={**document.body, "_stop_asked": True}))
        if any(task is None or task.lost for task in seen.values()) and "_aborted_at" not in document.body:
            for task_id in alive:
                home.backend.kill(task_id)
        elif any(task is not None and task.ended and task.events[-1].state != "Completed" for task in seen.values()):
            if "_aborted_at" not in document.body:
                for task_id in alive:
                    home.backend.stop(task_id)
                return self._store(home, replace(document, body={**document.body, "_aborted_at": time.time()}))
            if time.time() - document.body["_aborted_at"] > _patience_seconds(seen):
                for task_id in alive:
                    home.backend.kill(task_id)
        return document

    def _told(self, document: Document, seen: Observations) -> Document:
        """The document with what the reports say; how an attempt ends that another one follows is not told."""
        if INTERRUPTED in document.body:
            return document
        for stage in gangs.stages(_reports(seen)):
            document = self._job.reaches(document, stage)
        return document

    def _finish(self, home: Home, document: Document, seen: Observations) -> float | None:
        document = self._told(document, seen)
        started_at = gangs.started_at(_reports(seen))
        reported = {host: task for host, task in seen.items() if task is not None and task.ended}
        if not reported or (len(reported) < len(seen) and "_aborted_at" not in document.body):
            for task in seen.values():
                if task is not None:
                    home.backend.kill(task.id)
            ending = Ending("Failed", "Failed", time.time(), started_at, reason=_LOST)
        else:
            ending = _ending(document, seen, gangs.end(reported), started_at)
        if document.status != STOPPING:
            if INTERRUPTED in document.body and (ending.cause == "Stopped" or ending.reason in (_LOST, _SHUT_DOWN)):
                return self._again(home, document, ending, interrupted=True)
            retries = document.body.get("_retries", 0)
            if (ending.reason or "").startswith("InternalServerError") and retries < self._job.retries(document.body):
                counted = replace(document, body={**document.body, "_retries": retries + 1})
                return self._again(home, counted, ending, interrupted=False)
        return self._end(home, document, ending)

    def _again(self, home: Home, document: Document, ending: Ending, *, interrupted: bool) -> float:
        """Let the job wait for its next attempt, at its old place in line."""
        attempt = document.body["_attempt"] + 1
        log.warning("job starts again", kind=self.kind, name=document.name, attempt=attempt, interrupted=interrupted)
        spent = spent_seconds(document) + (ending.at - ending.started_at if ending.started_at is not None else 0.0)
        body = {name: value for name, value in document.body.items() if name not in _OF_AN_ATTEMPT}
        body |= {"_attempt": attempt, "_phase": WAITING, "_stream_ms": int(time.time() * 1000), "_spent": spent}
        again = self._job.restarts(replace(document, body=body), time.time(), interrupted=interrupted)
        with home.store.write() as tx:
            self._update(tx, again)
            self._line.give_back(tx, again)
        self._discard(home, document)
        return 0.0

    def _end(self, home: Home, document: Document, ending: Ending) -> float | None:
        ended = self._job.ends(document, ending)
        self._store(home, replace(ended, body={**ended.body, "_phase": OVER}))
        log.info("job ended", kind=self.kind, name=document.name, status=ending.status, cause=ending.cause)
        try:
            self._discard(home, document)
        except OSError as error:
            # A task may run on, or be in its backend's line: nobody else ends it before the platform's next start.
            log.warning("tasks not removed yet", kind=self.kind, name=document.name, reason=str(error))
            return DISCARD_AGAIN_SECONDS
        return self._rest(home, ended)

    def _rest(self, home: Home, document: Document) -> float | None:
        """When to look again at a job that has ended: only if it keeps hosts."""
        if not self._line.pools.retained(document):
            return None
        with home.store.write() as tx:
            return self._line.pools.look(tx, document)

    def _collect_rest(self, home: Home, document: Document, seen: tuple[str, TaskObservation | None]) -> bool:
        """Store what a task has left to be stored of its log, a piece of it; whether that is all of it now."""
        host, task = seen
        return task is None or any(self._collect(home, document, host, task.id) == 0 for _ in range(LAST_BATCHES))

    def _collect(self, home: Home, document: Document, host: str, task_id: str) -> int:
        """Store what is new of a task's metrics and log; how many bytes of log, 1 at the least if anything was new."""
        stream = self._stream(document, host)
        measured = Measured(
            document.region,
            self._job.log_group,
            host={"Host": f"{document.name}/{self._job.instance(document, host)}"},
            program={f"{self._job.declaration.noun}Name": document.name},
            resource=document.arn,
            in_full=document.body.get(METRICS_IN_FULL, ()),
        )
        found = collect_metrics(home, task_id, measured)
        return tasks.collect_log(home, task_id, document.region, self._job.log_group, stream) or int(found)

    def _stream(self, document: Document, host: str) -> str:
        """The log stream of a host in the present attempt at a job."""
        begun_ms = document.body.get("_stream_ms") or int(document.created_at * 1000)
        return f"{document.name}/{self._job.instance(document, host)}-{begun_ms}"

    def _discard(self, home: Home, document: Document) -> None:
        for each in self._gang(document).members:
            tasks.discard(home.backend, each.task_id)

    def _store(self, home: Home, document: Document) -> Document:
        with home.store.write() as tx:
            return self._update(tx, document)

    def _update(self, tx: Transaction, document: Document) -> Document:
        stored = tx.update(replace(document, facets=self._job.declaration.facets(document.body)))
        self._job.follow(tx, stored)
        return stored


def _ending(document: Document, seen: Observations, end: gangs.End, started_at: float | None) -> Ending:
    """The end of a job whose tasks have reported theirs."""
    cause = str(end.detail.get("secondary_status") or end.event.state)
    status = end.event.state
    assert status in ("Completed", "Failed", "Stopped")
    ending = Ending(status, cause, end.at, started_at, end.event.message, None, end.detail)
    if status == "Stopped" and cause == "Stopped" and document.status != STOPPING and INTERRUPTED not in document.body:
        return replace(ending, status="Failed", cause="Failed", reason=_SHUT_DOWN)
    if status == "Failed":
        reason = str(end.detail.get("failure_reason") or end.event.message)
        return replace(ending, reason=f"{reason} ({end.host})" if len(seen) > 1 else reason)
    return ending


def _patience_seconds(seen: Observations) -> float:
    """How long to wait for the hosts that still run after another one has ended before its time."""
    if any(task is None or task.lost for task in seen.values()):
        # The first host waits for the artifacts of a host that will never send them.
        return ABORT_SECONDS
    running = [task for task in seen.values() if task is not None and not _is_over(task)]
    uploading = all(task.events and task.events[-1].state == "Uploading" for task in running)
    return UPLOAD_SECONDS if uploading else ABORT_SECONDS


def _goes_on(document: Document, seen: Observations) -> bool:
    """Whether nobody has asked the job to end, and all of its agents are there to say what happens."""
    asked = document.status == STOPPING or not _OF_AN_ATTEMPT.isdisjoint(document.body)
    return not asked and all(task is not None and task.events for task in seen.values())


def _is_over(task: TaskObservation) -> bool:
    return task.ended or task.lost


def _reports(seen: Observations) -> list[list[TaskEvent]]:
    return [task.events if task is not None else [] for task in seen.values()]


def _disk_is_short(home: Home) -> bool:
    return shutil.disk_usage(home.platform.data).free < home.platform.min_free_disk_bytes


def _short_of_disk(home: Home) -> str:
    platform = home.platform
    return (
        f"Waiting for disk space: less than {platform.min_free_disk_bytes / 2**30:.1f} GiB are free at {platform.data} "
        "(SAGESMITH_MIN_FREE_DISK). Free some, for example with `sagesmith prune`"
    )
