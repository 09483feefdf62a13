"""What a task's directory says, and what it survives."""

from dataclasses import replace
from pathlib import Path

from sagesmith.agent.report import Report
from sagesmith.agent.taskdir import TaskDir, event_from_json, spec_from_json, spec_to_json
from sagesmith.compute.base import Channel, MetricDefinition, ModelContainer, S3Access, TaskSpec

SPEC = TaskSpec(
    id="t",
    kind="train",
    label="t",
    job_name="t",
    job_arn="arn",
    image="image",
    instance_type="ml.m4.xlarge",
    hosts=["algo-1"],
    host="algo-1",
    s3=S3Access("http://localhost", "key", "secret", "us-east-1"),
    cache="/cache",
    environment={"A": "ä\n"},
    channels=[Channel("train", "s3://bucket/x")],
    metric_definitions=[MetricDefinition("m", "x=(.)")],
)


def test_a_specification_comes_back_as_it_was() -> None:
    assert spec_from_json(spec_to_json(SPEC)) == SPEC


def test_several_containers_come_back_as_they_were() -> None:
    containers = [ModelContainer("one", "image", environment={"A": "B"}), ModelContainer("two", "image", "s3://m")]
    spec = replace(SPEC, kind="serve", containers=containers)
    assert spec_from_json(spec_to_json(spec)) == spec


def test_an_inner_agent_knows_its_outer_ones_directory_and_what_nobody_may_see(tmp_path: Path) -> None:
    outer = TaskDir(tmp_path / "data" / "tasks" / "serve-1")
    inner = TaskDir(outer.containers / "1")
    assert outer.inner() == []
    inner.root.mkdir(parents=True)
    assert outer.inner() == [inner]
    assert inner.outer == outer.outer == outer
    assert inner.data == outer.data == tmp_path / "data"


def test_events_come_back_in_order(tmp_path: Path) -> None:
    report = Report(tmp_path / "report.jsonl")
    report.write("Starting", "one\ntwo")
    report.write("Failed", failure_reason="ä", exit_code=1)
    events = [event_from_json(line) for line in (tmp_path / "report.jsonl").read_bytes().splitlines()]
    assert [(each.sequence, each.state, each.message) for each in events] == [
        (1, "Starting", "one\ntwo"),
        (2, "Failed", ""),
    ]
    assert events[1].detail == {"failure_reason": "ä", "exit_code": 1}
    assert events[0].time <= events[1].time
