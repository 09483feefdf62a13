"""The life of a training job, against the real store and a backend whose tasks do what a test says."""

import time
from dataclasses import replace

import pytest

from sagesmith.algorithms.run.meeting import KEY_VARIABLE
from sagesmith.services.sagemaker.jobs.looks import LONGEST_LOOK_SECONDS
from sagesmith.services.sagemaker.jobs.reconciler import DISCARD_AGAIN_SECONDS
from sagesmith.services.sagemaker.training import interrupt
from sagesmith.store import NotFound
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.world import Task, World, training_job


def started(world: World, name: str = "job", **changes: object) -> Task:
    world.call("CreateTrainingJob", **training_job(name, **changes))
    world.turn()
    return world.backend.only()


def complete(task: Task) -> None:
    for state in ("Starting", "Downloading", "Training", "Uploading"):
        task.say(state)
    task.say("Completed", model_artifacts="s3://out/job/output/model.tar.gz")


def describe(world: World, name: str = "job") -> dict:
    return world.call("DescribeTrainingJob", TrainingJobName=name)


def test_a_new_job_is_in_progress_and_starting(world: World) -> None:
    answer = world.call("CreateTrainingJob", **training_job("job"))
    assert answer == {"TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"}
    described = describe(world)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("InProgress", "Starting")
    assert described["ModelArtifacts"] == {"S3ModelArtifacts": "s3://out/job/output/model.tar.gz"}
    assert not any(member.startswith("_") for member in described)


