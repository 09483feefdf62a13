"""AWS Signature Version 4, both sides of it: header and query signatures, chunked uploads.

Nothing here reads a socket: requests are what `sagesmith.http` parsed, a target in raw bytes and a list of headers.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html

SignatureError
├── MissingSignature      the request is not signed
├── MalformedSignature    it cannot be read
├── WrongScope            date, region, service or terminator of the credential's scope
├── HeadersNotSigned      host or an x-amz-* header is outside the signature
├── RequestTooSkewed      its time is too far from ours
├── RequestExpired        a presigned request is too old
└── SignatureMismatch     the signature is another request's, or made with another secret
"""

import calendar
import hashlib
import hmac
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import unquote

from sagesmith.http.messages import Headers
from sagesmith.wire.canonical import canonical_requests
from sagesmith.wire.errors import AwsError

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW_SECONDS = 15 * 60
MAX_EXPIRES_SECONDS = 7 * 24 * 3600
_NOT_ASCII = "The signature holds characters that are not ASCII."
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


@dataclass(slots=True)
class Signature:
    """What a request says about its signature; nothing of it is true before `verify`. Nobody changes it: that it is
    not frozen makes it three times as fast to make.

    Attributes:
        date: `YYYYMMDD` of the scope.
        signed_headers: lower case names as the client listed them.
        signature: 64 hex digits.
        timestamp: when it was signed, seconds since the epoch.
        presigned: the signature stands in the query.
        expires_seconds: how long a presigned request is good for, else None.
        amz_date: the timestamp as it was signed, `YYYYMMDDTHHMMSSZ`.
        terminator: the scope's last part, `aws4_request`.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    timestamp: float
    session_token: str | None = field(repr=False)
    presigned: bool
    expires_seconds: int | None
    amz_date: str
    terminator: str = "aws4_request"

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}"


class SignatureError(Exception):
    """The request's signature does not prove who sent it."""


class MissingSignature(SignatureError):
    """The request is not signed."""


class MalformedSignature(SignatureError, AwsError):
    """The signature cannot be read. For services other than S3 it is the error to answer with."""

    def __init__(self, message: str) -> None:
        AwsError.__init__(self, "IncompleteSignature", message, 400)


class WrongScope(SignatureError):
    """Says in AWS's words which part of the credential scope is wrong."""


class HeadersNotSigned(SignatureError):
    """Headers that must be signed are not.

    Args:
        names: lower case.
    """

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class RequestTooSkewed(SignatureError):
    """The request was signed more than 15 minutes from `now` (seconds since the epoch)."""

    def __init__(self, signature: Signature, now: float) -> None:
        super().__init__(signature.amz_date)
        self.signature = signature
        self.now = now
        self.max_skew_seconds = MAX_SKEW_SECONDS


class RequestExpired(SignatureError):
    """A presigned request came after its `expires_seconds`."""

    def __init__(self, signature: Signature, now: float) -> None:
        super().__init__(signature.amz_date)
        self.signature = signature
        self.now = now
        self.expired_at = signature.timestamp + (signature.expires_seconds or 0)


class SignatureMismatch(SignatureError):
    """The signature is not the one that we calculate from what we received; both texts are ours."""

    def __init__(self, signature: Signature, canonical_request: bytes, string_to_sign: str) -> None:
        super().__init__(signature.access_key_id)
        self.signature = signature
        self.canonical_request = canonical_request
        self.string_to_sign = string_to_sign


def parse_signature(target: bytes, headers: Headers) -> Signature | None:
    """The signature of a request in its Authorization header or its query; None if it has none.

    Raises:
        MalformedSignature: there is one that is incomplete or not Signature Version 4.
    """
    found = {name: value for name, value in reversed(headers) if name in _OF_INTEREST}
    authorization = found.get(b"authorization")
    if authorization is not None:
        return _from_header(authorization.decode("latin-1"), found)
    query = target.partition(b"?")[2]
    if b"X-Amz-Algorithm=" in query or b"X-Amz-Signature=" in query:
        return _from_query(query.decode("latin-1"))
    return None


def verify(
    signature: Signature, method: str, target: bytes, headers: Headers, payload_hash: str, secret: str, now: float
) -> None:
    """Check that `signature` was made over this request with `secret`, at about this time.

    The caller checks that the body has the hash `payload_hash`.

    Args:
        payload_hash: hex SHA-256 of the body, or one of S3's fixed words.
        now: seconds since the epoch.

    Raises:
        WrongScope, HeadersNotSigned, RequestTooSkewed, RequestExpired, SignatureMismatch: it was not.
    """
    if signature.terminator != "aws4_request":
        raise WrongScope(
            f"Credential should be scoped with a valid terminator: 'aws4_request', not '{signature.terminator}'."
        )
    if signature.date != signature.amz_date[:8]:
        raise WrongScope(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{signature.date}' != '{signature.amz_date[:8]}', from '{signature.amz_date}'."
        )
    _check_headers(signature, headers)
    age = now - signature.timestamp
    if age < -MAX_SKEW_SECONDS or (signature.expires_seconds is None and age > MAX_SKEW_SECONDS):
        raise RequestTooSkewed(signature, now)
    if signature.expires_seconds is not None and age > signature.expires_seconds:
        raise RequestExpired(signature, now)
    key = signing_key(secret, signature.date, signature.region, signature.service)
    requests = canonical_requests(method, target, headers, signature.signed_headers, payload_hash, signature.service)
    mismatch: SignatureMismatch | None = None
    for canonical in requests:
        text = _string_to_sign(signature.amz_date, signature.scope, canonical)
        if hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature.signature):
            return
        mismatch = mismatch or SignatureMismatch(signature, canonical, text)
    if mismatch is not None:
        raise mismatch


