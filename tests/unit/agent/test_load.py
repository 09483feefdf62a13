"""A load task's payloads, and its users in front of a server."""

import asyncio
import io
import signal
import socket
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.load import MAX_PAYLOAD_BYTES, Generator, Payload, front_door, payloads_in
from sagesmith.agent.output import Output
from sagesmith.agent.report import Report
from sagesmith.agent.runtime import ShippedEnvironments
from sagesmith.agent.signals import Signals
from sagesmith.agent.task import Task
from sagesmith.agent.taskdir import TaskDir, spec_from_json, spec_to_json
from sagesmith.compute.base import Load, S3Access, TaskSpec
from sagesmith.http.messages import Request, Response
from sagesmith.http.server import serve

LOAD = Load("ep", "http://127.0.0.1:1", "s3://bucket/payload.tar.gz", ["text/csv", "application/json"], [(2, 0.3)])
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


def packed(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def damaged(content: bytes) -> bytes:
    """With nonsense where the compressed content of its file is."""
    at = len(content) // 3
    return content[:at] + b"\xff" * 200 + content[at + 200 :]


def test_each_file_is_a_request_of_the_type_that_its_name_tells_if_that_is_supported() -> None:
    content = packed(**{"a/row.csv": b"1", "b.json": b"{}", "c.png": b"x", "._row.csv": b"of a Mac"})
    assert list(payloads_in(content, LOAD)) == [
        Payload("text/csv", b"1"),
        Payload("application/json", b"{}"),
        Payload("text/csv", b"x"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1,2,3", "is not a .tar.gz archive"),
        (packed(big=bytes(MAX_PAYLOAD_BYTES + 1)), "too large for a request"),
        (packed(row=b"1" * 100)[:60], "is not a .tar.gz archive"),
        (damaged(packed(row=b" ".join(b"%d" % (each * each) for each in range(50_000)))), "is not a .tar.gz archive"),
    ],
    ids=["no archive", "too large", "torn", "damaged"],
)
def test_a_payload_that_is_none_fails_the_task(content: bytes, words: str) -> None:
    with pytest.raises(TaskFailed, match=words):
        list(payloads_in(content, LOAD))


def test_a_load_comes_back_from_a_specification_as_it_was() -> None:
    access = S3Access("http://127.0.0.1:1", "key", "secret", "us-east-1")
    spec = TaskSpec("load-1", "load", "job", "job", "arn", "", "", ["algo-1"], "algo-1", access, "/cache", load=LOAD)
    read = spec_from_json(spec_to_json(spec)).load
    assert read is not None
    assert replace(read, levels=[(users, seconds) for users, seconds in read.levels]) == LOAD


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A task takes signals, which are this process' again afterwards."""
    taken = (signal.SIGTERM, signal.SIGCHLD, signal.SIGIO, signal.SIGINT, signal.SIGHUP)
    before = {each: signal.getsignal(each) for each in taken}
    yield
    signal.set_wakeup_fd(-1)
    for each, handler in before.items():
        signal.signal(each, handler)


class Endpoint:
    """A server in the front door's place: what it was asked, and how it answers."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.asked: Counter[bytes] = Counter()
        self.signed = True
        self.at_once = self.most_at_once = 0

    async def __call__(self, request: Request) -> Response:
        headers = dict(request.headers)
        self.signed &= headers[b"authorization"].startswith(b"AWS4-HMAC-SHA256 Credential=AKIA/")
        self.asked[request.target + b" " + headers[b"content-type"]] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        return Response(self.status, [], b'{"OriginalMessage": "no such column"}')


def put_on(tmp_path: Path, endpoint: Endpoint, levels: list[tuple[int, float]]) -> list[dict[str, float]]:
    """What a generator counts in front of an endpoint."""

    async def run() -> list[dict[str, float]]:
        listening = socket.create_server(("127.0.0.1", 0))
        host, port = listening.getsockname()
        server = await serve(endpoint, listening=listening)
        load = replace(LOAD, url=f"http://{host}:{port}", levels=levels)
        try:
            return await Generator(task(tmp_path, load), load, [Payload("text/csv", b"1,2")]).run()
        finally:
            await server.close(grace_seconds=1)

    return asyncio.run(run())


def task(root: Path, load: Load) -> Task:
    access = S3Access("http://127.0.0.1:1", "key", "secret", "us-east-1")
    directory = TaskDir(root)
    spec = TaskSpec(
        "load-1",
        "load",
        "job",
        "job",
        "arn",
        "",
        "",
        ["algo-1"],
        "algo-1",
        access,
        str(root),
        environment=KEYS,
        load=load,
    )
    output = Output(directory.output, [], directory.metrics)
    return Task(spec, directory, Report(directory.report), output, Signals(), ShippedEnvironments())


def test_a_node_elsewhere_goes_where_its_door_leads(tmp_path: Path) -> None:
    load = replace(LOAD, url="http://127.0.0.1:9900")
    here = task(tmp_path, load)
    here.spec = replace(here.spec, doors=["127.0.0.1:9900", "127.0.0.1:9901"])
    assert front_door(here, load) == "http://127.0.0.1:9900"
    here.spec = replace(here.spec, doors=["127.0.0.1:9900=127.0.0.1:40123", "127.0.0.1:9901=127.0.0.1:40124"])
    assert front_door(here, load) == "http://127.0.0.1:40123"


def test_each_level_has_its_users_who_sign_what_they_ask(tmp_path: Path) -> None:
    endpoint = Endpoint()
    one, three = put_on(tmp_path, endpoint, [(1, 0.2), (3, 0.2)])
    assert (one["users"], three["users"]) == (1, 3)
    assert endpoint.most_at_once == 3
    assert 0 < one["invocations"] < three["invocations"]
    assert (one["errors"], three["errors"]) == (0, 0)
    assert list(endpoint.asked) == [b"/endpoints/ep/invocations text/csv"]
    assert endpoint.signed


def test_an_endpoint_that_does_not_take_the_payload_is_not_asked_again(tmp_path: Path) -> None:
    endpoint = Endpoint(424)
    with pytest.raises(TaskFailed, match="answered 424 to a sample payload: no such column"):
        put_on(tmp_path, endpoint, [(1, 0.2)])
    assert endpoint.asked.total() == 1