def test_a_job_that_waits_in_its_backends_line_is_pending_until_its_agent_begins(world: World) -> None:
    task = started(world)
    task.pending = "Waiting for capacity in the cluster"
    world.turn(2)
    described = describe(world)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("InProgress", "Pending")
    assert described["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Waiting for capacity in the cluster"
    task.pending = ""
    task.say("Starting")
    world.turn()
    transitions = describe(world)["SecondaryStatusTransitions"]
    assert [each["Status"] for each in transitions] == ["Starting", "Pending", "Starting"]


@pytest.mark.parametrize("away", [False, True])
def test_a_job_that_waits_too_long_in_its_backends_line_is_stopped_and_never_runs(world: World, away: bool) -> None:
    condition = {"MaxRuntimeInSeconds": 3600, "MaxPendingTimeInSeconds": 7200}
    task = started(world, StoppingCondition=condition)
    task.pending = "Waiting for capacity in the cluster"
    document = world.stored("training-job", "job")
    with world.store.write() as tx:
        tx.update(replace(document, body={**document.body, "StoppingCondition": {"MaxPendingTimeInSeconds": -1}}))
    if away:
        world.backend.immortal.add(task.spec.id)
    world.turn()
    described = describe(world)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "TrainingTimeInSeconds" not in described
    if away:
        world.backend.immortal.clear()
        world.turn()
    assert world.backend.present == {}
    assert not task.alive


def test_a_job_of_which_its_backend_tells_is_looked_at_when_it_does_something(world: World) -> None:
    world.backend.tells = True
    task = started(world)
    task.say("Training")
    world.turn(3)
    assert world.pause_seconds() > LONGEST_LOOK_SECONDS
    task.print("hello")
    assert world.pause_seconds() <= 0
    world.turn()
    assert world.log_lines("/aws/sagemaker/TrainingJobs", "job/") == ["hello"]
    assert world.pause_seconds() <= LONGEST_LOOK_SECONDS
    world.turn(2)
    assert world.pause_seconds() > LONGEST_LOOK_SECONDS


def test_an_event_that_led_to_nothing_is_looked_into_once_more(world: World) -> None:
    world.backend.tells = True
    task = started(world)
    task.say("Training")
    world.turn(3)
    assert task.wake is not None
    task.wake()
    world.turn()
    assert world.pause_seconds() <= LONGEST_LOOK_SECONDS
    world.turn()
    assert world.pause_seconds() > LONGEST_LOOK_SECONDS


def test_a_job_that_is_to_stop_is_looked_at_whatever_its_backend_tells(world: World) -> None:
    world.backend.tells = True
    task = started(world)
    task.say("Training")
    world.turn(3)
    world.call("StopTrainingJob", TrainingJobName="job")
    world.turn(3)
    assert task.stopped
    assert world.pause_seconds() <= LONGEST_LOOK_SECONDS


def test_a_job_of_which_nobody_tells_is_looked_at_all_the_time(world: World) -> None:
    task = started(world)
    task.say("Training")
    world.turn(3)
    assert world.pause_seconds() <= LONGEST_LOOK_SECONDS


def test_a_completed_job_passed_through_every_status(world: World) -> None:
    task = started(world)
    for state in ("Starting", "Downloading", "Training", "Uploading"):
        task.say(state)
        world.turn()
        assert describe(world)["SecondaryStatus"] == state
    task.say(
        "Completed",
        model_artifacts="s3://out/job/output/model.tar.gz",
        metrics=[{"MetricName": "loss", "Value": 0.5, "Timestamp": 1.0}],
    )
    world.turn()
    described = describe(world)
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Completed"
    transitions = described["SecondaryStatusTransitions"]
    assert [each["Status"] for each in transitions] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(each["EndTime"] >= each["StartTime"] for each in transitions)
    assert transitions[0]["StatusMessage"] == "Preparing the instances for training"
    assert described["FinalMetricDataList"][0]["MetricName"] == "loss"
    assert described["TrainingEndTime"] >= described["TrainingStartTime"]
    assert described["TrainingTimeInSeconds"] == described["BillableTimeInSeconds"] >= 1
    assert world.backend.present == {}


def test_what_ran_between_two_looks_is_told_in_full(world: World) -> None:
    complete(started(world))
    world.turn()
    statuses = [each["Status"] for each in describe(world)["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_a_message_within_one_status_replaces_the_former(world: World) -> None:
    task = started(world)
    task.say("Downloading", "Building the environment")
    task.say("Downloading", "Downloading input data")
    world.turn()
    transitions = describe(world)["SecondaryStatusTransitions"]
    assert [each["StatusMessage"] for each in transitions if each["Status"] == "Downloading"] == [
        "Downloading input data"
    ]


def test_the_whole_log_is_stored_before_the_end_is_told(world: World) -> None:
    task = started(world)
    for number in range(7):
        task.print(f"line {number}")
    complete(task)
    world.turn()
    assert describe(world)["TrainingJobStatus"] == "Completed"
    assert world.log_lines("/aws/sagemaker/TrainingJobs", "job/algo-1-") == [f"line {number}" for number in range(7)]


def test_a_restart_neither_loses_nor_doubles_a_line(world: World) -> None:
    task = started(world)
    for number in range(5):
        task.print(f"line {number}")
        world.new_loop().turn()
        world.turn()
    complete(task)
    world.new_loop()
    world.until(lambda: describe(world)["TrainingJobStatus"] == "Completed")
    assert world.log_lines("/aws/sagemaker/TrainingJobs", "job/") == [f"line {number}" for number in range(5)]
    assert len(world.backend.started) == 1


def test_a_crash_between_start_and_its_record_starts_nothing_twice(world: World) -> None:
    world.call("CreateTrainingJob", **training_job("job"))
    before = world.stored("training-job", "job")
    world.turn()
    with world.store.write() as tx:
        stored = tx.get("training-job", "us-east-1", "job")
        assert stored is not None
        tx.update(replace(stored, body=before.body, facets=before.facets))
    world.new_loop()
    world.turn()
    assert len(world.backend.started) == 1
    complete(world.backend.only())
    world.until(lambda: describe(world)["TrainingJobStatus"] == "Completed")


def test_a_failed_job_says_why_in_at_most_1024_characters(world: World) -> None:
    task = started(world)
    task.say("Training")
    task.say("Failed", failure_reason="AlgorithmError: " + "x" * 2000)
    world.turn()
    described = describe(world)
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: xxx")
    assert len(described["FailureReason"]) == 1024


def test_a_job_whose_agent_was_killed_fails_with_a_reason(world: World) -> None:
    task = started(world)
    task.say("Training")
    task.print("last words")
    world.turn()
    task.alive = False
    world.turn()
    described = describe(world)
    assert described["TrainingJobStatus"] == "Failed"
    assert "node agent ended without a report" in described["FailureReason"]
    assert world.log_lines("/aws/sagemaker/TrainingJobs", "job/") == ["last words"]
    assert world.backend.present == {}


def test_a_job_that_the_machine_cannot_start_fails_with_a_reason(world: World) -> None:
    world.backend.fail_start = OSError(28, "No space left on device")
    world.call("CreateTrainingJob", **training_job("job"))
    world.turn()
    assert "No space left on device" in describe(world)["FailureReason"]


def test_the_task_of_a_job_that_ends_while_its_backend_is_away_is_removed_once_it_is_back(world: World) -> None:
    task = started(world)
    complete(task)
    world.backend.immortal.add(task.spec.id)
    world.turn()
    assert describe(world)["TrainingJobStatus"] == "Completed"
    assert len(world.backend.present) == 1
    assert world.pause_seconds() <= DISCARD_AGAIN_SECONDS
    world.turn()
    world.backend.immortal.clear()
    world.turn()
    assert world.backend.present == {}
    assert describe(world)["TrainingJobStatus"] == "Completed"


def test_a_stopped_job_is_asked_to_end_and_then_stopped(world: World) -> None:
    task = started(world)
    task.say("Downloading")
    task.say("Training")
    world.turn()
    assert world.call("StopTrainingJob", TrainingJobName="job") == {}
    assert describe(world)["TrainingJobStatus"] == describe(world)["SecondaryStatus"] == "Stopping"
    world.turn()
    assert task.stopped
    task.say("Uploading")
    task.say("Stopped", model_artifacts="s3://out/job/output/model.tar.gz")
    world.turn()
    described = describe(world)
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Stopped"
    assert [each["Status"] for each in described["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Stopping",
        "Uploading",
        "Stopped",
    ]


def test_a_job_that_completes_while_it_is_stopped_is_completed(world: World) -> None:
    task = started(world)
    world.call("StopTrainingJob", TrainingJobName="job")
    complete(task)
    world.turn()
    assert describe(world)["TrainingJobStatus"] == "Completed"


def test_a_job_that_is_stopped_before_it_started_never_starts(world: World) -> None:
    world.call("CreateTrainingJob", **training_job("job"))
    world.call("StopTrainingJob", TrainingJobName="job")
    world.turn()
    assert describe(world)["TrainingJobStatus"] == "Stopped"
    assert world.backend.started == []


def test_a_job_over_its_time_is_stopped_with_aws_s_secondary_status(world: World) -> None:
    task = started(world)
    task.say("Training")
    task.say("Stopped", secondary_status="MaxRuntimeExceeded")
    world.turn()
    described = describe(world)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_job_that_nobody_asked_to_stop_but_the_platform_s_end_stopped_has_failed(world: World) -> None:
    task = started(world)
    task.say("Training")
    task.say("Stopped")
    world.new_loop()
    world.turn()
    described = describe(world)
    assert described["TrainingJobStatus"] == "Failed"
    assert "the platform was shut down" in described["FailureReason"]


def test_jobs_beyond_the_limit_wait_in_order_and_say_why(world: World) -> None:
    world.new_loop(concurrency=1)
    for name in ("first", "second", "third"):
        world.call("CreateTrainingJob", **training_job(name))
    world.turn(3)
    assert [spec.job_name for spec in world.backend.started] == ["first"]
    waiting = describe(world, "second")
    assert waiting["SecondaryStatus"] == "Pending"
    assert "1 instances of jobs run at once" in waiting["SecondaryStatusTransitions"][-1]["StatusMessage"]
    complete(world.backend.only())
    world.until(lambda: len(world.backend.started) == 2)
    assert world.backend.started[1].job_name == "second"
    assert describe(world, "third")["SecondaryStatus"] == "Pending"


def test_a_job_sees_its_name_its_credentials_and_its_own_variables(world: World) -> None:
    spec = started(world, Environment={"MINE": "1"}).spec
    assert spec.environment["TRAINING_JOB_NAME"] == "job"
    assert spec.environment["TRAINING_JOB_ARN"].endswith("training-job/job")
    assert spec.environment["MINE"] == "1"
    assert spec.environment["AWS_REGION"] == "us-east-1"
    assert spec.environment["S3_ENDPOINT_URL"] == world.platform.url
    assert not spec.network_isolation
    principal, _ = world.home.keyring.find(spec.environment["AWS_ACCESS_KEY_ID"], spec.environment["AWS_SESSION_TOKEN"])
    assert principal.arn == "arn:aws:sts::123456789012:assumed-role/SageMakerExecutionRole/SageMaker"
    assert principal.job_arn is not None
    assert "inner-secret" not in spec.environment.values()


def test_the_hosts_of_an_attempt_have_a_key_that_nobody_else_has(world: World) -> None:
    def keys(name: str, **changes: object) -> list[str | None]:
        world.call("CreateTrainingJob", **training_job(name, **changes))
        world.until(lambda: bool(world.backend.present))
        tasks = list(world.backend.present.values())
        for each in tasks:
            complete(each)
        world.until(lambda: not world.backend.present)
        return [each.spec.environment.get(KEY_VARIABLE) for each in tasks]

    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    first = keys("first", ResourceConfig=two, Environment={KEY_VARIABLE: "mine"})
    second = keys("second", ResourceConfig=two, EnableNetworkIsolation=True)
    assert first == first[:1] * 2
    assert second == second[:1] * 2
    assert len({first[0], second[0], "mine", None}) == 4
    assert keys("alone") == [None]


def test_a_job_without_network_gets_neither_addresses_nor_credentials(world: World) -> None:
    spec = started(world, Environment={"MINE": "1"}, EnableNetworkIsolation=True).spec
    assert spec.network_isolation
    assert spec.environment == {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "TRAINING_JOB_NAME": "job",
        "TRAINING_JOB_ARN": spec.job_arn,
        "MINE": "1",
    }


def test_an_entry_point_of_one_s_own_becomes_the_task_s_command(world: World) -> None:
    job = training_job("job")
    job["AlgorithmSpecification"] |= {"ContainerEntrypoint": ["/bin/bash"], "ContainerArguments": ["-c", "true"]}
    world.call("CreateTrainingJob", **job)
    world.turn()
    spec = world.backend.only().spec
    assert (spec.command, spec.arguments) == (["/bin/bash"], ["-c", "true"])


def test_tasks_that_no_job_names_are_ended_at_the_start(world: World) -> None:
    task = started(world)
    with world.store.write() as tx:
        tx.delete("training-job", "us-east-1", "job")
    world.new_loop()
    assert world.backend.present == {}
    assert not task.alive


def test_a_running_job_cannot_be_deleted_and_an_ended_one_can(world: World) -> None:
    task = started(world)
    with pytest.raises(AwsError) as refused:
        world.call("DeleteTrainingJob", TrainingJobName="job")
    assert refused.value.code == "ResourceInUse"
    complete(task)
    world.turn()
    world.call("DeleteTrainingJob", TrainingJobName="job")
    with pytest.raises(AwsError, match="Requested resource not found"):
        describe(world)
    world.call("CreateTrainingJob", **training_job("job"))


def test_stopping_an_ended_job_is_refused_in_aws_s_words(world: World) -> None:
    complete(started(world))
    world.turn()
    with pytest.raises(AwsError, match="The request was rejected because the training job is in status Completed"):
        world.call("StopTrainingJob", TrainingJobName="job")


def test_below_the_free_disk_that_is_wanted_new_jobs_wait_and_say_so_until_there_is_room(world: World) -> None:
    enough = world.home
    world.home = replace(enough, platform=replace(enough.platform, min_free_disk_bytes=1 << 62))
    world.new_loop()
    world.call("CreateTrainingJob", **training_job("job"))
    world.turn(3)
    described = describe(world)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("InProgress", "Starting")
    assert "Waiting for disk space" in described["SecondaryStatusTransitions"][-1]["StatusMessage"]
    assert len(described["SecondaryStatusTransitions"]) == 1
    assert world.backend.started == []
    world.home = enough
    world.new_loop()
    world.turn(3)
    complete(world.backend.only())
    world.turn()
    assert describe(world)["TrainingJobStatus"] == "Completed"


def test_a_clock_that_steps_back_makes_no_time_negative(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task = started(world)
    task.say("Starting")
    task.say("Downloading")
    task.say("Training")
    world.turn()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 7200)
    world.clock_offset += 7200  # the loop's own clock never goes back
    task.say("Uploading")
    world.turn()
    task.say("Completed")
    world.turn()
    described = describe(world)
    assert described["TrainingJobStatus"] == "Completed"
    assert described["TrainingTimeInSeconds"] >= 0
    assert described["BillableTimeInSeconds"] >= 0
    assert described["TrainingEndTime"] >= described["TrainingStartTime"]
    times = [each for step in described["SecondaryStatusTransitions"] for each in (step["StartTime"], step["EndTime"])]
    assert times == sorted(times)


SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
}


def test_an_interrupted_spot_job_is_asked_to_end_and_starts_again(world: World) -> None:
    first = started(world, **SPOT)
    for state in ("Downloading", "Training"):
        first.say(state)
    world.turn()
    interrupt(world.store, "us-east-1", "job")
    world.turn()
    assert first.stopped
    first.say("Uploading")
    first.say("Stopped")
    world.until(lambda: len(world.backend.started) == 2)
    second = world.backend.only()
    assert second.spec.attempt == 2
    complete(second)
    world.until(lambda: describe(world)["TrainingJobStatus"] == "Completed")
    described = describe(world)
    assert [each["Status"] for each in described["SecondaryStatusTransitions"]] == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    assert described["TrainingEndTime"] >= described["TrainingStartTime"]


def test_attempts_together_have_the_time_that_the_job_may_run(world: World) -> None:
    first = started(world, **SPOT)
    assert first.spec.max_runtime_seconds == 3600
    first.say("Training")
    first.events[0] = replace(first.events[0], time=time.time() - 3000)
    interrupt(world.store, "us-east-1", "job")
    world.turn()
    first.say("Stopped")
    world.until(lambda: len(world.backend.started) == 2)
    assert world.backend.only().spec.max_runtime_seconds == pytest.approx(600, abs=30)


def test_a_spot_job_waits_and_runs_no_longer_than_it_may_in_all(world: World) -> None:
    condition = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600}
    task = started(world, **{**SPOT, "StoppingCondition": condition})
    with world.store.write() as tx:
        stored = tx.get("training-job", "us-east-1", "job")
        assert stored is not None
        tx.update(replace(stored, body={**stored.body, "StoppingCondition": {**condition, "MaxWaitTimeInSeconds": -1}}))
    task.say("Training")
    task.say("Stopped", secondary_status="MaxRuntimeExceeded")
    world.turn()
    assert describe(world)["SecondaryStatus"] == "MaxWaitTimeExceeded"


def test_only_a_spot_job_that_runs_can_be_interrupted(world: World) -> None:
    with pytest.raises(NotFound, match="There is no training job job"):
        interrupt(world.store, "us-east-1", "job")
    world.call("CreateTrainingJob", **training_job("waiting", **SPOT))
    with pytest.raises(ValueError, match="does not run"):
        interrupt(world.store, "us-east-1", "waiting")
    world.call("CreateTrainingJob", **training_job("job"))
    world.turn()
    with pytest.raises(ValueError, match="not a managed spot"):
        interrupt(world.store, "us-east-1", "job")
