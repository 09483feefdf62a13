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
from sagesmith.agent.process import descendants
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


class Clock:
    """Stands still until it is set forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steady, self.time = 1000.0, 6_000_050.0
        monkeypatch.setattr("sagesmith.agent.usage.time.monotonic", lambda: self.steady)
        monkeypatch.setattr("sagesmith.agent.usage.time.time", lambda: self.time)

    def forward(self, seconds: float) -> None:
        self.steady += seconds
        self.time += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def values(directory: Path, name: str) -> list[tuple[int, list[float]]]:
    return [(each.at, each.values) for each in written(directory / "metrics.jsonl") if each.name == name]


def test_what_processes_and_their_children_used_is_percent_of_one_core(
    tmp_path: Path, child: "subprocess.Popen[str]", clock: Clock
) -> None:
    usage = usage_of(child, tmp_path, Resources(memory_bytes=1 << 30))
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    # It has used its 0.3 seconds once it is a zombie, of which the kernel still tells.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    clock.forward(5.0)
    usage.tick()
    assert values(tmp_path, "CPUUtilization") == [], "it is written when the minute is over"
    usage.end()
    ((at, (percent,)),) = values(tmp_path, "CPUUtilization")
    assert at == 6_000_000
    assert 100 * 0.3 / 5 <= percent <= 100 * 0.6 / 5


def test_a_task_is_looked_at_early_and_then_every_five_seconds(
    tmp_path: Path, child: "subprocess.Popen[str]", clock: Clock
) -> None:
    usage = usage_of(child, tmp_path, Resources())
    pauses = []
    for _ in range(10):
        pauses.append(usage.tick())
        clock.forward(pauses[-1])
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 1.85, 5.0, 5.0, 5.0])


def test_a_task_of_less_than_an_interval_has_one_sample(
    tmp_path: Path, child: "subprocess.Popen[str]", clock: Clock
) -> None:
    usage = usage_of(child, tmp_path, Resources(memory_bytes=1 << 30))
    for _ in range(3):
        clock.forward(usage.tick())
    usage.end()
    for name in ("CPUUtilization", "MemoryUtilization", "DiskUtilization"):
        ((_, found),) = values(tmp_path, name)
        assert len(found) == 1
        assert 0 <= found[0] <= 100
    assert values(tmp_path, "MemoryUtilization")[0][1][0] > 0


def test_a_minute_is_written_when_the_next_begins(tmp_path: Path, child: "subprocess.Popen[str]", clock: Clock) -> None:
    usage = usage_of(child, tmp_path, Resources())
    for _ in range(4):
        clock.forward(5.0)
        usage.tick()
    assert [(at, len(found)) for at, found in values(tmp_path, "CPUUtilization")] == [(6_000_000, 1)]
    usage.end()
    assert [(at, len(found)) for at, found in values(tmp_path, "CPUUtilization")] == [(6_000_000, 1), (6_000_060, 3)]


def test_gpus_are_added_up(
    tmp_path: Path, child: "subprocess.Popen[str]", clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, asked = tmp_path / "nvidia-smi", tmp_path / "asked"
    tool.write_text(f'#!/bin/sh\necho "$@" > {asked}\necho "50, 4000, 16000"\necho "100, 16000, 16000"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    usage = usage_of(child, tmp_path, Resources(gpus=2), "0,1")
    assert usage._gpus is not None
    assert usage._gpus._asked is not None
    usage._gpus._asked.wait()
    clock.forward(1.0)
    usage.tick()
    usage.end()
    samples = {each.name: each.values for each in written(tmp_path / "metrics.jsonl")}
    assert samples["GPUUtilization"] == [150.0]
    assert samples["GPUMemoryUtilization"] == [125.0]
    assert "--id=0,1" in asked.read_text()


def test_processes_may_end_while_they_are_looked_at(tmp_path: Path) -> None:
    command = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); /bin/true & done; wait"
    with subprocess.Popen(["/bin/sh", "-c", command]) as busy:
        while busy.poll() is None:
            for pid in descendants(busy.pid):
                assert pid > 0
