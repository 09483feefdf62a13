"""kill -9 of each process, and of all, in the middle of a training job and beside an endpoint that serves."""

import os
import threading

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.conftest import World, eventually
from tests.integration import jobs, tunings

pytestmark = pytest.mark.timeout(180)
ROUNDS = int(os.environ.get("SAGESMITH_SOAK_ROUNDS", "1"))
"""How often each is done: more for a soak."""

rounds = pytest.mark.parametrize("round_", range(ROUNDS))


@rounds
@pytest.mark.parametrize("name", ["api", "router", "store"])
def test_jobs_and_endpoints_outlive_a_killed(world: World, name: str, round_: int) -> None:
    job = world.talking_job()
    kept = _create_model(world)
    world.kill(name)
    assert world.predict() == b"[42.0, 43.0]"
    assert world.describe(job)["TrainingJobStatus"] == "InProgress"
    before = len(world.lines(job))
    eventually(lambda: len(world.lines(job)) > before)
    world.enough(job)
    world.assert_ended_well(job)
    assert world.endpoint_status() == "InService"
    assert world.running.client("sagemaker").describe_model(ModelName=kept)["ModelName"] == kept
    assert len(world.processes(name)) == (2 if name == "router" and (os.cpu_count() or 1) > 1 else 1)


@rounds
def test_a_search_whose_api_is_killed_loses_no_trial_and_repeats_none(world: World, round_: int) -> None:
    called = tunings.start_tuning(world.running, trials=4)
    for count in (1, 3):
        eventually(lambda count=count: len(tunings.trials_of(world.running, called)) >= count)
        world.kill("api")
    described = tunings.wait_tuning(world.running, called)
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    trials = tunings.trials_of(world.running, called)
    assert [each["TrainingJobName"].removeprefix(called)[:4] for each in trials] == ["-001", "-002", "-003", "-004"]
    assert {each["ObjectiveStatus"] for each in trials} == {"Succeeded"}


@rounds
def test_a_job_whose_node_agent_is_killed_fails_and_says_so(world: World, round_: int) -> None:
    job = world.talking_job()
    user_code = world.processes(f"job:{job}")
    inside = _sandboxed(user_code)
    assert inside
    world.kill(f"agent:{job}")
    ended = jobs.wait_job(world.running, job)
    assert ended["TrainingJobStatus"] == "Failed"
    assert "node agent" in ended["FailureReason"]
    _assert_gone(inside)
    lines = world.lines(job)
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    assert world.predict() == b"[42.0, 43.0]"


CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}


@rounds
def test_a_job_of_two_hosts_outlives_the_api_and_is_never_run_twice(world: World, round_: int) -> None:
    job = world.talking_job(ResourceConfig=CLUSTER)
    world.kill("api")
    eventually(lambda: world.processes("api"))
    assert len(world.processes(f"agent:{job}")) == 2
    world.enough(job)
    world.assert_ended_well(job, hosts=2)


@rounds
def test_a_job_of_two_hosts_that_loses_one_is_run_again_as_a_whole_and_once(world: World, round_: int) -> None:
    job = world.talking_job(ResourceConfig=CLUSTER, RetryStrategy={"MaximumRetryAttempts": 1})
    inside = _sandboxed(world.processes(f"job:{job}"))
    first = {task.name for task in world.tasks(job)}
    one, *_ = world.processes(f"agent:{job}")
    one.kill()
    eventually(lambda: not first & {path.name for path in world.running.data.glob("tasks/train-*")})
    _assert_gone(inside)
    eventually(lambda: len(world.processes(f"job:{job}")) == 2)
    world.enough(job)
    ended = jobs.wait_job(world.running, job)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert [each["Status"] for each in ended["SecondaryStatusTransitions"]].count("Restarting") == 1
    assert world.processes(f"agent:{job}") == []


