"""Stateful sessions through the front door: their requests go to the instance that has them."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.http.messages import Handler, Headers, Request, Response
from sagesmith.routes import VariantRoute
from tests.integration.gateway.doors import Door


def instance(name: str, expires: str = "2099-01-01T00:00:00Z") -> Handler:
    """Begins, serves and closes sessions, as a stateful container does."""

    async def handler(request: Request) -> Response:
        body = await request.body.read(1000)
        session = request.header(b"x-amzn-sagemaker-session-id")
        headers: Headers = []
        if session == b"NEW_SESSION":
            headers = [(b"x-amzn-sagemaker-new-session-id", f"{name}-{body.decode()}; Expires={expires}".encode())]
        elif body == b"close" and session is not None:
            headers = [(b"x-amzn-sagemaker-closed-session-id", session)]
        return Response(200, headers, name.encode())

    return handler


def addresses(*paths: Path) -> VariantRoute:
    return VariantRoute("v", 1, [f"unix:{path}" for path in paths])


@pytest.fixture
def client(door: Door, sockets: Path) -> Any:
    for name in "abc":
        door.peer(sockets / name, instance(name))
    door.route("Chat", addresses(*(sockets / name for name in "abc")))
    return door.client("sagemaker-runtime")


def begin(client: Any, number: int) -> tuple[str, str]:
    """A new session's id, and the instance that has it."""
    answer = client.invoke_endpoint(EndpointName="Chat", Body=str(number), SessionId="NEW_SESSION")
    session, expires = answer["NewSessionId"].split("; ")
    assert expires == "Expires=2099-01-01T00:00:00Z"
    return session, answer["Body"].read().decode()


def refused(client: Any, session: str) -> bool:
    with pytest.raises(ClientError) as raised:
        client.invoke_endpoint(EndpointName="Chat", Body="1", SessionId=session)
    return bool(raised.value.response["Error"]["Code"] == "ValidationError" and session in str(raised.value))


def test_a_sessions_requests_go_to_the_instance_that_began_it_until_it_is_closed(client: Any) -> None:
    for number in range(6):
        session, begun_by = begin(client, number)
        for _ in range(4):
            answer = client.invoke_endpoint(EndpointName="Chat", Body="1", SessionId=session)
            assert answer["Body"].read().decode() == begun_by
            assert answer["InvokedProductionVariant"] == "v"
        closed = client.invoke_endpoint(EndpointName="Chat", Body="close", SessionId=session)
        assert closed["ClosedSessionId"] == session
        assert refused(client, session)


def test_a_session_is_over_with_its_instance(client: Any, door: Door, sockets: Path) -> None:
    session, begun_by = begin(client, 1)
    door.route("Chat", addresses(*(sockets / name for name in "abc" if name != begun_by)))
    assert refused(client, session)


def test_a_session_that_has_expired_or_never_was_is_not_found(door: Door, sockets: Path) -> None:
    door.peer(sockets / "old", instance("old", "2020-01-01T00:00:00Z"))
    door.route("Chat", addresses(sockets / "old"))
    client = door.client("sagemaker-runtime")
    client.invoke_endpoint(EndpointName="Chat", Body="1", SessionId="NEW_SESSION")
    assert refused(client, "old-1")
    assert refused(client, "never")
