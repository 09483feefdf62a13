"""S3's errors: its own codes, its own XML.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from html import unescape
from xml.sax.saxutils import escape

from sagesmith.http.messages import Headers, Response

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ELEMENT = re.compile(r"<(\w+)>([^<]*)</\1>")
_OWN = frozenset({"Code", "Message", "RequestId", "HostId"})


class S3Error(Exception):
    """An error as an S3 client sees it.

    Args:
        code: S3's error code.
        message: S3's wording.
        status: the HTTP status.
        members: further elements of the error's XML.
    """

    def __init__(self, code: str, message: str, status: int, members: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})


def access_denied(message: str = "Access Denied", members: Mapping[str, str] | None = None) -> S3Error:
    return S3Error("AccessDenied", message, 403, members)


def unavailable() -> S3Error:
    """The store is away. Clients try again by themselves."""
    return S3Error("ServiceUnavailable", "Service is unable to handle request.", 503)


def invalid_argument(message: str, name: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", message, 400, {"ArgumentName": name, "ArgumentValue": value})


def not_implemented(what: str) -> S3Error:
    return S3Error("NotImplemented", f"{what} is not built in this version of Sagesmith.", 501)


def error_response(error: S3Error, method: str, request_id: str, resource: str = "") -> Response:
    """The answer that tells of `error`; one to HEAD has no body, as HTTP wants it."""
    headers: Headers = request_headers(request_id)
    if method == "HEAD":
        return Response(error.status, headers)
    members = {"Code": error.code, "Message": error.message, **error.members}
    if resource:
        members.setdefault("Resource", resource)
    members |= {"RequestId": request_id, "HostId": host_id(request_id)}
    elements = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in members.items())
    headers.append((b"content-type", b"application/xml"))
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'
    return Response(error.status, headers, body.encode())


def parse_error(xml: bytes, status: int) -> S3Error | None:
    """The error in the store's own XML, None if there is none."""
    text = xml.decode("utf-8", "replace")
    if "<Error>" not in text:
        return None
    elements = {name: unescape(value) for name, value in _ELEMENT.findall(text)}
    members = {name: value for name, value in elements.items() if name not in _OWN}
    return S3Error(elements.get("Code", "InternalError"), elements.get("Message", ""), status, members)


def request_headers(request_id: str) -> Headers:
    """What every answer of S3 bears."""
    return [
        (b"x-amz-request-id", request_id.encode()),
        (b"x-amz-id-2", host_id(request_id).encode()),
        (b"server", b"AmazonS3"),
    ]


def host_id(request_id: str) -> str:
    """`x-amz-id-2`: at AWS it names the host; ours follows from the request id, so that either finds the log line."""
    return base64.b64encode(hashlib.sha256(request_id.encode()).digest()).decode()


def _text(value: str) -> str:
    return escape(_NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", value))
