"""`sagesmith events`."""

import json
from pathlib import Path

import pytest

from sagesmith.cli import main
from sagesmith.config import DataDir, Platform
from sagesmith.store import Store

REGION = "us-east-1"
EVENT = {
    "id": "1",
    "detail-type": "SageMaker Endpoint State Change",
    "time": "2026-01-02T03:04:05Z",
    "region": REGION,
    "resources": [f"arn:aws:sagemaker:{REGION}:123456789012:endpoint/e"],
    "detail": {"EndpointName": "e", "EndpointStatus": "IN_SERVICE"},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    url = f"sqlite:///{DataDir(tmp_path).database}"
    s3 = ("http://127.0.0.1:1", "a", "b")
    Platform(str(tmp_path), "127.0.0.1", 1, 2, 3, "123456789012", REGION, url, *s3, str(tmp_path), 1).save()
    store = Store.open(url)
    with store.write() as tx:
        for number in range(150):
            tx.put_event(REGION, {**EVENT, "id": str(number)})
    store.close()
    return tmp_path


def test_events_are_shown_a_line_each(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2026-01-02T03:04:05Z  us-east-1  SageMaker Endpoint State Change  endpoint/e  IN_SERVICE"
    assert len(lines) == 150


def test_programs_get_them_whole_and_in_order(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--json", "--data", str(data)]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["id"] for each in shown] == [str(number) for number in range(150)]
    assert shown[0] == {**EVENT, "id": "0"}


def test_where_no_platform_was_started_there_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--data", str(tmp_path)]) == 1
    assert "No platform was started" in capsys.readouterr().err
