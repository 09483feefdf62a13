"""What a router keeps of invocations for data capture."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagesmith.gateway import capturing
from sagesmith.gateway.capturing import Asked, Capturer
from sagesmith.http.messages import Response
from sagesmith.routes import CaptureRoute, EndpointRoute, VariantRoute

CAPTURE = CaptureRoute(100, "s3://bucket/prefix", True, True, ["text/csv"], ["application/json"])
ASKED = Asked("us-east-1", [(b"content-type", b"text/csv"), (b"x-amzn-sagemaker-inference-id", b"mine")], b"1,2", "e-1")
ANSWER = Response(200, [(b"content-type", b"application/json; charset=utf-8")], b'{"a": 1}')


def captured(directory: Path, capture: CaptureRoute, asked: Asked = ASKED, answer: Response = ANSWER) -> list[Any]:
    """The lines of the one file that is written."""
    capturer = Capturer(directory)
    variant = VariantRoute("V", 1.0, [], capture=capture)
    found = capturer.capture(asked, EndpointRoute("ep", "InService", [variant]), variant, answer)
    if not isinstance(found.body, bytes):

        async def read() -> bytes:
            assert not isinstance(found.body, bytes)
            return b"".join([piece async for piece in found.body])

        assert asyncio.run(read()) == b"abc"
    capturer.flush()
    files = list(directory.glob("*"))
    return [json.loads(line) for line in files[0].read_text().splitlines()] if files else []


def test_a_record_has_both_sides_and_a_file_where_it_is_to_go(tmp_path: Path) -> None:
    head, record = captured(tmp_path, CAPTURE)
    assert (head["destination"], head["endpoint"], head["variant"]) == ("s3://bucket/prefix", "ep", "V")
    assert record["captureData"] == {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2", "encoding": "CSV"},
        "endpointOutput": {
            "observedContentType": "application/json; charset=utf-8",
            "mode": "OUTPUT",
            "data": '{"a": 1}',
            "encoding": "JSON",
        },
    }
    assert record["eventMetadata"]["eventId"] == "e-1"
    assert record["eventMetadata"]["inferenceId"] == "mine"
    assert record["eventVersion"] == "0"


@pytest.mark.parametrize(("input_", "output"), [(True, False), (False, True)])
def test_one_side_alone_is_kept_if_only_it_is_wanted(tmp_path: Path, input_: bool, output: bool) -> None:
    _, record = captured(tmp_path, replace(CAPTURE, input=input_, output=output))
    assert ("endpointInput" in record["captureData"], "endpointOutput" in record["captureData"]) == (input_, output)


def test_what_is_no_text_is_encoded(tmp_path: Path) -> None:
    asked = replace(ASKED, body=b"\xff\x00")
    _, record = captured(tmp_path, CAPTURE, asked)
    side = record["captureData"]["endpointInput"]
    assert (side["encoding"], base64.b64decode(side["data"])) == ("BASE64", b"\xff\x00")


def test_a_body_that_comes_in_pieces_is_passed_on_and_kept_whole(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            yield piece

    _, record = captured(tmp_path, CAPTURE, ASKED, Response(200, [(b"content-type", b"text/csv")], pieces()))
    assert record["captureData"]["endpointOutput"]["data"] == "abc"


def test_nothing_is_kept_of_what_the_sampling_leaves_out(tmp_path: Path) -> None:
    assert captured(tmp_path, replace(CAPTURE, percentage=0)) == []


def keep(capturer: Capturer, times: int = 1) -> None:
    variant = VariantRoute("V", 1.0, [], capture=CAPTURE)
    for _ in range(times):
        capturer.capture(ASKED, EndpointRoute("ep", "InService", [variant]), variant, ANSWER)


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagesmith.gateway.capturing.MAX_WAITING_BYTES", 1000)
    capturer = Capturer(tmp_path)
    keep(capturer, 10)
    assert list(tmp_path.iterdir()) == [], "nothing is written on the way of an answer"
    capturer.flush()
    (file,) = tmp_path.iterdir()
    assert 1 < len(file.read_text().splitlines()) < 11


def test_what_a_full_disk_refuses_is_written_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    capturer = Capturer(tmp_path)
    keep(capturer)
    with monkeypatch.context() as patched:
        patched.setattr("sagesmith.gateway.capturing.append_whole", full)
        capturer.flush()
    keep(capturer)
    capturer.flush()
    (file,) = tmp_path.iterdir()
    assert len(file.read_text().splitlines()) == 3, "its head and two records"


def test_of_an_answer_too_large_to_hold_no_record_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagesmith.gateway.capturing.MAX_ANSWER_BYTES", 2)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            yield piece

    assert captured(tmp_path, CAPTURE, ASKED, Response(200, [], pieces())) == []


def test_a_full_disk_is_tried_once_a_second_however_much_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capturing, "SOON_BYTES", 1)
    (tmp_path / "captures").write_text("in the way")
    capturer = Capturer(tmp_path / "captures")
    variant = VariantRoute("V", 1.0, [], capture=CAPTURE)
    route = EndpointRoute("ep", "InService", [variant])

    async def main() -> None:
        monkeypatch.setattr(capturing, "FLUSH_SECONDS", 3600.0)
        running = asyncio.create_task(capturer.run())
        for _ in range(100):
            capturer.capture(ASKED, route, variant, ANSWER)
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())
    printed = capfd.readouterr()
    assert (printed.out + printed.err).count("could not be written") == 1
