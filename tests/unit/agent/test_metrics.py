"""What a task measures: values in its output, and how busy its host is."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagesmith.agent.metrics import MetricFile, sample_from_json
from sagesmith.agent.output import Output
from sagesmith.agent.usage import Usage
from sagesmith.compute.base import MetricDefinition, MetricSample, Resources

LOSS = MetricDefinition("loss", r"loss=(\S+)")
BUSY = (
    "import time, sys; sys.stdin.readline()\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
)


def written(path: Path) -> list[MetricSample]:
    return [sample_from_json(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def test_values_in_the_output_are_written_as_they_come(tmp_path: Path) -> None:
    output = Output(tmp_path / "output.log", [LOSS])
    before = int(time.time())
    output.feed(b"loss=0.5\nother\nloss=0.25 loss=9\nloss=x\n")
    assert [(each.name, each.values, each.of_host) for each in written(tmp_path / "metrics.jsonl")] == [
        ("loss", [0.5, 0.25], False)
    ]
    output.feed(b"loss=0.125\n")
    samples = written(tmp_path / "metrics.jsonl")
    assert samples[-1].values == [0.125]
    assert all(before <= each.at <= time.time() for each in samples)
    assert [each["Value"] for each in output.metrics.final()] == [0.125]


def test_a_value_that_is_no_metric_is_left_out(tmp_path: Path) -> None:
    output = Output(tmp_path / "output.log", [LOSS])
    output.feed(b"loss=nan\nloss=inf\nloss=1e300\n")
    assert written(tmp_path / "metrics.jsonl") == []
    output.feed(b"loss=nan\nloss=2\n")
    assert [each.values for each in written(tmp_path / "metrics.jsonl")] == [[2.0]]


def test_a_program_that_prints_no_metric_leaves_no_file(tmp_path: Path) -> None:
    Output(tmp_path / "output.log", [LOSS]).feed(b"hello\n")
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.fixture
def child() -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()


def usage_of(child: "subprocess.Popen[str]", directory: Path, resources: Resources, gpus: str = "") -> Usage:
    return Usage(MetricFile(directory / "metrics.jsonl"), lambda: [child.pid], resources, directory, gpus)


def test_a_task_that_ended_at_once_has_a_sample_of_all_it_used(tmp_path: Path, child: "subprocess.Popen[str]") -> None:
    memory = 64 << 30
    usage = usage_of(child, tmp_path, Resources(memory_bytes=memory))
    began = time.monotonic()
    child.communicate("\n")
    usage.end()
    took = time.monotonic() - began
    samples = {each.name: each for each in written(tmp_path / "metrics.jsonl")}
    assert all(each.of_host and each.at % 60 == 0 for each in samples.values())
    assert samples["CPUUtilization"].values[0] >= 0.9 * 100 * 0.3 / took
    assert 0 < samples["DiskUtilization"].values[0] <= 100


def test_a_sample_is_taken_when_it_is_due(
    tmp_path: Path, child: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("sagesmith.agent.usage.time.monotonic", lambda: now)
    own = os.getpid()
    usage = Usage(MetricFile(tmp_path / "metrics.jsonl"), lambda: [own], Resources(memory_bytes=1 << 40), tmp_path)
    assert usage.tick() == 1.0
    now += 1.0
    assert usage.tick() == 5.0
    now += 2.0
    assert usage.tick() == 3.0
    now += 3.0
    usage.tick()
    usage.end()
    samples = [each for each in written(tmp_path / "metrics.jsonl") if each.name == "MemoryUtilization"]
    assert sum(len(each.values) for each in samples) == 2
    assert all(value > 0 for each in samples for value in each.values)


def test_a_minute_is_written_when_the_next_begins(
    tmp_path: Path, child: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    steady, clock = 1000.0, 6_000_050.0
    monkeypatch.setattr("sagesmith.agent.usage.time.monotonic", lambda: steady)
    monkeypatch.setattr("sagesmith.agent.usage.time.time", lambda: clock)
    usage = usage_of(child, tmp_path, Resources())
    for _ in range(4):
        steady, clock = steady + 5.0, clock + 5.0
        usage.tick()
    samples = [each for each in written(tmp_path / "metrics.jsonl") if each.name == "CPUUtilization"]
    assert [(each.at, len(each.values)) for each in samples] == [(6_000_000, 1)]
    usage.end()
    samples = [each for each in written(tmp_path / "metrics.jsonl") if each.name == "CPUUtilization"]
    assert [(each.at, len(each.values)) for each in samples] == [(6_000_000, 1), (6_000_060, 3)]


def test_gpus_are_added_up(tmp_path: Path, child: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch) -> None:
    tool, asked = tmp_path / "nvidia-smi", tmp_path / "asked"
    tool.write_text(f'#!/bin/sh\necho "$@" > {asked}\necho "50, 4000, 16000"\necho "100, 16000, 16000"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    now = 1000.0
    monkeypatch.setattr("sagesmith.agent.usage.time.monotonic", lambda: now)
    usage = usage_of(child, tmp_path, Resources(gpus=2), "0,1")
    assert usage._gpus is not None
    assert usage._gpus._asked is not None
    usage._gpus._asked.wait()
    now += 1.0
    usage.tick()
    usage.end()
    samples = {each.name: each.values for each in written(tmp_path / "metrics.jsonl")}
    assert samples["GPUUtilization"] == [150.0]
    assert samples["GPUMemoryUtilization"] == [125.0]
    assert "--id=0,1" in asked.read_text()
