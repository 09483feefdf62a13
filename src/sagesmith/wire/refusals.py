"""What a client is told when its signature does not prove who it is, by the codes and words of each protocol.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
"""

import time

from sagesmith.credentials import ExpiredCredentials, UnknownCredentials
from sagesmith.wire.errors import AwsError
from sagesmith.wire.protocols import Protocol
from sagesmith.wire.sigv4 import (
    HeadersNotSigned,
    MalformedSignature,
    MissingSignature,
    RequestExpired,
    RequestTooSkewed,
    SignatureMismatch,
    WrongScope,
)

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


def refusal(cause: Exception, protocol: Protocol) -> AwsError:
    """The error that a service of this protocol answers an unproven request with. Not for S3, which has its own.

    Args:
        cause: a `SignatureError`, or what `KeyRing.find` raised.
    """
    match cause:
        case MalformedSignature():
            code = "IncompleteSignature" if protocol is Protocol.QUERY else "IncompleteSignatureException"
            return AwsError(code, cause.message, 400)
        case MissingSignature():
            return AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        case UnknownCredentials():
            code = _code(protocol, "InvalidClientTokenId", "UnrecognizedClientException")
            return AwsError(code, "The security token included in the request is invalid.", _status(protocol))
        case ExpiredCredentials():
            code = _code(protocol, "ExpiredToken", "ExpiredTokenException")
            return AwsError(code, "The security token included in the request is expired", _status(protocol))
    code = _code(protocol, "SignatureDoesNotMatch", "InvalidSignatureException")
    return AwsError(code, _mismatch(cause), _status(protocol))


def _mismatch(cause: Exception) -> str:
    match cause:
        case RequestTooSkewed() if cause.signature.timestamp > cause.now:
            limit = _iso(cause.now + cause.max_skew_seconds)
            return (
                f"Signature not yet current: {cause.signature.amz_date} is still later than {limit} "
                f"({_iso(cause.now)} + {cause.max_skew_seconds // 60} min.)"
            )
        case RequestTooSkewed():
            limit = _iso(cause.now - cause.max_skew_seconds)
            return (
                f"Signature expired: {cause.signature.amz_date} is now earlier than {limit} "
                f"({_iso(cause.now)} - {cause.max_skew_seconds // 60} min.)"
            )
        case RequestExpired():
            return f"Signature expired: {_iso(cause.expired_at)} is now earlier than {_iso(cause.now)}"
        case HeadersNotSigned():
            names = ", ".join(f"'{name.title()}'" for name in cause.names)
            return f"{names} must be a 'SignedHeader' in the AWS Authorization."
        case WrongScope():
            return str(cause)
        case SignatureMismatch():
            return _MISMATCH
    raise TypeError(f"not an authentication failure: {cause!r}")


def _code(protocol: Protocol, query: str, other: str) -> str:
    return query if protocol is Protocol.QUERY else other


def _status(protocol: Protocol) -> int:
    return 400 if protocol in (Protocol.JSON, Protocol.CBOR) else 403


def _iso(seconds: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
