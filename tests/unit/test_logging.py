"""What a line of the log looks like, whoever wrote it."""

import json
import logging as standard
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from sagesmith import logging


def only_line(capfd: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capfd.readouterr().err)


def test_an_event_is_one_json_line_with_its_time_in_utc(capfd: pytest.CaptureFixture[str]) -> None:
    logging.get("router").info("ready", port=9900, name="x", nothing=None)
    line = only_line(capfd)
    assert str(line.pop("time")).endswith("Z")
    assert line == {"level": "info", "process": "router", "event": "ready", "port": 9900, "name": "x"}


def test_what_is_called_a_secret_is_not_written(capfd: pytest.CaptureFixture[str]) -> None:
    logging.get("router").info("x", secret_access_key="s3cr3t", SessionToken="t0k3n", authorization="a")
    assert only_line(capfd).items() >= {"secret_access_key": "***", "SessionToken": "***"}.items()


def test_an_exception_brings_its_traceback_in_the_same_line(capfd: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        logging.get("router").exception("failed", name="x")
    assert "ValueError: boom" in str(only_line(capfd)["traceback"])


def test_a_line_break_or_an_undecodable_name_does_not_break_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    logging.get("router").info("x", path="a\nb\udcff", size=1 << 80, what={1, 2})
    assert only_line(capfd)["path"] == "a\nb\udcff"


def test_the_standard_librarys_records_look_the_same() -> None:
    program = (
        "import logging; from sagesmith import logging as ours; ours.capture_standard_logging();"
        "logging.getLogger('sagesmith.gateway.s3').info('s3 %s', 'Put', extra={'fields': {'status': 200}});"
        "logging.getLogger('other').info('chatter')"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    line = json.loads(output)
    assert (line["process"], line["event"], line["status"]) == ("gateway.s3", "s3 Put", 200)
    assert standard.getLogger("other").level == standard.NOTSET


def test_what_is_logged_in_one_turn_of_a_loop_is_written_at_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    due: list[Callable[[], None]] = []
    logging.batch(due.append)
    try:
        for name in ("a", "b"):
            logging.get("router").info("x", name=name)
        other = threading.Thread(target=logging.get("router").info, args=("x",), kwargs={"name": "of another thread"})
        other.start()
        other.join()
        assert only_line(capfd)["name"] == "of another thread"
        assert len(due) == 1
        due.pop()()
        assert [json.loads(line)["name"] for line in capfd.readouterr().err.splitlines()] == ["a", "b"]
        logging.get("router").info("last")
    finally:
        logging.unbatch()
    assert only_line(capfd)["event"] == "last"
