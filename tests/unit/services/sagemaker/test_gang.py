"""Jobs of several hosts: one story of their reports, one end."""

import pytest

from sagesmith.compute.base import TaskEvent, TaskObservation, TaskState
from sagesmith.services.sagemaker.jobs import gang, reconciler
from tests.unit.services.sagemaker.world import Task, World, training_job


def report(*told: tuple[TaskState, float], **detail: object) -> list[TaskEvent]:
    events = [TaskEvent(number, at, state, f"{state} at {at}") for number, (state, at) in enumerate(told, 1)]
    return [*events[:-1], TaskEvent(len(events), events[-1].time, events[-1].state, events[-1].message, dict(detail))]


def ended(**reports: list[TaskEvent]) -> gang.End:
    tasks = {
        f"algo-{host.removeprefix('algo')}": TaskObservation(host, False, events) for host, events in reports.items()
    }
    return gang.end(tasks)


def test_a_job_downloads_when_one_host_does_and_trains_when_all_do() -> None:
    first = report(("Starting", 1.0), ("Downloading", 2.0), ("Training", 3.0))
    second = report(("Starting", 1.5), ("Downloading", 2.5))
    assert [(each.state, each.at) for each in gang.stages([first, second])] == [("Starting", 1.0), ("Downloading", 2.0)]
    second = report(("Starting", 1.5), ("Downloading", 2.5), ("Training", 3.5))
    assert [(each.state, each.at) for each in gang.stages([first, second])][-1] == ("Training", 3.5)


def test_a_job_uploads_when_its_last_host_has_come_to_an_end_of_its_program() -> None:
    first = report(("Starting", 1.0), ("Downloading", 2.0), ("Training", 3.0), ("Uploading", 4.0))
    second = report(("Starting", 1.0), ("Downloading", 2.0), ("Training", 3.0))
    assert gang.stages([first, second])[-1].state == "Training"
    failed = report(("Starting", 1.0), ("Downloading", 2.0), ("Training", 3.0), ("Failed", 5.0))
    assert gang.stages([first, failed])[-1].state == "Uploading"


def test_the_host_that_failed_first_says_why_a_job_failed() -> None:
    end = ended(
        algo1=report(("Failed", 9.0), failure_reason="AlgorithmError: peer is gone"),
        algo2=report(("Failed", 8.0), failure_reason="AlgorithmError: division by zero"),
        algo3=report(("Stopped", 10.0)),
    )
    assert (end.host, end.detail["failure_reason"], end.at) == ("algo-2", "AlgorithmError: division by zero", 10.0)


def test_what_hosts_had_to_say_is_told_together() -> None:
    end = ended(
        algo1=report(("Completed", 3.0), exit_message="one "),
        algo2=report(("Failed", 2.0), exit_message="two", failure_reason="AlgorithmError: x"),
        algo3=report(("Stopped", 4.0)),
    )
    assert (end.host, end.detail["exit_message"]) == ("algo-2", "one two")


def test_a_job_is_complete_with_the_metrics_of_all_hosts_of_each_the_last_value() -> None:
    loss = {"MetricName": "loss", "Value": 0.5, "Timestamp": 1.0}
    later = {"MetricName": "loss", "Value": 0.25, "Timestamp": 2.0}
    accuracy = {"MetricName": "accuracy", "Value": 0.9, "Timestamp": 1.5}
    end = ended(
        algo1=report(("Completed", 3.0), metrics=[later], model_artifacts="s3://out/model.tar.gz"),
        algo2=report(("Completed", 4.0), metrics=[loss, accuracy]),
    )
    assert end.event.state == "Completed"
    assert {each["MetricName"]: each["Value"] for each in end.detail["metrics"]} == {"loss": 0.25, "accuracy": 0.9}
    assert end.detail["model_artifacts"] == "s3://out/model.tar.gz"


def start(world: World, **changes: object) -> list[Task]:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    world.call("CreateTrainingJob", **training_job("job", **{"ResourceConfig": resources, **changes}))
    world.turn()
    return list(world.backend.present.values())


def describe(world: World) -> dict:
    return world.call("DescribeTrainingJob", TrainingJobName="job")


def test_a_job_of_two_instances_is_two_tasks_that_know_each_other(world: World) -> None:
    specs = [task.spec for task in start(world)]
    assert [each.host for each in specs] == ["algo-1", "algo-2"]
    assert all(each.hosts == ["algo-1", "algo-2"] for each in specs)
    assert len({each.gang for each in specs}) == 1
    assert len({each.id for each in specs}) == 2
    assert all(len(each.id) <= 40 for each in specs)


