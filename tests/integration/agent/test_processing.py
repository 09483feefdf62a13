"""Processing tasks: what goes in, what comes out, how they end."""

import json
from pathlib import Path
from typing import Any

import pytest

from sagesmith.compute.base import Channel, ProcessingOutput, TaskObservation
from tests.integration.agent.conftest import BUCKET, IMAGE, RunningStore, Tasks

SECRET = "the host's own"


def run(tasks: Tasks, store: RunningStore, task_id: str, command: "str | list[str]", **changes: Any) -> TaskObservation:
    return tasks.run(task_id, command, kind="process", s3=store.access, **changes)


def output(prefix: str, folder: str = "output", continuous: bool = False) -> ProcessingOutput:
    return ProcessingOutput(folder, f"s3://{BUCKET}/{prefix}", continuous)


def test_a_command_sees_its_inputs_and_configuration_and_leaves_outputs(tasks: Tasks, store: RunningStore) -> None:
    store.put("processing/rows/a.csv", b"1\n")
    store.put("processing/rows/deep/b.csv", b"2\n")
    store.put("processing/code/main.sh", b"echo code\n")
    command = (
        "cd /opt/ml/processing; cat input/rows/a.csv input/rows/deep/b.csv; sh code/main.sh; pwd;"
        "cat /opt/ml/config/processingjobconfig.json; echo; cat /opt/ml/config/resourceconfig.json; echo;"
        "mkdir output/d; echo r > output/d/r; touch output/empty; echo more > /opt/ml/processing/made"
    )
    seen = run(
        tasks,
        store,
        "whole",
        command,
        channels=[
            Channel("input/rows", f"s3://{BUCKET}/processing/rows"),
            Channel("code", f"s3://{BUCKET}/processing/code/main.sh"),
        ],
        outputs=[output("processed/whole/"), output("unused", "not/there/yet")],
        configuration={"ProcessingJobName": "whole"},
    )
    assert [each.state for each in seen.events] == ["Starting", "Downloading", "Processing", "Uploading", "Completed"]
    lines = tasks.lines("whole")
    assert lines[:4] == ["1", "2", "code", "/opt/ml/processing"]
    assert json.loads(lines[4]) == {"ProcessingJobName": "whole"}
    assert json.loads(lines[5]) == {
        "current_host": "algo-1",
        "current_instance_type": "ml.m4.xlarge",
        "hosts": ["algo-1"],
        "network_interface_name": "eth0",
    }
    assert store.get(f"s3://{BUCKET}/processed/whole/d/r") == b"r\n"
    assert store.keys("processed/whole/") == ["processed/whole/d/r", "processed/whole/empty"]
    assert store.keys("unused") == []
    assert seen.events[-1].detail["exit_message"] == ""


def test_a_program_starts_where_it_may_write(tasks: Tasks, store: RunningStore) -> None:
    seen = run(tasks, store, "place", "echo x > scratch && cat scratch")
    assert seen.events[-1].state == "Completed", tasks.lines("place")


def test_arguments_follow_the_command_or_are_it(tasks: Tasks, store: RunningStore) -> None:
    run(tasks, store, "both", ["/bin/echo", "-n"], arguments=["a b", "c"])
    assert tasks.lines("both") == ["a b c"]
    run(tasks, store, "alone", arguments=["python3", "-c", "import sklearn; print('hi')"], command=[])
    assert tasks.lines("alone") == ["hi"]


def test_an_image_without_a_program_needs_one(tasks: Tasks, store: RunningStore) -> None:
    seen = run(tasks, store, "nothing", [])
    assert seen.events[-1].detail["failure_reason"] == (
        f"ClientError: The image {IMAGE} has no program of its own. "
        "Name one as ContainerEntrypoint of AppSpecification."
    )


def test_a_failing_program_fails_the_task_with_its_last_words_and_keeps_its_outputs(
    tasks: Tasks, store: RunningStore
) -> None:
    command = (
        "echo so far > /opt/ml/processing/output/part; echo why > /opt/ml/output/message; echo 'no luck' >&2; exit 3"
    )
    seen = run(tasks, store, "failing", command, outputs=[output("processed/failing")])
    detail = seen.events[-1].detail
    assert seen.events[-1].state == "Failed"
    assert detail["failure_reason"] == "AlgorithmError: no luck, exit code: 3"
    assert (detail["exit_code"], detail["exit_message"]) == (3, "why\n")
    assert store.get(f"s3://{BUCKET}/processed/failing/part") == b"so far\n"


def test_the_exit_message_is_the_first_kilobyte_of_whole_characters(tasks: Tasks, store: RunningStore) -> None:
    write = "open('/opt/ml/output/message', 'w').write('a' + '\\N{SNOWMAN}' * 400)"
    seen = run(tasks, store, "message", ["python3", "-c", write])
    assert seen.events[-1].state == "Completed"
    assert seen.events[-1].detail["exit_message"] == "a" + "\N{SNOWMAN}" * 341


def test_an_exit_message_that_is_no_text_fails_the_task(tasks: Tasks, store: RunningStore) -> None:
    command = r"printf '\377\376' > /opt/ml/output/message; echo r > /opt/ml/processing/output/r"
    seen = run(tasks, store, "binary", command, outputs=[output("processed/binary")])
    assert seen.events[-1].detail["failure_reason"] == (
        "ClientError: The content of /opt/ml/output/message is not UTF-8 text"
    )
    assert store.keys("processed/binary") == ["processed/binary/r"]