def sign(
    method: str,
    target: bytes,
    headers: Headers,
    payload_hash: str,
    access_key_id: str,
    secret: str,
    region: str,
    service: str,
    now: float,
    session_token: str | None = None,
) -> Headers:
    """Sign a request.

    Args:
        target: path and query as they will be sent, percent-encoded.
        headers: what will be sent, `host` among it; an earlier signature's headers are replaced.
        payload_hash: hex SHA-256 of the body, or one of S3's fixed words.
        now: seconds since the epoch.

    Returns:
        All headers to send: those given, `x-amz-date`, for S3 `x-amz-content-sha256`, `x-amz-security-token` if
        there is a token, and `authorization`.
    """
    amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    signed = [(name, value) for name, value in headers if name not in _WRITTEN_BY_SIGN]
    signed.append((b"x-amz-date", amz_date.encode()))
    if service == "s3":
        signed.append((b"x-amz-content-sha256", payload_hash.encode()))
    if session_token is not None:
        signed.append((b"x-amz-security-token", session_token.encode()))
    names = tuple(sorted({name.decode() for name, _ in signed if name not in _UNSIGNABLE}))
    canonical = next(canonical_requests(method, target, signed, names, payload_hash, service))
    scope = f"{amz_date[:8]}/{region}/{service}/aws4_request"
    key = signing_key(secret, amz_date[:8], region, service)
    digest = hmac.digest(key, _string_to_sign(amz_date, scope, canonical).encode(), "sha256").hex()
    authorization = (
        f"{ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={';'.join(names)}, Signature={digest}"
    )
    signed.append((b"authorization", authorization.encode()))
    return signed


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service; the last 1,024 are kept in memory."""
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def chunk_signature(signature: Signature, secret: str, previous: str, chunk_hash: str) -> str:
    """The signature of one chunk of a body sent as `STREAMING-AWS4-HMAC-SHA256-PAYLOAD[-TRAILER]`.

    Args:
        signature: the request's, verified.
        previous: the signature of the chunk before; of the request for the first chunk.
        chunk_hash: hex SHA-256 of the chunk's data.
    """
    return _continue(signature, secret, f"{ALGORITHM}-PAYLOAD", f"{previous}\n{EMPTY_SHA256}\n{chunk_hash}")


def trailer_signature(signature: Signature, secret: str, previous: str, trailers: Headers) -> str:
    """The signature of the trailing headers of `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`.

    Args:
        previous: the signature of the last, empty chunk.
        trailers: all trailing headers in the order sent, without `x-amz-trailer-signature`.
    """
    text = b"".join(name + b":" + value.strip() + b"\n" for name, value in trailers)
    return _continue(signature, secret, f"{ALGORITHM}-TRAILER", f"{previous}\n{hashlib.sha256(text).hexdigest()}")


_USUAL = re.compile(f"{ALGORITHM} Credential=([!-+\\--~]+), ?SignedHeaders=([!-+\\--~]+), ?Signature=([0-9a-f]{{64}})")
"""As all of AWS's clients write it: no part has a space or a comma."""
_OF_INTEREST = frozenset({b"authorization", b"x-amz-date", b"date", b"x-amz-security-token"})
_WRITTEN_BY_SIGN = frozenset({b"authorization", b"x-amz-date", b"x-amz-content-sha256", b"x-amz-security-token"})
_UNSIGNABLE = frozenset({b"connection", b"expect", b"transfer-encoding", b"user-agent", b"x-amzn-trace-id"})


def _continue(signature: Signature, secret: str, algorithm: str, rest: str) -> str:
    key = signing_key(secret, signature.date, signature.region, signature.service)
    text = f"{algorithm}\n{signature.amz_date}\n{signature.scope}\n{rest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def _string_to_sign(amz_date: str, scope: str, canonical: bytes) -> str:
    return f"{ALGORITHM}\n{amz_date}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"


def _check_headers(signature: Signature, headers: Headers) -> None:
    signed = signature.signed_headers
    missing = [] if "host" in signed else ["host"]
    for name, _ in headers:
        if name[:6] == b"x-amz-" and name.decode("latin-1") not in signed and name != b"x-amz-content-sha256":
            missing.append(name.decode("latin-1"))
    if missing:
        raise HeadersNotSigned(missing)


