"""InvokeEndpoint through the front door to model servers."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.http.messages import Handler, Request, Response
from sagesmith.routes import VariantRoute
from tests.integration.gateway.doors import Door


def model(answer: bytes = b"ok", status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> Handler:
    async def handler(request: Request) -> Response:
        assert (request.method, request.target) == ("POST", b"/invocations")
        await request.body.read(64 << 20)
        return Response(status, headers or [(b"content-type", b"text/plain")], answer)

    return handler


def failing(door: Door, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        door.client("sagemaker-runtime").invoke_endpoint(**{"EndpointName": "Churn", "Body": b"1", **arguments})
    return raised.value.response


def only(path: Path, name: str = "AllTraffic", weight: float = 1.0) -> VariantRoute:
    return VariantRoute(name, weight, [f"unix:{path}"])


def test_an_invocation_reaches_the_model_and_its_answer_comes_back(door: Door, sockets: Path) -> None:
    seen: list[tuple[dict[bytes, bytes], bytes]] = []

    async def handler(request: Request) -> Response:
        seen.append((dict(request.headers), await request.body.read(100)))
        headers = [(b"content-type", b"text/csv"), (b"x-amzn-sagemaker-custom-attributes", b"back"), (b"x-own", b"no")]
        return Response(200, headers, b"0.5")

    door.peer(sockets / "m", handler)
    door.route("Churn", only(sockets / "m"))
    response = door.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="CHURN", Body=b"1,2", ContentType="text/csv", Accept="text/csv", CustomAttributes="there",
        InferenceId="i-1",
    )  # fmt: skip
    assert response["Body"].read() == b"0.5"
    assert (response["ContentType"], response["InvokedProductionVariant"]) == ("text/csv", "AllTraffic")
    assert response["CustomAttributes"] == "back"
    assert "x-own" not in response["ResponseMetadata"]["HTTPHeaders"]
    headers, body = seen[0]
    assert body == b"1,2"
    assert headers[b"accept"] == headers[b"content-type"] == b"text/csv"
    assert headers[b"x-amzn-sagemaker-custom-attributes"] == b"there"
    assert headers[b"x-amzn-sagemaker-inference-id"] == b"i-1"
    assert not {b"authorization", b"x-amz-date", b"user-agent"} & headers.keys()


@pytest.mark.parametrize("status", [None, "Creating", "Failed"])
def test_an_endpoint_that_does_not_serve_is_not_found(door: Door, status: str | None) -> None:
    if status:
        door.route("Churn", status=status)
    else:
        door.route("other")
    response = failing(door)
    assert response["Error"] == {
        "Code": "ValidationError",
        "Message": "Endpoint Churn of account 123456789012 not found.",
    }
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_an_endpoint_of_another_region_is_not_found(door: Door, sockets: Path) -> None:
    door.route("Churn", only(sockets / "m"), region="eu-west-1")
    assert failing(door)["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(("status", "kind"), [(400, "client"), (415, "client"), (500, "server"), (503, "server")])
def test_what_the_model_refuses_is_a_model_error(door: Door, sockets: Path, status: int, kind: str) -> None:
    door.peer(sockets / "m", model(b"bad input", status))
    door.route("Churn", only(sockets / "m"))
    response = failing(door)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["Error"]["Code"] == "ModelError"
    assert response["Error"]["Message"] == (
        f'Received {kind} error ({status}) from primary with message "bad input". See https://us-east-1.console.aws.amazon'
        ".com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/Endpoints/Churn in account "
        "123456789012 for more information."
    )
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (status, "bad input")
    assert response["LogStreamArn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/Churn"


def test_a_model_server_that_dies_in_the_middle_is_a_model_error_without_a_status(door: Door, sockets: Path) -> None:
    async def handler(_request: Request) -> Response:
        raise asyncio.CancelledError

    door.peer(sockets / "m", handler)
    door.route("Churn", only(sockets / "m"))
    response = failing(door)
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 0)


def test_without_a_model_server_the_service_is_unavailable(door: Door, sockets: Path) -> None:
    door.route("Churn", only(sockets / "nobody"))
    response = failing(door)
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("ServiceUnavailable", 503)


def test_a_dead_model_server_is_passed_over(door: Door, sockets: Path) -> None:
    door.peer(sockets / "m", model())
    door.route("Churn", VariantRoute("v", 1, [f"unix:{sockets / 'dead'}", f"unix:{sockets / 'm'}"]))
    client = door.client("sagemaker-runtime")
    for _ in range(6):
        assert client.invoke_endpoint(EndpointName="Churn", Body=b"1")["Body"].read() == b"ok"


def test_traffic_follows_the_weights(door: Door, sockets: Path) -> None:
    door.peer(sockets / "a", model())
    door.peer(sockets / "b", model())
    door.route("Churn", only(sockets / "a", "a", 9), only(sockets / "b", "b", 1), VariantRoute("none", 90, []))
    client = door.client("sagemaker-runtime")
    seen = Counter(
        client.invoke_endpoint(EndpointName="Churn", Body=b"1")["InvokedProductionVariant"] for _ in range(300)
    )
    assert set(seen) == {"a", "b"}
    assert 230 < seen["a"] < 295


def test_a_request_may_name_its_variant(door: Door, sockets: Path) -> None:
    door.peer(sockets / "a", model())
    door.peer(sockets / "b", model())
    door.route("Churn", only(sockets / "a", "a", 1), only(sockets / "b", "b", 0))
    client = door.client("sagemaker-runtime")
    for name in "ab":
        answer = client.invoke_endpoint(EndpointName="Churn", Body=b"1", TargetVariant=name)
        assert answer["InvokedProductionVariant"] == name
    response = failing(door, TargetVariant="c")
    assert response["Error"]["Code"] == "ValidationError"
    assert "Variant c" in response["Error"]["Message"]


def test_six_megabytes_pass_and_a_byte_more_is_too_large(door: Door, sockets: Path) -> None:
    door.peer(sockets / "m", model())
    door.route("Churn", only(sockets / "m"))
    answer = door.client("sagemaker-runtime").invoke_endpoint(EndpointName="Churn", Body=bytes(6_291_456))
    assert answer["Body"].read() == b"ok"
    response = failing(door, Body=bytes(6_291_457))
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert "exceeded 6291456 bytes" in response["Error"]["Message"]


def test_large_answers_stream_through(door: Door, sockets: Path) -> None:
    door.peer(sockets / "m", model(bytes(20_000_000)))
    door.route("Churn", only(sockets / "m"))
    answer = door.client("sagemaker-runtime").invoke_endpoint(EndpointName="Churn", Body=b"")
    assert len(answer["Body"].read()) == 20_000_000


def test_attributes_that_are_too_long_are_refused(door: Door) -> None:
    response = failing(door, CustomAttributes="x" * 1025)
    assert response["Error"]["Code"] == "ValidationError"
    assert "'customAttributes' failed to satisfy constraint" in response["Error"]["Message"]


def test_explanations_are_for_endpoints_with_an_explainer(door: Door, sockets: Path) -> None:
    door.peer(sockets / "m", model())
    door.route("Churn", only(sockets / "m"))
    response = failing(door, EnableExplanations="`true`")
    assert response["Error"]["Code"] == "ValidationError"
    assert "only for an endpoint that has an ExplainerConfig" in response["Error"]["Message"]


def test_names_that_are_none_are_refused_in_awss_words(door: Door) -> None:
    response = failing(door, TargetVariant="-a", SessionId="no session")
    assert response["Error"]["Code"] == "ValidationError"
    assert response["Error"]["Message"].startswith("2 validation errors detected: Value at 'targetVariant'")


def test_a_model_server_whose_queue_is_full_is_passed_over_and_then_the_service_is_unavailable(
    door: Door, sockets: Path
) -> None:
    door.peer(sockets / "full", model(b"", 503, [(b"x-sagesmith-busy", b"1")]))
    door.peer(sockets / "m", model())
    door.route("Churn", VariantRoute("v", 1, [f"unix:{sockets / 'full'}", f"unix:{sockets / 'm'}"]))
    client = door.client("sagemaker-runtime")
    for _ in range(6):
        assert client.invoke_endpoint(EndpointName="Churn", Body=b"1")["Body"].read() == b"ok"
    door.route("Churn", only(sockets / "full"))
    response = failing(door)
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("ServiceUnavailable", 503)
