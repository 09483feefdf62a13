"""boto3 clients whose transport is a dispatcher: botocore serialises, signs and parses, nothing listens anywhere."""

import io
import uuid
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from sagesmith.credentials import Principal
from sagesmith.http.messages import Headers
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import RequestContext

ACCOUNT = "123456789012"
REGION = "us-east-1"
ENDPOINT = "http://127.0.0.1:9900"
CALLER = Principal(
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/SageMakerExecutionRole/sagesmith",
    account_id=ACCOUNT,
    access_key_id="AKIAEXAMPLE",
    user_id="AROAEXAMPLE:sagesmith",
)


def request_context(service: str, principal: Principal = CALLER, region: str = REGION) -> RequestContext:
    return RequestContext(str(uuid.uuid4()), service, "", region, principal, "127.0.0.1")


def client_for(
    service: str, dispatcher: Dispatcher, *, principal: Principal = CALLER, region: str = REGION, checked: bool = False
) -> Any:
    """A client of `service`; `checked` lets botocore refuse bad parameters before they are sent."""
    client = boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(parameter_validation=checked, retries={"max_attempts": 0}),
    )

    def send(request: Any, **_: Any) -> AWSResponse:
        context = request_context(client.meta.service_model.signing_name, principal, region)
        body = request.body or b""
        answer = dispatcher.dispatch(
            context,
            request.method,
            request.url.removeprefix(ENDPOINT).encode(),
            wire_headers(request.headers),
            body.encode() if isinstance(body, str) else bytes(body),
        )
        assert isinstance(answer.body, bytes) and answer.close is not None
        answer.close()
        return AWSResponse(
            request.url,
            answer.status,
            {key.decode(): value.decode() for key, value in answer.headers},
            _Raw(answer.body),
        )

    client.meta.events.register("before-send.*", send)
    return client


def wire_headers(headers: Any) -> Headers:
    """A botocore request's headers as our HTTP server hands them on."""
    return [
        (key.lower().encode(), value if isinstance(value, bytes) else str(value).encode())
        for key, value in headers.items()
    ]


class _Raw(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.read()