def _from_header(authorization: str, found: dict[bytes, bytes]) -> Signature:
    amz_date = found.get(b"x-amz-date")
    usual = _USUAL.fullmatch(authorization)
    if usual is not None and amz_date is not None:
        token = found.get(b"x-amz-security-token")
        credential, names, digest = usual.groups()
        shown = token.decode("latin-1") if token is not None else None
        return _signature(credential, names, digest, amz_date.decode("latin-1"), shown, None)
    return _from_unusual_header(authorization, found)


def _from_unusual_header(authorization: str, found: dict[bytes, bytes]) -> Signature:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise MalformedSignature(f"Unsupported AWS 'algorithm': '{algorithm[:40]}'. Use {ALGORITHM}.")
    parameters = {}
    for part in filter(str.strip, rest.split(",")):
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise MalformedSignature(
                "Authorization header holds a part that is no key=value pair (missing equal-sign)."
            )
        parameters[name] = value
    amz_date = found.get(b"x-amz-date", b"").decode("latin-1")
    problems = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not parameters.get(name)
    ]
    if not amz_date and b"date" not in found:
        problems.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if problems:
        raise MalformedSignature(" ".join([*problems, f"Authorization={ALGORITHM}"]))
    if not amz_date:
        amz_date = _iso_date(found[b"date"].decode("latin-1"))
    token = found.get(b"x-amz-security-token")
    return _signature(
        parameters["Credential"],
        parameters["SignedHeaders"],
        parameters["Signature"],
        amz_date,
        token.decode("latin-1") if token is not None else None,
        None,
    )


def _from_query(query: str) -> Signature:
    pairs = (pair.partition("=") for pair in query.split("&") if pair.startswith("X-Amz-"))
    parameters = {name: unquote(value) for name, _, value in pairs}
    problems = [
        f"AWS query-string parameters must include '{name}'. Re-examine the query-string parameters."
        for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
        if not parameters.get(name)
    ]
    if problems:
        raise MalformedSignature(" ".join(problems))
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise MalformedSignature(f"Unsupported AWS 'algorithm': '{parameters['X-Amz-Algorithm'][:40]}'.")
    expires = parameters.get("X-Amz-Expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 6 and 0 < int(expires) <= MAX_EXPIRES_SECONDS):
        raise MalformedSignature("X-Amz-Expires must be a number of seconds between 1 and 604800.")
    return _signature(
        parameters["X-Amz-Credential"],
        parameters["X-Amz-SignedHeaders"],
        parameters["X-Amz-Signature"],
        parameters["X-Amz-Date"],
        parameters.get("X-Amz-Security-Token"),
        int(expires),
    )


def _signature(
    credential: str, signed_headers: str, digest: str, amz_date: str, token: str | None, expires: int | None
) -> Signature:
    if not digest.isascii():
        raise MalformedSignature(_NOT_ASCII)
    key_id, date, region, service, terminator, names = _scope(credential, signed_headers)
    return Signature(
        key_id,
        date,
        region,
        service,
        names,
        digest,
        _timestamp(amz_date),
        token,
        expires is not None,
        expires,
        amz_date,
        terminator,
    )


@lru_cache(maxsize=256)
def _scope(credential: str, signed_headers: str) -> tuple[str, str, str, str, str, tuple[str, ...]]:
    """The parts of a credential, and the names of signed headers: a client sends the same ones all day."""
    parts = credential.split("/")
    if len(parts) != 5:
        raise MalformedSignature(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{credential[:200]}'"
        )
    if not (credential.isascii() and signed_headers.isascii()):
        raise MalformedSignature(_NOT_ASCII)
    key_id, date, region, service, terminator = parts
    return key_id, date, region, service, terminator, tuple(signed_headers.split(";"))


@lru_cache(maxsize=64)
def _timestamp(amz_date: str) -> float:
    d = amz_date
    try:
        if len(d) != 16 or d[8] != "T" or d[15] != "Z" or not (d[:8] + d[9:15]).isdecimal() or not d.isascii():
            raise ValueError
        fields = (int(d[:4]), int(d[4:6]), int(d[6:8]), int(d[9:11]), int(d[11:13]), int(d[13:15]))
        return float(calendar.timegm(fields))
    except ValueError as error:
        raise MalformedSignature(
            f"Date must be in ISO-8601 'basic format'. Got '{amz_date[:40]}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ) from error


def _iso_date(http_date: str) -> str:
    if http_date[8:9] == "T":
        return http_date
    try:
        return time.strftime("%Y%m%dT%H%M%SZ", parsedate_to_datetime(http_date).utctimetuple())
    except (ValueError, OverflowError) as error:
        raise MalformedSignature(f"Date must be in ISO-8601 'basic format'. Got '{http_date[:40]}'.") from error