@rounds
@pytest.mark.parametrize("part", ["agent", "model"])
def test_a_model_server_that_is_killed_is_started_anew(world: World, part: str, round_: int) -> None:
    inside = _sandboxed(world.processes(f"model:{world.endpoint}"))
    world.kill(f"{part}:{world.endpoint}")
    eventually(world.predicts_again)
    assert world.endpoint_status() == "InService"
    _assert_gone(inside)
    assert len(world.processes(f"model:{world.endpoint}")) == 1


@rounds
def test_after_the_supervisor_is_killed_jobs_go_on_and_the_next_up_finds_them(world: World, round_: int) -> None:
    job = world.talking_job()
    kept = _create_model(world)
    own = world.processes("api", "router", "store")
    world.kill("supervisor")
    _, alive = psutil.wait_procs(own, 60)
    assert not alive
    assert world.processes(f"job:{job}")
    world.up()
    world.enough(job)
    world.assert_ended_well(job)
    eventually(world.predicts_again)
    assert world.running.client("sagemaker").describe_model(ModelName=kept)["ModelName"] == kept


@rounds
def test_after_everything_is_killed_endpoints_come_back_and_jobs_say_what_happened(world: World, round_: int) -> None:
    job = world.talking_job()
    acknowledged: list[str] = []
    writer = threading.Thread(target=_create_models, args=(world, acknowledged))
    writer.start()
    eventually(lambda: len(acknowledged) > 20)
    inside = _sandboxed(world.processes())
    world.kill()
    writer.join()
    eventually(lambda: not world.traces())
    _assert_gone(inside)
    world.up()
    ended = jobs.wait_job(world.running, job)
    assert ended["TrainingJobStatus"] == "Failed"
    assert "node agent" in ended["FailureReason"]
    lines = world.lines(job)
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    eventually(world.predicts_again)
    assert world.endpoint_status() == "InService"
    client = world.running.client("sagemaker")
    for model in acknowledged:
        assert client.describe_model(ModelName=model)["ModelName"] == model


@rounds
def test_down_in_the_middle_of_a_job_ends_it_and_the_next_up_says_so(world: World, round_: int) -> None:
    job = world.talking_job()
    inside = _sandboxed(world.processes())
    assert world.running.cli("down").returncode == 0
    assert world.traces() == []
    _assert_gone(inside)
    world.up()
    ended = jobs.wait_job(world.running, job)
    assert ended["TrainingJobStatus"] == "Failed"
    assert "platform" in ended["FailureReason"]
    assert ended["TrainingTimeInSeconds"] >= 0
    lines = world.lines(job)
    assert lines[:10] == [f"line {number}" for number in range(1, 11)]
    eventually(world.predicts_again)
    assert world.endpoint_status() == "InService"


def _create_model(world: World) -> str:
    name = jobs.name("kept")
    world.running.client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=jobs.ROLE, PrimaryContainer={"Image": jobs.IMAGE}
    )
    return name


def _create_models(world: World, acknowledged: list[str]) -> None:
    """Create models, and note each that was acknowledged, until the platform is gone."""
    client = world.running.client("sagemaker", config=Config(retries={"total_max_attempts": 1}))
    while True:
        name = jobs.name("acknowledged")
        try:
            client.create_model(ModelName=name, ExecutionRoleArn=jobs.ROLE, PrimaryContainer={"Image": jobs.IMAGE})
        except (BotoCoreError, ClientError):
            return
        acknowledged.append(name)


def _sandboxed(processes: list[psutil.Process]) -> list[psutil.Process]:
    """All processes in the pid namespaces of the sandboxes among `processes`."""
    namespaces = {_namespace(process.pid) for process in processes} - {_namespace(os.getpid()), None}
    return [process for process in psutil.process_iter() if _namespace(process.pid) in namespaces]


def _namespace(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def _assert_gone(processes: list[psutil.Process]) -> None:
    assert psutil.wait_procs(processes, 60)[1] == []
