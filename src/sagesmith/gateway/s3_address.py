"""What an S3 request is about: bucket, key and parameters, from either style of address.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from sagesmith.hosts import DOMAINS
from sagesmith.http.messages import Request

_ENDPOINT = re.compile(
    r"(?:(?P<bucket>.+)\.)?"
    r"s3(?:-accelerate|-fips|-external-1|-[a-z]{2,3}(?:-[a-z]+)+-\d)?(?:\.dualstack)?(?:\.[a-z]{2,3}(?:-[a-z]+)+-\d+)?"
    r"\.(?:" + "|".join(map(re.escape, DOMAINS)) + ")"
)
_LOCALHOST = re.compile(r"(?P<bucket>.+)\.localhost")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes.

    Attributes:
        bucket: empty for the service itself.
        key: the object's key, decoded, None for the bucket itself.
        parameters: of the query in the order sent, decoded; the signature's own are left out.
        virtual_host: the bucket stood in the host name.
    """

    bucket: str
    key: bytes | None
    parameters: tuple[tuple[str, str], ...]
    virtual_host: bool

    def parameter(self, name: str) -> str | None:
        return next((value for known, value in self.parameters if known == name), None)

    @property
    def subresource(self) -> frozenset[str]:
        """The names of the query's parameters."""
        return frozenset(name for name, _ in self.parameters)

    @property
    def path(self) -> str:
        """`/bucket/key` in the one spelling that everybody signs alike."""
        path = "/" + quote(self.bucket, safe="")
        return path if self.key is None else path + "/" + quote(self.key, safe="/~")

    @property
    def target(self) -> bytes:
        """The request's target in path style."""
        query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in self.parameters)
        return (self.path + ("?" + query if query else "")).encode()


def host_of(request: Request) -> str:
    """The host that the client asked for, lower case, without a port."""
    host = request.host or (request.header(b"host") or b"").decode("latin-1")
    name, _, port = host.rpartition(":")
    return (name if name and port.isdecimal() else host).lower().rstrip(".")


def bucket_of_host(host: str) -> str | None:
    """The bucket that a host name holds: `data.s3.eu-west-1.amazonaws.com`, `data.localhost`; None if it holds none."""
    matched = _ENDPOINT.fullmatch(host) or _LOCALHOST.fullmatch(host)
    return matched["bucket"] if matched else None


def is_s3_host(host: str) -> bool:
    """Whether a host name is one of S3's own, with or without a bucket."""
    return bool(_ENDPOINT.fullmatch(host)) or (bool(_LOCALHOST.fullmatch(host)) and not _is_ip(host))


def parse_address(request: Request) -> Address:
    """Read a request's host, path and query."""
    path, _, query = request.target.partition(b"?")
    if path.startswith((b"http://", b"https://")):
        path = b"/" + path.split(b"/", 3)[3] if path.count(b"/") > 2 else b"/"
    parameters = tuple(_parameter(pair) for pair in query.split(b"&") if pair)
    parameters = tuple((name, value) for name, value in parameters if name not in _SIGNATURE)
    decoded = unquote_to_bytes(path)
    bucket = bucket_of_host(host_of(request))
    if bucket is not None:
        return Address(bucket, decoded[1:] or None, parameters, True)
    name, slash, key = decoded[1:].partition(b"/")
    return Address(name.decode("utf-8", "replace"), key if slash and key else None, parameters, False)


_SIGNATURE = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "X-Amz-Security-Token",
        "X-Amz-Content-Sha256",
        "AWSAccessKeyId",
        "Signature",
        "Expires",
        "x-amz-security-token",
    }
)


def _parameter(pair: bytes) -> tuple[str, str]:
    name, _, value = pair.partition(b"=")
    return _text(name), _text(value)


def _text(part: bytes) -> str:
    return unquote_to_bytes(part.replace(b"+", b" ")).decode("utf-8", "surrogateescape")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
