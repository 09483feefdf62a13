"""The life of an inference recommendations job: load tests, each on an endpoint of its own.

A test's model, endpoint configuration and endpoint are made by the platform's own operations in the transaction that
notes them; the load generator is a task whose id is stored before it is started. So nothing is made that nobody knows,
and whoever comes back after a crash goes on where it was, or ends what there is.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from sagesmith import logging
from sagesmith.compute.base import Load, TaskEvent, TaskObservation, TaskSpec
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import tasks
from sagesmith.services.sagemaker.endpoints import ENDPOINT
from sagesmith.services.sagemaker.inference_recommendations import ENDED, RECOMMENDATIONS_JOB, STOPPING
from sagesmith.services.sagemaker.recommender import measures, results
from sagesmith.services.sagemaker.recommender.deploying import deploy, remove, removed
from sagesmith.services.sagemaker.recommender.load_tests import LoadTest, dump, load
from sagesmith.services.sagemaker.recommender.measures import Conditions
from sagesmith.services.sagemaker.recommender.plan import (
    CONTENT_TYPES,
    PAYLOAD,
    TESTS,
    at_once,
    conditions_of,
    levels_of,
)
from sagesmith.store import Document, LogEvent, Transaction
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError

KIND = RECOMMENDATIONS_JOB.id
TASK_PREFIX = "load-"
LOG_GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
LOOK_SECONDS = 0.2
LOADING_LOOK_SECONDS = 0.5
GRACE_SECONDS = 30.0
"""How long a load generator may take to end once it was asked to."""
ATTEMPTS = 2
"""How often a load generator is started, of which nobody knows how it ended."""
_WITH_GENERATOR = ("loading", "measuring")
"""The states of a test whose load generator is still of use."""

log = logging.get("recommender")


@dataclass(frozen=True, slots=True)
class _Look:
    """A job and the test that it is at, at one time (seconds since the epoch).

    Attributes:
        since: when this process began: what routers noted before is among the metrics a while after.
    """

    document: Document
    test: LoadTest
    now: float
    since: float

    @property
    def body(self) -> Params:
        return self.document.body

    @property
    def stopping(self) -> str:
        """Why no more is to be measured; empty if more is."""
        if self.document.status == STOPPING:
            return "the job is stopped"
        limit = self.body["InputConfig"].get("JobDurationInSeconds")
        if limit is not None and self.now >= self.document.created_at + limit:
            return f"the job's {limit} seconds are over"
        return ""


class RecommendationReconciler:
    """Runs the load tests of inference recommendations jobs."""

    kind = KIND

    def __init__(self) -> None:
        self._since = time.time()

    def recover(self, home: Home) -> None:
        """End load generators that no job names any more, and look at every job that has not ended."""
        named: set[str] = set()
        with home.store.write() as tx:
            for document in tasks.all_documents(tx, KIND):
                named.update(each.task for each in load(document.body[TESTS]) if each.state in _WITH_GENERATOR)
                if document.status not in ENDED:
                    tx.schedule(KIND, document.region, document.key, time.time())
        tasks.discard_orphans(home, TASK_PREFIX, named)

    def step(self, home: Home, document: Document) -> float | None:
        """Bring the job one step on."""
        if document.status in ENDED:
            return None
        tests = load(document.body[TESTS])
        if document.status == "PENDING":
            said = f"Inference recommendations job {document.name}: {len(tests)} load test(s)"
            return _store(home, replace(document, status="IN_PROGRESS"), [said])
        left = [each for each in tests if not each.over]
        if not left:
            return _finish(home, document, tests)
        return min(self._test(home, document, each) for each in left[: at_once(document.body)])

    def _test(self, home: Home, document: Document, test: LoadTest) -> float:
        """Bring a test one step on; a test before it may have stored the job anew."""
        with home.store.read() as tx:
            document = tx.get(KIND, document.region, document.key) or document
        return _STEPS[test.state](home, _Look(document, test, time.time(), self._since))


def _begin(home: Home, look: _Look) -> float:
    """A pending test gets its endpoint, or that which there is already."""
    test = look.test
    if look.stopping:
        return _note(home, look, replace(test, state="done", stopped=True))
    if not test.own:
        return _note(home, look, _generating(test), [f"Load test of endpoint {test.endpoint}"])
    said = " ".join([test.called, *(f"{name}={value}" for name, value in test.environment.items())])
    try:
        with home.store.write() as tx:
            made = deploy(home, tx, look.document, test)
            lines = [f"Test {test.number + 1}: {said}: endpoint {made.endpoint}"]
            lines += results.larger_than_this_machine(test)
            _put(tx, look.document, made, lines)
    except AwsError as error:
        return _note(home, look, _failed(test, error.message), [f"Test {test.number + 1} failed: {error.message}"])
    return LOOK_SECONDS


def _deploying(home: Home, look: _Look) -> float:
    """An endpoint is waited for."""
    test = look.test
    if look.stopping:
        return _note(home, look, replace(test, state="ending", stopped=True))
    with home.store.read() as tx:
        endpoint = tx.get(ENDPOINT.id, look.document.region, ENDPOINT.key(test.endpoint))
    if endpoint is None or endpoint.status in ("Failed", "Deleting"):
        reason = endpoint.body.get("FailureReason") if endpoint is not None else None
        return _fail(home, look, str(reason or f"ClientError: endpoint {test.endpoint} was deleted."))
    if endpoint.status != "InService":
        return LOOK_SECONDS
    return _note(home, look, _generating(replace(test, in_service_at=look.now)))


def _loading(home: Home, look: _Look) -> float:
    """The load generator is started and followed to its end."""
    test = look.test
    task = tasks.observe(home.backend, test.task)
    if task is None:
        if look.stopping:
            return _note(home, look, _measured(replace(test, stopping=look.stopping), look.now))
        home.backend.start([_task_spec(home, look.document, test)])
        return LOOK_SECONDS
    _collect(home, look.document, test, task)
    if task.ended:
        return _ended(home, look, task.events)
    return _lost(home, look) if task.lost else _following(home, look, task.events)


def _following(home: Home, look: _Look, events: Sequence[TaskEvent]) -> float:
    """A load generator at work, which is ended when a condition says so."""
    test = look.test
    if test.began_at is None and any(each.state == "Invoking" for each in events):
        return _note(home, look, _began(test, events))
    if test.stopping_at is not None and look.now - test.stopping_at >= GRACE_SECONDS:
        log.warning("load generator killed: it did not end when it was asked to", task=test.task)
        home.backend.kill(test.task)
        return _note(home, look, _measured(test, test.stopping_at))
    if test.stopping:
        home.backend.stop(test.task)
    elif why := look.stopping or _condition(home, look):
        said = f"Test {test.number + 1} ends: {why}"
        return _note(home, look, replace(test, stopping=why, stopping_at=look.now), [said])
    return LOADING_LOOK_SECONDS


def _began(test: LoadTest, events: Sequence[TaskEvent]) -> LoadTest:
    """The test with what its generator said when it began, if it did."""
    said = next((each for each in events if each.state == "Invoking"), None)
    if said is None or test.began_at is not None:
        return test
    return replace(test, began_at=said.time, first_answer_seconds=said.detail.get("first_answer_seconds"))


def _ended(home: Home, look: _Look, events: Sequence[TaskEvent]) -> float:
    test, last = _began(look.test, events), events[-1]
    if last.state == "Failed":
        return _fail(home, look, str(last.detail.get("failure_reason") or last.message))
    if last.state == "Stopped" and not test.stopping and not look.stopping:
        # The platform went down meanwhile, which is nobody's fault.
        return _again(home, look, replace(test, attempt=test.attempt - 1))
    return _note(home, look, _measured(test, last.time))


def _lost(home: Home, look: _Look) -> float:
    """A generator that died: the load is put on once more from its beginning, for half of it tells nothing."""
    if look.test.attempt >= ATTEMPTS:
        return _fail(home, look, "InternalServerError: the load generator ended without a report.")
    return _again(home, look, look.test)


def _again(home: Home, look: _Look, test: LoadTest) -> float:
    said = f"Test {test.number + 1}: the load generator was lost, and is started again"
    delay = _note(home, look, _generating(replace(test, began_at=None)), [said])
    _discard(home, look)
    return delay


def _condition(home: Home, look: _Look) -> str:
    """Which of the stopping conditions is met, in words; empty if none is."""
    if look.test.began_at is None or look.now < look.since + measures.SETTLING_SECONDS:
        return ""
    planned = sum(each.seconds for each in levels_of(look.body))
    if look.now > look.test.began_at + planned + GRACE_SECONDS:
        return f"its load was to last {planned:.0f} seconds, and its generator does not end"
    conditions = conditions_of(look.body)
    return measures.over(_levels(home, look, conditions, look.now - measures.SETTLING_SECONDS), conditions)


def _levels(home: Home, look: _Look, conditions: Conditions, until: float) -> list[measures.Measured]:
    test, began = look.test, look.test.began_at
    if began is None:
        return []
    with home.store.read() as tx:
        return measures.of_levels(
            tx, look.document.region, test.dimensions, levels_of(look.body), began, conditions.percentile, until
        )


def _measuring(home: Home, look: _Look) -> float:
    """Once all metrics are there, the figures are read."""
    test = look.test
    ended = test.ended_at or look.now
    if (wait := max(ended, look.since) + measures.SETTLING_SECONDS - look.now) > 0:
        return wait
    conditions = conditions_of(look.body)
    # The generator's clock and the plan's may be some hundredths of a second apart by the last level.
    levels = _levels(home, look, conditions, ended + LOOK_SECONDS)
    best = measures.best(levels, conditions)
    tasks.discard(home.backend, test.task)
    if best is None:
        if look.document.status == STOPPING:
            return _note(home, look, replace(test, state="ending", stopped=True))
        return _fail(home, look, results.why_nothing(levels, conditions, test.stopping))
    result = {"per_minute": best.per_minute, "latency_ms": best.latency_ms, **results.setup(test)}
    said = (
        f"Test {test.number + 1}: {best.per_minute:.0f} invocations a minute by {best.users} user(s), "
        f"the model's latency ({conditions.percentile}) {best.latency_ms:.2f} ms"
    )
    return _note(home, look, replace(test, state="ending", result=result), [said])


def _ending(home: Home, look: _Look) -> float:
    """The endpoint is deleted, and what it told of its use is read when it is gone."""
    test = look.test
    if test.own and not _gone(home, look):
        return LOOK_SECONDS
    used: Mapping[str, float] = {}
    if test.result and test.began_at is not None:
        with home.store.read() as tx:
            until = test.ended_at or look.now
            used = measures.utilization(tx, look.document.region, test.dimensions, test.began_at, until)
    result = {**test.result, **used, **results.price(home, test)} if test.result else {}
    return _note(home, look, replace(test, state="done", result=result))


def _gone(home: Home, look: _Look) -> bool:
    with home.store.write() as tx:
        remove(home, tx, look.document, look.test)
    with home.store.read() as tx:
        return removed(tx, look.document, look.test)


_STEPS: Mapping[str, Callable[[Home, _Look], float]] = {
    "pending": _begin,
    "deploying": _deploying,
    "loading": _loading,
    "measuring": _measuring,
    "ending": _ending,
}


def _finish(home: Home, document: Document, tests: Sequence[LoadTest]) -> float | None:
    """The recommendations, the best one first, or why there are none."""
    body = {**document.body, "CompletionTime": time.time()}
    told = results.told(document, tests)
    if document.status == STOPPING:
        status = "STOPPED"
    elif told:
        status = "COMPLETED"
    else:
        status = "FAILED"
        body["FailureReason"] = results.why_failed(tests)[: tasks.MAX_FAILURE_REASON]
    lines = [f"Inference recommendations job {document.name} is {status}", *results.in_words(home, told)]
    _store(home, replace(document, status=status, body={**body, **told}), lines)
    log.info("inference recommendations job ended", name=document.name, status=status, tests=len(tests))
    return None


def _generating(test: LoadTest) -> LoadTest:
    """The test with a load generator that is to be started."""
    return replace(test, state="loading", task=f"{TASK_PREFIX}{uuid4().hex[:20]}", attempt=test.attempt + 1)


def _measured(test: LoadTest, at: float) -> LoadTest:
    return replace(test, state="measuring", ended_at=at)


def _failed(test: LoadTest, reason: str) -> LoadTest:
    """The test after it failed: an endpoint that was made for it is deleted."""
    return replace(test, state="ending" if test.own and test.endpoint else "done", failure=reason)


def _fail(home: Home, look: _Look, reason: str) -> float:
    delay = _note(home, look, _failed(look.test, reason), [f"Test {look.test.number + 1} failed: {reason}"])
    _discard(home, look)
    return delay


def _discard(home: Home, look: _Look) -> None:
    """Remove a load generator that is noted to be of no more use: before that, it would be started again by its id."""
    if look.test.task:
        tasks.discard(home.backend, look.test.task)


def _task_spec(home: Home, document: Document, test: LoadTest) -> TaskSpec:
    """What the node agent is to do as load generator."""
    levels = levels_of(document.body)
    common = tasks.specification(
        home,
        document,
        "load",
        image="",
        instance_type=test.instance_type,
        role_arn=document.body["RoleArn"],
        credentials_seconds=sum(each.seconds for each in levels) + tasks.CREDENTIALS_SLACK_SECONDS,
        own={},
        network_isolation=False,
    )
    asked = Load(
        test.endpoint,
        home.platform.url,
        document.body[PAYLOAD],
        document.body[CONTENT_TYPES],
        [(each.users, each.seconds) for each in levels],
    )
    return replace(common, id=test.task, load=asked)


def _collect(home: Home, document: Document, test: LoadTest, task: TaskObservation) -> None:
    # A stream is of one task, for it has the offset up to which that was read.
    stream = f"{document.name}/load-{test.number + 1}-{test.task.removeprefix(TASK_PREFIX)[:8]}"
    while tasks.collect_log(home, test.task, document.region, LOG_GROUP, stream) and not task.alive:
        pass


def _note(home: Home, look: _Look, test: LoadTest, lines: Sequence[str] = ()) -> float:
    with home.store.write() as tx:
        _put(tx, look.document, test, lines)
    return 0.0


def _put(tx: Transaction, document: Document, test: LoadTest, lines: Sequence[str]) -> None:
    """Store a job with a test that has changed, and what is to be said of it."""
    tests = [test if each.number == test.number else each for each in load(document.body[TESTS])]
    _write(tx, replace(document, body={**document.body, TESTS: dump(tests)}), lines)


def _store(home: Home, document: Document, lines: Sequence[str]) -> float:
    with home.store.write() as tx:
        _write(tx, document, lines)
    return 0.0


def _write(tx: Transaction, document: Document, lines: Sequence[str]) -> None:
    tx.update(replace(document, facets=RECOMMENDATIONS_JOB.facets(document.body)))
    now = int(time.time() * 1000)
    if lines:
        tx.append_log(document.region, LOG_GROUP, f"{document.name}/execution", [LogEvent(now, each) for each in lines])
