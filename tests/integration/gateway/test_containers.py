"""Invocations of models with several containers, through the front door to model servers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.http.messages import Handler, Request, Response
from sagesmith.routes import VariantRoute
from tests.integration.gateway.doors import Door

Seen = list[tuple[str, dict[bytes, bytes], bytes]]


def container(name: str, seen: Seen, *headers: tuple[bytes, bytes]) -> Handler:
    """One that adds its name to what it gets, and notes that."""

    async def handler(request: Request) -> Response:
        body = await request.body.read(8 << 20)
        seen.append((name, dict(request.headers), body))
        return Response(200, [(b"content-type", b"text/" + name.encode()), *headers], body + name.encode())

    return handler


def instance(sockets: Path, name: str) -> Path:
    """The directory of an instance's sockets."""
    for number in ("1", "2"):
        (sockets / name / number).mkdir(parents=True, exist_ok=True)
    return sockets / name


def serve(door: Door, directory: Path, *handlers: Handler) -> None:
    for number, handler in enumerate(handlers, 1):
        door.peer(directory / str(number) / "http.sock", handler)


def route(*instances: Path, direct: bool = False) -> VariantRoute:
    addresses = [f"unix:{each}/1/http.sock" for each in instances]
    return VariantRoute("v", 1.0, addresses, containers=["first", "second"], direct=direct)


def ask(door: Door, body: bytes = b"0", **members: Any) -> Any:
    return door.client("sagemaker-runtime").invoke_endpoint(EndpointName="Churn", Body=body, **members)


def refused(door: Door, **members: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        ask(door, **members)
    return raised.value.response


def test_an_answer_goes_on_with_its_type_and_the_last_container_hears_what_is_accepted(
    door: Door, sockets: Path
) -> None:
    seen: Seen = []
    serve(door, one := instance(sockets, "i"), container("a", seen), container("b", seen))
    door.route("Churn", route(one))
    answer = ask(door, ContentType="text/csv", Accept="text/plain", CustomAttributes="c", InferenceId="i-1")
    assert (answer["Body"].read(), answer["ContentType"]) == (b"0ab", "text/b")
    (_, first, _), (_, second, body) = seen
    assert (first[b"content-type"], second[b"content-type"], body) == (b"text/csv", b"text/a", b"0a")
    assert (first.get(b"accept"), second[b"accept"]) == (None, b"text/plain")
    assert first[b"x-amzn-sagemaker-custom-attributes"] == second[b"x-amzn-sagemaker-custom-attributes"] == b"c"
    assert first[b"x-amzn-sagemaker-inference-id"] == second[b"x-amzn-sagemaker-inference-id"] == b"i-1"


def test_custom_attributes_of_a_container_go_to_the_next(door: Door, sockets: Path) -> None:
    seen: Seen = []
    attributes = b"x-amzn-sagemaker-custom-attributes"
    serve(door, one := instance(sockets, "i"), container("a", seen, (attributes, b"own")), container("b", seen))
    door.route("Churn", route(one))
    answer = ask(door, CustomAttributes="c")
    assert seen[1][1][attributes] == b"own"
    assert "CustomAttributes" not in answer


def test_a_container_that_is_gone_is_taken_from_another_instance(door: Door, sockets: Path) -> None:
    seen: Seen = []
    one, other = instance(sockets, "i"), instance(sockets, "j")
    serve(door, one, container("a", seen))
    serve(door, other, container("a", seen), container("b", seen))
    door.route("Churn", route(one, other))
    assert {ask(door)["Body"].read() for _ in range(12)} == {b"0ab"}
    assert len(seen) == 24, "no container is asked twice for one request"


def test_without_any_such_container_the_service_is_unavailable(door: Door, sockets: Path) -> None:
    serve(door, one := instance(sockets, "i"), container("a", []))
    door.route("Churn", route(one))
    response = refused(door)
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("ServiceUnavailable", 503)


def test_a_container_that_breaks_off_is_named(door: Door, sockets: Path) -> None:
    async def handler(_request: Request) -> Response:
        raise asyncio.CancelledError

    serve(door, one := instance(sockets, "i"), container("a", []), handler)
    door.route("Churn", route(one))
    response = refused(door)
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 0)
    assert "The connection to container second was closed before it answered" in response["Error"]["Message"]


def test_the_named_container_is_asked_on_an_instance_that_has_it(door: Door, sockets: Path) -> None:
    seen: Seen = []
    one, other = instance(sockets, "i"), instance(sockets, "j")
    serve(door, one, container("a", seen))
    serve(door, other, container("a", seen), container("b", seen))
    door.route("Churn", route(one, other, direct=True))
    for _ in range(8):
        assert ask(door, TargetContainerHostname="second", Accept="text/plain")["Body"].read() == b"0b"
    assert {name for name, _, _ in seen} == {"b"}
    assert seen[0][1][b"accept"] == b"text/plain"


def test_a_stream_is_the_last_containers(door: Door, sockets: Path) -> None:
    serve(door, one := instance(sockets, "i"), container("a", []), container("b", []))
    door.route("Churn", route(one))
    runtime = door.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName="Churn", Body=b"0")
    assert b"".join(each["PayloadPart"]["Bytes"] for each in answer["Body"]) == b"0ab"
    assert answer["ContentType"] == "text/b"
