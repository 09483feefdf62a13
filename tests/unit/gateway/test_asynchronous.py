"""What InvokeEndpointAsync asks for, and the queue that its requests wait in."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from sagesmith.config import Platform
from sagesmith.gateway.asynchronous import asking, front
from sagesmith.gateway.asynchronous.backlog import Backlog
from sagesmith.gateway.asynchronous.objects import Place, PlaceInvalid, parse_place
from sagesmith.gateway.asynchronous.records import Entry, Record, Records
from sagesmith.gateway.asynchronous.worker import Worker
from sagesmith.http.messages import Headers
from sagesmith.routes import AsyncRoute, EndpointRoute, Routes, RoutesFile, VariantRoute, write_routes
from sagesmith.wire.errors import AwsError

INPUT = (b"x-amzn-sagemaker-inputlocation", b"s3://b/k")
QUEUE = ("us-east-1", "churn")


def entry(received_ms: int, expires_ms: int = 10**13, identity: str = "1-2") -> Entry:
    return Entry(received_ms, expires_ms, identity)


def record(which: Entry) -> Record:
    return Record(
        entry=which,
        region="us-east-1",
        account_id="123456789012",
        request_id="r",
        endpoint="Churn",
        endpoint_made_at=1.5,
        inference_id="i",
        headers=[("content-type", "text/csv")],
        input=None,
        output="s3://b/o.out",
        failure=None,
        kms_key_id=None,
        timeout_seconds=900,
        topics={},
        included_in=[],
    )


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://bucket/a/b?c#d", Place("bucket", "a/b?c#d")),
        ("s3://bucket", Place("bucket", "")),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a/b", Place("bucket", "a/b")),
        ("https://s3.us-east-1.amazonaws.com/bucket/a/b", Place("bucket", "a/b")),
    ],
)
def test_a_place_in_s3_has_several_spellings(uri: str, place: Place) -> None:
    assert parse_place(uri) == place


@pytest.mark.parametrize(
    "uri", ["https://example.com/b/k", "s3:///k", "file:///etc/passwd", "s3://sagesmith-internal-1/k"]
)
def test_what_is_no_place_of_a_users_is_refused(uri: str) -> None:
    with pytest.raises(PlaceInvalid):
        parse_place(uri)


def test_an_object_under_a_prefix_has_single_slashes() -> None:
    assert parse_place("s3://b/out/").under("/a/b/", "x.out").uri == "s3://b/out/a/b/x.out"
    assert parse_place("s3://b").under("", "x.out").uri == "s3://b/x.out"


def test_a_request_has_awss_defaults_and_passes_on_what_the_model_is_to_see() -> None:
    headers: Headers = [
        INPUT,
        (b"x-amzn-sagemaker-content-type", b"text/csv"),
        (b"content-type", b"binary/octet-stream"),
        (b"x-amzn-sagemaker-inference-id", b"mine"),
    ]
    asked = asking.read(headers, b"")
    assert (asked.ttl_seconds, asked.timeout_seconds) == (21_600, 900)
    assert asked.headers == [(b"content-type", b"text/csv"), (b"x-amzn-sagemaker-inference-id", b"mine")]
    assert asked.input == Place("b", "k")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("requestttlseconds", "59", "'requestTTLSeconds' failed to satisfy constraint: Member must have value greater"),
        ("requestttlseconds", "21601", "Member must have value less than or equal to 21600"),
        ("invocationtimeoutseconds", "3601", "Member must have value less than or equal to 3600"),
        ("invocationtimeoutseconds", "x", "'invocationTimeoutSeconds'"),
        ("inference-id", "x" * 65, "'inferenceId' failed to satisfy constraint: Member must have length less"),
        ("filename", "a.b.c", "'filename' failed to satisfy constraint: Member must satisfy regular expression"),
        ("filename", "../x", "'filename'"),
        ("s3outputpathextension", "s3://other/x", "'s3OutputPathExtension'"),
        ("s3outputpathextension", "a/../../b", "segments"),
        ("inputlocation", "ftp://b/k", "'inputLocation'"),
    ],
)
def test_a_member_that_is_wrong_is_refused_in_awss_words(name: str, value: str, said: str) -> None:
    header = (f"x-amzn-sagemaker-{name}".encode(), value.encode())
    with pytest.raises(AwsError) as raised:
        asking.read([INPUT, header], b"")
    assert raised.value.code == "ValidationError"
    assert said in raised.value.message


@pytest.mark.parametrize(("headers", "body"), [([], b""), ([INPUT], b"x")])
def test_there_is_exactly_one_input(headers: Headers, body: bytes) -> None:
    with pytest.raises(AwsError, match="Provide exactly one of them"):
        asking.read(headers, body)


def test_an_inline_input_has_128_000_bytes_and_no_more() -> None:
    assert asking.read([], bytes(128_000)).input is None
    with pytest.raises(AwsError, match="128000"):
        asking.read([], bytes(128_001))


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    records = Records(tmp_path / "async" / "queue")
    written = record(entry(5))
    records.write(written, b"a\nb")
    assert list(records.found({})) == [(QUEUE, [written.entry])]
    assert records.read(QUEUE, written.entry) == (written, b"a\nb")
    records.remove(QUEUE, written.entry)
    assert list(records.found({})) == [(QUEUE, [])]


def test_what_was_never_written_whole_is_no_record_and_goes_in_the_end(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(record(entry(5)), b"")
    folder = tmp_path / "us-east-1" / "churn"
    half = folder / f"{entry(6).name}.tmp"
    half.write_bytes(b"{")
    assert list(records.found({})) == [(QUEUE, [entry(5)])]
    assert half.exists()
    os.utime(half, (time.time() - 3600,) * 2)
    list(records.found({}))
    assert not half.exists()


def test_a_damaged_record_is_set_aside(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(record(entry(5)), b"")
    (tmp_path / "us-east-1" / "churn" / entry(5).name).write_bytes(b"no json\n")
    with pytest.raises(ValueError, match=r"."):
        records.read(QUEUE, entry(5))
    records.set_aside(QUEUE, entry(5))
    assert list(records.found({})) == [(QUEUE, [])]


def test_the_oldest_request_is_the_next_also_when_it_was_put_back() -> None:
    backlog = Backlog()
    for received in (3, 1, 2):
        backlog.add(entry(received))
    first = backlog.take()
    assert first == entry(1)
    backlog.put_back(first)
    backlog.add(first)
    assert [backlog.take() for _ in range(4)] == [entry(1), entry(2), entry(3), None]
    assert len(backlog.known) == 3


def test_a_request_expires_while_it_waits_and_not_when_it_was_begun() -> None:
    backlog = Backlog()
    for received, expires in ((1, 100), (2, 50), (3, 200)):
        backlog.add(entry(received, expires))
    assert backlog.take() == entry(1, 100)
    assert [backlog.take_expired(150) for _ in range(2)] == [entry(2, 50), None]
    assert backlog.take() == entry(3, 200)
    backlog.put_back(entry(1, 100))
    assert backlog.take_expired(150) == entry(1, 100)


def test_what_is_done_takes_no_place_until_it_would_have_expired() -> None:
    backlog = Backlog()
    waiting = entry(0, expires_ms=10, identity="waits")
    backlog.add(waiting)
    for number in range(1, 20_000):
        done = entry(number, identity=str(number))
        backlog.add(done)
        backlog.forget(done)
    assert len(backlog._expiring) < 2_000
    assert backlog.take_expired(20) == waiting


def prepared(folder: Path) -> tuple[Platform, Routes, EndpointRoute]:
    """A data directory, and a table of routes of an endpoint that has no model server."""
    platform = Platform(
        str(folder), "127.0.0.1", 1, 2, 0, "123456789012", "us-east-1", "sqlite://", "http://127.0.0.1:9", "a", "b",
        str(folder), 1,
    )  # fmt: skip
    route = EndpointRoute(
        "Churn", "InService", [VariantRoute("v", 1, [])], asynchronous=AsyncRoute(1.5, 1, "s3://o", "")
    )
    platform.dir.routes_file.parent.mkdir(parents=True)
    platform.dir.sockets.mkdir(parents=True, exist_ok=True)
    return platform, {"us-east-1": {"churn": route}}, route


def test_a_request_waits_for_its_endpoint_until_the_table_of_routes_says_that_it_is_gone(tmp_path: Path) -> None:
    platform, routes, _ = prepared(tmp_path)
    records, waiting = Records(platform.dir.asynchronous), record(entry(10))
    records.write(waiting, b"")

    async def main() -> None:
        worker = Worker(platform, records, RoutesFile(platform.dir.routes_file))
        worker.add(QUEUE, waiting.entry)
        for table in (None, routes):
            if table is not None:
                write_routes(platform.dir.routes_file, table)
            worker._begin_what_can()
            assert not worker._tasks
        write_routes(platform.dir.routes_file, {"us-east-1": {}})
        worker._begin_what_can()
        await asyncio.gather(*worker._tasks)
        assert not worker._queues[QUEUE].known

    asyncio.run(main())
    assert not [each for _, entries in records.found({}) for each in entries]


def test_a_router_that_could_not_prepare_the_queue_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the disk is full as the first endpoint of the kind is made."""
    monkeypatch.setattr(front, "LOOK_SECONDS", 0.01)
    platform, routes, route = prepared(tmp_path)
    write_routes(platform.dir.routes_file, routes)
    platform.dir.asynchronous.write_text("in the way")

    async def main() -> None:
        found = front.AsyncFront(platform, RoutesFile(platform.dir.routes_file), lambda *_: route)
        running = asyncio.create_task(found.run())
        await asyncio.sleep(0.05)
        platform.dir.asynchronous.unlink()
        async with asyncio.timeout(20):
            while found._worker is None:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())
