"""What services say to a request that does not prove who sent it."""

import time

import pytest

from sagesmith.credentials import ExpiredCredentials, UnknownCredentials
from sagesmith.wire.protocols import Protocol
from sagesmith.wire.refusals import refusal
from sagesmith.wire.sigv4 import (
    HeadersNotSigned,
    MalformedSignature,
    MissingSignature,
    RequestExpired,
    RequestTooSkewed,
    Signature,
    SignatureMismatch,
    WrongScope,
)

NOON = 1_767_268_800.0
SIGNATURE = Signature(
    "AKIA", "20260101", "us-east-1", "sagemaker", ("host",), "0" * 64, NOON, None, True, 60, "20260101T120000Z"
)


@pytest.mark.parametrize(
    ("cause", "json", "query"),
    [
        (MissingSignature(), ("MissingAuthenticationToken", 403), ("MissingAuthenticationToken", 403)),
        (UnknownCredentials(), ("UnrecognizedClientException", 400), ("InvalidClientTokenId", 403)),
        (ExpiredCredentials(), ("ExpiredTokenException", 400), ("ExpiredToken", 403)),
        (SignatureMismatch(SIGNATURE, b"", ""), ("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403)),
        (WrongScope("…"), ("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403)),
        (HeadersNotSigned(["host"]), ("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403)),
        (RequestTooSkewed(SIGNATURE, NOON), ("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403)),
        (RequestExpired(SIGNATURE, NOON), ("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403)),
        (MalformedSignature("…"), ("IncompleteSignatureException", 400), ("IncompleteSignature", 400)),
    ],
)
def test_each_refusal_has_its_protocol_s_code(cause: Exception, json: tuple[str, int], query: tuple[str, int]) -> None:
    for protocol, expected in ((Protocol.JSON, json), (Protocol.QUERY, query)):
        error = refusal(cause, protocol)
        assert (error.code, error.status) == expected


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (NOON + 1800, "Signature expired: {} is now earlier than 20260101T121500Z (20260101T123000Z - 15 min.)"),
        (
            NOON - 1800,
            "Signature not yet current: {} is still later than 20260101T114500Z (20260101T113000Z + 15 min.)",
        ),
    ],
)
def test_a_skewed_request_is_told_both_clocks(now: float, message: str) -> None:
    assert refusal(RequestTooSkewed(SIGNATURE, now), Protocol.JSON).message == message.format("20260101T120000Z")


def test_an_expired_request_is_told_when_it_expired() -> None:
    message = refusal(RequestExpired(SIGNATURE, NOON + 61), Protocol.QUERY).message
    assert message == "Signature expired: 20260101T120100Z is now earlier than 20260101T120101Z"


def test_a_refusal_never_shows_a_signature_or_token() -> None:
    signature = Signature(
        "AKIA", "20260101", "r", "s", ("host",), "cafe" * 16, time.time(), "tok", False, None, "20260101T120000Z"
    )
    assert "cafe" not in repr(signature)
    assert "tok" not in repr(signature)
