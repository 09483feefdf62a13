"""What an operation knows of the request that called it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from sagesmith.credentials import Principal

Params = dict[str, Any]

CONTEXT_HEADER = b"x-sagesmith-context"
"""By which a router tells the API process what it verified. A client's own headers of that prefix are dropped."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One verified request.

    Attributes:
        request_id: UUID, answered as `x-amzn-RequestId` and written to the log.
        service: botocore's service name, such as `sagemaker` or `sagemaker-runtime`.
        operation: the operation's name, empty until the wire layer has found it.
        region: of the signature's scope.
        principal: who signed.
        source_ip: the client's address.
        user_agent: as the client names itself, empty if it does not.
        origin: scheme and host by which a client on another machine reached the platform; empty for others.
    """

    request_id: str
    service: str
    operation: str
    region: str
    principal: Principal
    source_ip: str
    user_agent: str = ""
    origin: str = ""

    @property
    def account_id(self) -> str:
        return self.principal.account_id

    def of(self, service: str, operation: str) -> "RequestContext":
        """The same request, its service and operation being found."""
        return RequestContext(
            self.request_id,
            service,
            operation,
            self.region,
            self.principal,
            self.source_ip,
            self.user_agent,
            self.origin,
        )

    def to_header(self) -> bytes:
        """The value of `CONTEXT_HEADER`."""
        return orjson.dumps(self)

    @classmethod
    def from_header(cls, value: bytes) -> "RequestContext":
        fields = orjson.loads(value)
        fields["principal"] = Principal(**fields["principal"])
        return cls(**fields)


Handler = Callable[[RequestContext, Params], Params]
"""One operation: takes the parsed and validated input, returns the output's members. Runs in a worker
thread, may block.

Timestamps are seconds since the epoch (float) in both; blobs are bytes. Members that are None are left out, lists too;
list members of the output shape that are missing are sent as empty lists by the serializer. In a service that speaks
JSON alone a list of structures may be an `orjson.Fragment`, which is sent as it is.
"""