def test_each_host_has_a_log_stream_of_its_own(world: World) -> None:
    for number, task in enumerate(start(world), 1):
        task.print(f"host {number}")
        task.say("Completed")
    world.turn()
    assert describe(world)["TrainingJobStatus"] == "Completed"
    for number in (1, 2):
        assert world.log_lines("/aws/sagemaker/TrainingJobs", f"job/algo-{number}-") == [f"host {number}"]


def test_a_host_that_fails_fails_the_job_after_the_others_were_asked_to_end(world: World) -> None:
    first, second = start(world)
    second.say("Failed", failure_reason="AlgorithmError: ExecuteUserScriptError: exit code 3")
    world.turn()
    assert first.stopped
    assert describe(world)["TrainingJobStatus"] == "InProgress"
    first.say("Stopped")
    world.turn()
    described = describe(world)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"] == "AlgorithmError: ExecuteUserScriptError: exit code 3 (algo-2)"


def test_a_host_that_does_not_end_after_another_has_failed_is_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = start(world)
    second.say("Failed", failure_reason="AlgorithmError: x")
    world.turn()
    monkeypatch.setattr(reconciler, "ABORT_SECONDS", 0.0)
    world.turn(2)
    assert not first.alive
    assert describe(world)["FailureReason"] == "AlgorithmError: x (algo-2)"


def test_a_lost_host_ends_the_others_and_fails_the_job(world: World) -> None:
    first, second = start(world)
    first.say("Training")
    second.alive = False
    world.turn(2)
    assert not first.alive
    assert "InternalServerError: the node agent ended without a report" in describe(world)["FailureReason"]
    assert world.backend.present == {}


def test_a_lost_job_is_tried_again_as_often_as_it_may_and_its_logs_are_kept_apart(world: World) -> None:
    tasks = start(world, RetryStrategy={"MaximumRetryAttempts": 1})
    tasks[0].print("first attempt")
    tasks[1].alive = False
    world.until(lambda: len(world.backend.started) == 4)
    again = list(world.backend.present.values())
    assert {each.spec.attempt for each in again} == {2}
    assert not {each.spec.id for each in again} & {each.spec.id for each in tasks}
    assert describe(world)["SecondaryStatus"] == "Starting"
    transitions = [each["Status"] for each in describe(world)["SecondaryStatusTransitions"]]
    assert transitions == ["Starting", "Restarting", "Starting"]
    for task in again:
        task.say("Training")
    again[0].print("second attempt")
    again[0].alive = False
    world.until(lambda: describe(world)["TrainingJobStatus"] == "Failed")
    with world.store.read() as tx:
        streams, _ = tx.log_streams("us-east-1", "/aws/sagemaker/TrainingJobs", "job/algo-1-")
    assert len(streams) == 2
    assert len(world.backend.started) == 4


def test_an_algorithm_s_own_failure_is_not_tried_again(world: World) -> None:
    for task in start(world, RetryStrategy={"MaximumRetryAttempts": 3}):
        task.say("Failed", failure_reason="AlgorithmError: x")
    world.turn(3)
    assert describe(world)["TrainingJobStatus"] == "Failed"
    assert len(world.backend.started) == 2


def test_a_gang_that_is_larger_than_the_machine_runs_alone(world: World) -> None:
    world.new_loop(concurrency=2)
    world.call("CreateTrainingJob", **training_job("small"))
    world.turn()
    tasks = start(world, ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 5, "VolumeSizeInGB": 1})
    assert len(tasks) == 1
    assert describe(world)["SecondaryStatus"] == "Pending"
    tasks[0].say("Completed")
    world.until(lambda: len(world.backend.started) == 6)


def test_instance_groups_have_hosts_types_and_channels_of_their_own(world: World) -> None:
    groups = [
        {"InstanceGroupName": "data", "InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "dnn", "InstanceType": "ml.m5.large", "InstanceCount": 2},
    ]
    job = training_job("job")
    job["InputDataConfig"][0]["DataSource"]["S3DataSource"]["InstanceGroupNames"] = ["dnn"]
    specs = [
        task.spec
        for task in start(
            world,
            ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1},
            InputDataConfig=job["InputDataConfig"],
        )
    ]
    assert [each.instance_type for each in specs] == ["ml.c5.xlarge", "ml.m5.large", "ml.m5.large"]
    assert [(each.name, each.hosts) for each in specs[0].instance_groups] == [
        ("data", ["algo-1"]),
        ("dnn", ["algo-2", "algo-3"]),
    ]
    assert specs[0].channels[0].hosts == ["algo-2", "algo-3"]
