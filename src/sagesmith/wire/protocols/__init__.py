"""AWS's protocols: how an operation's input and output stand in an HTTP message. Knows shapes, but no service."""

import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from sagesmith.http.messages import Headers, Response
from sagesmith.wire.errors import AwsError

if TYPE_CHECKING:
    from sagesmith.wire.models import Operation

_QUERY_SERVICES = frozenset({"iam", "sts"})


class Protocol(Enum):
    """Valued as botocore's models name them."""

    JSON = "json"
    REST_JSON = "rest-json"
    QUERY = "query"
    CBOR = "smithy-rpc-v2-cbor"


@dataclass(frozen=True, slots=True)
class Call:
    """The parts of a request that carry an operation's input. `labels` are the raw values that the path's template
    matched, by member name (REST-JSON only)."""

    target: bytes
    headers: Headers
    body: bytes
    labels: dict[str, str] = field(default_factory=dict)

    def header(self, name: bytes) -> bytes | None:
        return find_header(self.headers, name)


class Codec(typing.Protocol):
    """One protocol with one service's model. What it returns is called once a request, from many threads."""

    def parser(self, operation: "Operation") -> Callable[[Call], dict[str, Any]]:
        """A function that reads the operation's input, and raises `AwsError` for what does not fit its shape."""
        ...

    def serializer(self, operation: "Operation") -> Callable[[dict[str, Any], str], Response]:
        """A function that makes the answer from the operation's output and the request id."""
        ...

    def error(self, error: AwsError, request_id: str) -> Response:
        """The answer that tells of an error."""
        ...


def find_header(headers: Headers, name: bytes) -> bytes | None:
    for key, value in headers:
        if key == name:
            return value
    return None


def protocol_of(signing_name: str, target: bytes, headers: Headers) -> Protocol:
    """The protocol of a request as its form shows it, without a look at the service's model.

    Args:
        signing_name: the service in the signature's scope, empty if the request is unsigned.
    """
    if find_header(headers, b"smithy-protocol") == b"rpc-v2-cbor":
        return Protocol.CBOR
    if find_header(headers, b"x-amz-target") is not None:
        return Protocol.JSON
    content_type = find_header(headers, b"content-type") or b""
    if (
        signing_name in _QUERY_SERVICES
        or content_type.startswith(b"application/x-www-form-urlencoded")
        or b"Action=" in target.partition(b"?")[2]
    ):
        return Protocol.QUERY
    return Protocol.REST_JSON