def test_a_continuous_output_arrives_while_the_program_runs_file_by_whole_file(
    tasks: Tasks, store: RunningStore
) -> None:
    store.put("processing/gate/closed", b"")
    command = (
        "cd /opt/ml/processing/output; echo first > a; (while test -e ../gate/closed; do echo x >> growing; "
        "sleep 0.05; done); echo second > b; echo changed > a"
    )
    tasks.start(
        "continuous",
        command,
        kind="process",
        s3=store.access,
        channels=[Channel("gate", f"s3://{BUCKET}/processing/gate/")],
        outputs=[output("processed/continuous", continuous=True)],
    )
    seen = tasks.wait("continuous", lambda _: store.keys("processed/continuous") != [])
    assert not seen.ended
    assert store.keys("processed/continuous") == ["processed/continuous/a"]
    assert store.get(f"s3://{BUCKET}/processed/continuous/a") == b"first\n"
    (tasks.data / "tasks/continuous/opt_ml/processing/gate/closed").unlink()
    assert tasks.wait("continuous", lambda seen: seen.ended).events[-1].state == "Completed"
    assert store.keys("processed/continuous") == [f"processed/continuous/{name}" for name in ("a", "b", "growing")]
    assert store.get(f"s3://{BUCKET}/processed/continuous/a") == b"changed\n"
    assert set(store.get(f"s3://{BUCKET}/processed/continuous/growing")) == {*b"x\n"}


@pytest.fixture
def bait(tmp_path: Path) -> Path:
    """A directory of the host with the names that the agent looks for."""
    for folder in (tmp_path / "bait", tmp_path / "bait" / "output"):
        folder.mkdir()
        for name in ("file", "message"):
            (folder / name).write_text(SECRET)
    return tmp_path / "bait"


@pytest.mark.parametrize("place", ["processing", "processing/output", "processing/output/file", "output"])
def test_a_link_leads_to_no_file_of_the_host(tasks: Tasks, store: RunningStore, bait: Path, place: str) -> None:
    target = bait / "file" if place.endswith("file") else bait
    task = f"link-{place.replace('/', '-')}"
    command = f"cd /opt/ml; mv {place} away 2>/dev/null; ln -s {target} {place}"
    seen = run(tasks, store, task, command, outputs=[output(f"links/{task}")])
    assert [key for key in store.keys(f"links/{task}") if SECRET.encode() in store.get(f"s3://{BUCKET}/{key}")] == []
    assert seen.events[-1].detail["exit_message"] == ""


def test_a_link_leads_to_no_file_of_the_host_while_the_program_runs(
    tasks: Tasks, store: RunningStore, bait: Path
) -> None:
    store.put("processing/door/closed", b"")
    command = (
        f"cd /opt/ml/processing; mkdir output/kept; ln -s {bait}/file output/link; ln -s {bait} output/folder;"
        f"mv second away; ln -s {bait} second; echo x > output/kept/own; while test -e door/closed; do sleep 0.05; done"
    )
    tasks.start(
        "links",
        command,
        kind="process",
        s3=store.access,
        channels=[Channel("door", f"s3://{BUCKET}/processing/door/")],
        outputs=[output("links/first", "output", True), output("links/second", "second", True)],
    )
    tasks.wait("links", lambda _: "links/first/kept/own" in store.keys("links/first"))
    (tasks.data / "tasks/links/opt_ml/processing/door/closed").unlink()
    tasks.wait("links", lambda seen: seen.ended)
    assert store.keys("links/first") == ["links/first/kept/own"]
    assert store.keys("links/second") == []


def test_a_file_whose_name_is_no_text_is_left_out_and_said_to_be(tasks: Tasks, store: RunningStore) -> None:
    command = r"cd /opt/ml/processing/output; touch good; touch $(printf 'bad\377')"
    seen = run(tasks, store, "names", command, outputs=[output("processed/names", continuous=True)])
    assert seen.events[-1].state == "Completed"
    assert store.keys("processed/names") == ["processed/names/good"]
    assert "The name of a file in /opt/ml/processing/output is not UTF-8: 'bad\\udcff' is not uploaded." in (
        tasks.lines("names")
    )


def test_a_task_that_takes_too_long_is_stopped_and_uploads(tasks: Tasks, store: RunningStore) -> None:
    seen = run(
        tasks,
        store,
        "long",
        "echo r > /opt/ml/processing/output/r; exec sleep 600",
        max_runtime_seconds=0.5,
        outputs=[output("processed/long")],
    )
    assert seen.events[-1].state == "Stopped"
    assert seen.events[-1].detail["secondary_status"] == "MaxRuntimeExceeded"
    assert store.keys("processed/long") == ["processed/long/r"]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://no-such-bucket-here/x", "ClientError: Data upload failed:NoSuchBucket"),
        ("s3://sagesmith-internal-keys/x", "ClientError: AccessDenied"),
    ],
)
def test_an_output_that_cannot_be_stored_fails_the_task(
    tasks: Tasks, store: RunningStore, uri: str, words: str
) -> None:
    seen = run(tasks, store, "lost", "echo r > /opt/ml/processing/output/r", outputs=[ProcessingOutput("output", uri)])
    assert seen.events[-1].state == "Failed"
    assert seen.events[-1].detail["failure_reason"].startswith(words)
