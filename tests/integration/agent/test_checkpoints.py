"""Checkpoints and event files: what comes back at the start, what reaches S3 while a program runs, and at its end."""

import time
from typing import Any

import pytest

from sagesmith.compute.base import Checkpoints, TensorBoardOutput
from tests.integration.agent.conftest import BUCKET, RunningStore, Tasks

FOLDER = "/opt/ml/checkpoints"


def configured(store: RunningStore, name: str) -> dict[str, Any]:
    return {"s3": store.access, "checkpoints": Checkpoints(f"s3://{BUCKET}/checkpoints/{name}")}


def wait_for_keys(store: RunningStore, prefix: str, count: int) -> list[str]:
    while len(keys := store.keys(prefix)) < count:
        time.sleep(0.05)
    return keys


def test_a_job_goes_on_where_an_earlier_one_was(tasks: Tasks, store: RunningStore) -> None:
    command = f"cat {FOLDER}/deep/step; echo >> {FOLDER}/deep/step 2; echo new > {FOLDER}/other"
    store.put("checkpoints/resumed/deep/step", b"1\n")
    store.put("checkpoints/resumed-not/step", b"of another")
    seen = tasks.run("resumed", command, **configured(store, "resumed"))
    assert seen.events[-1].state == "Completed"
    assert tasks.lines("resumed") == ["1"]
    assert store.get(f"s3://{BUCKET}/checkpoints/resumed/deep/step") == b"1\n2\n"
    assert store.keys("checkpoints/resumed/") == ["checkpoints/resumed/deep/step", "checkpoints/resumed/other"]


def test_only_whole_files_reach_s3_while_the_program_runs(tasks: Tasks, store: RunningStore) -> None:
    script = f"""
import time
half = open("{FOLDER}/half", "w")
half.write("half")
half.flush()
open("{FOLDER}/whole", "w").write("whole")
print("written", flush=True)
time.sleep(600)
"""
    tasks.start("running", ["python", "-c", script], **configured(store, "running"))
    tasks.wait_for_line("running", "written")
    assert wait_for_keys(store, "checkpoints/running/", 1) == ["checkpoints/running/whole"]
    tasks.backend.stop("running")
    assert tasks.wait("running", lambda seen: seen.ended).events[-1].state == "Stopped"
    assert store.get(f"s3://{BUCKET}/checkpoints/running/half") == b"half"


@pytest.mark.parametrize(
    ("ending", "changes", "state"),
    [("exit 3", {}, "Failed"), ("exec sleep 600", {"max_runtime_seconds": 0.3}, "Stopped")],
    ids=["failed", "timed-out"],
)
def test_checkpoints_are_kept_however_the_job_ends(
    tasks: Tasks, store: RunningStore, ending: str, changes: dict[str, Any], state: str
) -> None:
    task_id = f"ends-{state.lower()}"
    seen = tasks.run(task_id, f"echo 1 > {FOLDER}/one; {ending}", **configured(store, task_id), **changes)
    assert seen.events[-1].state == state
    assert store.get(f"s3://{BUCKET}/checkpoints/{task_id}/one") == b"1\n"


def test_the_local_path_is_where_user_code_finds_them(tasks: Tasks, store: RunningStore) -> None:
    store.put("checkpoints/elsewhere/a", b"a")
    checkpoints = Checkpoints(f"s3://{BUCKET}/checkpoints/elsewhere", "/opt/ml/local/state")
    seen = tasks.run("elsewhere", "cat /opt/ml/local/state/a", s3=store.access, checkpoints=checkpoints)
    assert seen.events[-1].state == "Completed"
    assert tasks.lines("elsewhere") == ["a"]


def test_checkpoints_without_a_bucket_fail_the_job_naming_it(tasks: Tasks, store: RunningStore) -> None:
    seen = tasks.run("nowhere", "true", s3=store.access, checkpoints=Checkpoints("s3://no-such-bucket-anywhere/c"))
    reason = seen.events[-1].detail["failure_reason"]
    assert reason.startswith("ClientError: Checkpoint download failed:NoSuchBucket")
    assert "no-such-bucket-anywhere" in reason


def test_a_link_among_the_checkpoints_is_not_followed(tasks: Tasks, store: RunningStore) -> None:
    seen = tasks.run(
        "linked", f"ln -s /etc/passwd {FOLDER}/secret; echo 1 > {FOLDER}/one", **configured(store, "linked")
    )
    assert seen.events[-1].state == "Completed"
    assert store.keys("checkpoints/linked/") == ["checkpoints/linked/one"]


def test_event_files_of_tensorboard_reach_s3_while_the_program_runs_and_at_its_end(
    tasks: Tasks, store: RunningStore
) -> None:
    store.put("events/job/tensorboard-output/of-another", b"stays there")
    output = TensorBoardOutput(f"s3://{BUCKET}/events/job/tensorboard-output", "/opt/ml/output/tensorboard")
    command = "cd /opt/ml/output/tensorboard; ls; mkdir train; echo 1 > train/events.1; exec sleep 600"
    tasks.start("events", command, s3=store.access, tensorboard=output)
    written = "events/job/tensorboard-output/train/events.1"
    assert written in wait_for_keys(store, "events/job/", 2)
    tasks.backend.stop("events")
    assert tasks.wait("events", lambda seen: seen.ended).events[-1].state == "Stopped"
    assert tasks.lines("events") == []
