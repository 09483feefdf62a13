"""The bucket in which agents leave what they told, in a real store."""

from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.agent.handover import Handover, Piece
from sagesmith.agent.s3 import S3
from sagesmith.agent.taskdir import event_to_json
from sagesmith.compute.base import TaskEvent
from sagesmith.compute.ray.ends import Ends
from sagesmith.compute.ray.records import Record, has_ended
from tests.integration.agent.conftest import RunningStore


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_bucket_is_made_and_what_is_left_there_is_found(store: RunningStore, tmp_path: Path, region: str) -> None:
    access = replace(store.access, region=region)
    ends = Ends(access, f"sagesmith-internal-ends-{region}", "platform")
    for _ in range(2):
        ends.prepare()
    report = event_to_json(TaskEvent(1, 1.0, "Completed")).encode() + b"\n"
    told = Handover(Piece(0, report), Piece(0, b""), Piece(0, b""))
    S3(access).put(ends.bucket, f"ends/platform/{tmp_path.name}", told.to_json())
    ends.recall(Record(tmp_path))
    assert has_ended(Record(tmp_path))
    ends.sweep(list)
    keys = store.client().list_objects_v2(Bucket=ends.bucket).get("Contents", [])
    assert keys == []


def test_a_bucket_that_lets_nobody_in_is_said_to_be_useless(store: RunningStore) -> None:
    ends = Ends(replace(store.access, secret_access_key="another"), "sagesmith-internal-of-others", "platform")
    with pytest.raises(OSError, match="s3://sagesmith-internal-of-others cannot be used: SignatureDoesNotMatch"):
        ends.prepare()
