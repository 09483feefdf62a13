"""One story of the reports of several hosts."""

from sagesmith.compute.base import TaskEvent, TaskObservation, TaskState
from sagesmith.services.sagemaker.jobs import gang


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
