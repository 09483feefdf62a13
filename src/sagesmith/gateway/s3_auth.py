"""Who sent an S3 request: signatures verified, refusals in S3's own codes.

Presigned URLs come in two versions: boto3 still presigns with Version 2 unless it is told otherwise.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html (Version 2)
"""

import base64
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sagesmith.credentials import ExpiredCredentials, KeyRing, Principal, UnknownCredentials
from sagesmith.gateway.s3_address import Address
from sagesmith.gateway.s3_errors import S3Error, access_denied, invalid_argument
from sagesmith.http.messages import Request
from sagesmith.wire import sigv4

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_WORDS = frozenset({sigv4.UNSIGNED_PAYLOAD, STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER})

_V2_SUBRESOURCES = re.compile(
    "accelerate|acl|cors|delete|encryption|inventory|lifecycle|location|logging|notification|object-lock|partNumber|"
    "policy|publicAccessBlock|replication|requestPayment|restore|retention|legal-hold|select|select-type|tagging|"
    "torrent|uploadId|uploads|versionId|versioning|versions|website|response-cache-control|"
    "response-content-disposition|response-content-encoding|response-content-language|response-content-type|"
    "response-expires"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified sender.

    Attributes:
        payload: what the client says of its body: hex SHA-256 in lower case, or one of S3's words.
        secret: the key's secret, for signatures inside the body.
        signature: of the request; None for Version 2.
    """

    principal: Principal
    region: str
    payload: str
    secret: str
    signature: sigv4.Signature | None


def authenticate(request: Request, address: Address, keyring: KeyRing, default_region: str) -> Caller:
    """Verify a request's signature.

    Raises:
        S3Error: it is not signed, or not by a key of ours, or not for this request and time.
    """
    if b"Signature=" in request.query and b"AWSAccessKeyId=" in request.query:
        return _authenticate_v2(request, address, keyring, default_region)
    authorization = request.header(b"authorization")
    if authorization is not None and not authorization.startswith(b"AWS4-HMAC-SHA256"):
        raise S3Error(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            400,
        )
    try:
        signature = sigv4.parse_signature(request.target, request.headers)
    except sigv4.MalformedSignature as error:
        code = "AuthorizationHeaderMalformed" if authorization else "AuthorizationQueryParametersError"
        raise S3Error(code, error.message, 400) from error
    if signature is None:
        raise access_denied()
    if signature.service != "s3":
        raise S3Error(
            "AuthorizationHeaderMalformed",
            f'The authorization header is malformed; incorrect service "{signature.service}". '
            'This endpoint belongs to "s3".',
            400,
        )
    principal, secret = _find(keyring, signature.access_key_id, signature.session_token)
    payload = _payload(request, signature)
    _verify(request, signature, payload, secret)
    return Caller(principal, signature.region, payload, secret, signature)


def _payload(request: Request, signature: sigv4.Signature) -> str:
    header = request.header(b"x-amz-content-sha256")
    if header is None:
        if signature.presigned:
            return sigv4.UNSIGNED_PAYLOAD
        raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400)
    value = header.decode("latin-1")
    if value in _WORDS:
        return value
    if not _SHA256.fullmatch(value):
        raise invalid_argument(
            f"x-amz-content-sha256 must be {', '.join(sorted(_WORDS))} or a valid sha256 value.",
            "x-amz-content-sha256",
            value,
        )
    return value


def _find(keyring: KeyRing, access_key_id: str, token: str | None) -> tuple[Principal, str]:
    try:
        return keyring.find(access_key_id, token)
    except ExpiredCredentials as error:
        raise S3Error("ExpiredToken", "The provided token has expired.", 400, {"Token-0": token or ""}) from error
    except UnknownCredentials as error:
        if token is not None:
            message = "The provided token is malformed or otherwise invalid."
            raise S3Error("InvalidToken", message, 400, {"Token-0": token}) from error
        raise S3Error(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            403,
            {"AWSAccessKeyId": access_key_id},
        ) from error


def _verify(request: Request, signature: sigv4.Signature, payload: str, secret: str) -> None:
    try:
        sigv4.verify(signature, request.method, request.target, request.headers, payload, secret, time.time())
    except sigv4.RequestTooSkewed as error:
        raise S3Error(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            403,
            {
                "RequestTime": signature.amz_date,
                "ServerTime": _iso(error.now),
                "MaxAllowedSkewMilliseconds": str(error.max_skew_seconds * 1000),
            },
        ) from error
    except sigv4.RequestExpired as error:
        raise _expired(str(signature.expires_seconds), error.expired_at, error.now) from error
    except sigv4.HeadersNotSigned as error:
        raise access_denied(
            "There were headers present in the request which were not signed", {"HeadersNotSigned": str(error)}
        ) from error
    except sigv4.WrongScope as error:
        message = f"The authorization header is malformed; {error}"
        raise S3Error("AuthorizationHeaderMalformed", message, 400) from error
    except sigv4.SignatureMismatch as error:
        canonical = error.canonical_request.decode("utf-8", "replace")
        raise _mismatch(
            signature.access_key_id,
            error.string_to_sign,
            signature.signature,
            {"CanonicalRequest": canonical, "CanonicalRequestBytes": error.canonical_request.hex(" ")},
        ) from error


def _mismatch(access_key_id: str, string_to_sign: str, provided: str, members: dict[str, str]) -> S3Error:
    return S3Error(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
        403,
        {
            "AWSAccessKeyId": access_key_id,
            "StringToSign": string_to_sign,
            "SignatureProvided": provided,
            "StringToSignBytes": string_to_sign.encode().hex(" "),
            **members,
        },
    )


def _expired(seconds: str, expired_at: float, now: float) -> S3Error:
    members = {"X-Amz-Expires": seconds} if seconds else {}
    return access_denied("Request has expired", {**members, "Expires": _iso(expired_at), "ServerTime": _iso(now)})


def _authenticate_v2(request: Request, address: Address, keyring: KeyRing, default_region: str) -> Caller:
    """A URL presigned with Version 2: an HMAC-SHA1 over method, type, expiry, `x-amz-*` headers and resource."""
    query = dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
    access_key_id, expires = query["AWSAccessKeyId"], query.get("Expires", "")
    if not (expires.isascii() and expires.isdecimal() and len(expires) < 12):
        raise access_denied(f"Invalid date (should be seconds since epoch): {expires}")
    principal, secret = _find(keyring, access_key_id, query.get("x-amz-security-token"))
    amz = {
        name.decode("latin-1"): value.decode("utf-8", "replace").strip()
        for name, value in sorted(request.headers)
        if name.startswith(b"x-amz-")
    }
    amz |= {name: value for name, value in query.items() if name.startswith("x-amz-")}
    lines = [request.method]
    lines += [(request.header(name) or b"").decode("latin-1") for name in (b"content-md5", b"content-type")]
    lines += [expires, *(f"{name}:{value}" for name, value in sorted(amz.items()))]
    path = request.path.decode("latin-1")
    if path.count("/") == 1 and not address.virtual_host and address.bucket:
        path += "/"  # A bucket is always `/bucket/` here, however it was asked for.
    parts = sorted((name, value) for name, value in address.parameters if _V2_SUBRESOURCES.fullmatch(name))
    words = "&".join(f"{name}={value}" if value else name for name, value in parts)
    lines.append((f"/{address.bucket}{path}" if address.virtual_host else path) + ("?" + words if words else ""))
    text = "\n".join(lines)
    wanted = base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha1))
    if not hmac.compare_digest(wanted, query["Signature"].encode("utf-8", "replace")):
        raise _mismatch(access_key_id, text, query["Signature"], {})
    now = time.time()
    if now > int(expires):
        raise _expired("", float(expires), now)
    return Caller(principal, default_region, sigv4.UNSIGNED_PAYLOAD, secret, None)


def _iso(timestamp: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(timestamp))
