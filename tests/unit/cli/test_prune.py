"""What is removed: by `sagesmith prune` once, and by a platform's settings."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.cli import main
from sagesmith.config import DataDir, Platform
from sagesmith.platform.retention import keep
from sagesmith.store import Document, LogEvent, Store

DAY = 86_400.0
REGION = "us-east-1"
GROUP = "/aws/sagemaker/TrainingJobs"


def job(name: str, status: str, days_ago: float) -> Document:
    then = time.time() - days_ago * DAY
    arn = f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{name}"
    return Document("training-job", REGION, name, name, arn, {}, status=status, created_at=then, updated_at=then)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    url = f"sqlite:///{DataDir(tmp_path).database}"
    s3 = ("http://127.0.0.1:1", "a", "b")
    Platform(str(tmp_path), "127.0.0.1", 1, 2, 3, "123456789012", REGION, url, *s3, str(tmp_path), 1).save()
    store = Store.open(url)
    with store.write() as tx:
        for document in (
            job("old", "Completed", 40),
            job("old-failure", "Failed", 31),
            job("recent", "Completed", 2),
            job("running", "InProgress", 40),
        ):
            tx.create(document)
    return store


def test_other_jobs_are_removed_with_them(store: Store, tmp_path: Path) -> None:
    with store.write() as tx:
        for document in (job("old", "Stopped", 40), job("running", "Stopping", 40)):
            tx.create(replace(document, kind="processing-job", arn=document.arn.replace("training", "processing")))
    assert main(["prune", "--data", str(tmp_path)]) == 0
    with store.read() as tx:
        assert tx.get("processing-job", REGION, "old") is None
        assert tx.get("processing-job", REGION, "running") is not None


def names(store: Store) -> set[str]:
    found = ("old", "old-failure", "recent", "running")
    with store.read() as tx:
        return {name for name in found if tx.get("training-job", REGION, name)}


def test_training_jobs_that_ended_long_ago_are_removed_and_no_others(store: Store, tmp_path: Path) -> None:
    assert main(["prune", "--data", str(tmp_path)]) == 0
    assert names(store) == {"recent", "running"}


def test_how_old_they_must_be_can_be_said(store: Store, tmp_path: Path) -> None:
    assert main(["prune", "--data", str(tmp_path), "--older-than-days", "35"]) == 0
    assert names(store) == {"old-failure", "recent", "running"}


def test_old_log_events_are_removed_and_their_groups_stay(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = int((time.time() - 40 * DAY) * 1000)
    lines = [LogEvent(old + number, "x" * 1000) for number in range(5000)]
    with store.write() as tx:
        tx.append_log(REGION, GROUP, "old/algo-1", lines)
        tx.append_log(REGION, GROUP, "old/algo-1", [LogEvent(int(time.time() * 1000), "recent")])
    assert main(["prune", "--data", str(tmp_path)]) == 0
    assert " 0 chunks" not in capsys.readouterr().out
    with store.read() as tx:
        left = tx.read_log(REGION, GROUP, "old/algo-1").events()
    assert left[-1].message == "recent"
    assert len(left) < len(lines)


@pytest.mark.parametrize(("keep_days", "left"), [(35, {"old-failure", "recent", "running"}), (None, None)])
def test_a_platform_that_runs_keeps_what_it_is_told_to(
    store: Store, tmp_path: Path, keep_days: int | None, left: set[str] | None
) -> None:
    before = names(store)
    keep(replace(Platform.load(tmp_path), keep_days=keep_days), store)
    assert names(store) == (left or before)


def test_a_platform_that_runs_removes_what_is_past_the_retention_of_its_group(store: Store, tmp_path: Path) -> None:
    old, recent = (int((time.time() - days * DAY) * 1000) for days in (8, 6))
    with store.write() as tx:
        for group in (GROUP, "/kept"):
            for stream, at in (("old", old), ("recent", recent)):
                tx.append_log(REGION, group, stream, [LogEvent(at, "line")])
        tx.set_log_retention(REGION, GROUP, 7)
    keep(Platform.load(tmp_path), store)
    with store.read() as tx:
        left = {
            (each, s): len(tx.read_log(REGION, each, s).events())
            for each in (GROUP, "/kept")
            for s in ("old", "recent")
        }
    assert left == {(GROUP, "old"): 0, (GROUP, "recent"): 1, ("/kept", "old"): 1, ("/kept", "recent"): 1}
