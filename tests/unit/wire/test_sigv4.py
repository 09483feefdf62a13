"""Signature Version 4, with botocore's signers as the oracle."""

import contextlib
import hashlib
import time
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.http.messages import Headers
from sagesmith.wire import sigv4
from tests.unit.wire.clients import wire_headers

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "127.0.0.1:9900"
BODY = b'{"ModelName":"m"}'
SIGNERS = {
    "header": (SigV4Auth, "sagemaker"),
    "s3 header": (S3SigV4Auth, "s3"),
    "presigned": (SigV4QueryAuth, "sts"),
    "s3 presigned": (S3SigV4QueryAuth, "s3"),
}
Sent = tuple[str, bytes, Headers, str]


def sent_by_botocore(kind: str, path: str = "/", query: str = "", token: str | None = None, **headers: str) -> Sent:
    """Method, target, headers and payload hash of a request that botocore signed."""
    signer, service = SIGNERS[kind]
    body = b"" if "presigned" in kind else BODY
    url = f"http://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest("POST", url, headers={"Host": HOST, **headers}, data=body)
    signer(Credentials("AKIAEXAMPLE", SECRET, token), service, "eu-west-1").add_auth(request)
    prepared = request.prepare()
    digest = "UNSIGNED-PAYLOAD" if kind == "s3 presigned" else hashlib.sha256(body).hexdigest()
    return "POST", prepared.url.removeprefix(f"http://{HOST}").encode(), wire_headers(prepared.headers), digest


def check(sent: Sent, secret: str = SECRET, now: float | None = None) -> sigv4.Signature:
    method, target, headers, digest = sent
    signature = sigv4.parse_signature(target, headers)
    assert signature is not None
    sigv4.verify(signature, method, target, headers, digest, secret, time.time() if now is None else now)
    return signature


@pytest.mark.parametrize("kind", SIGNERS)
@pytest.mark.parametrize(
    "path",
    ["/", "/a/b/", "//a//b", "/a b", "/a%20b", "/ü/%C3%BC", "/a/../b/./c", "/a+b=c~", "/%2F", "/a%2fb", "/*'()!"],
)
@pytest.mark.parametrize("query", ["", "acl", "a=", "b=1&a=2&a=1", "x=%20+y", "u=ü", "a=%2f", "a=b=c"])
def test_what_botocore_signs_is_verified(kind: str, path: str, query: str) -> None:
    signature = check(sent_by_botocore(kind, path, query))
    assert (signature.access_key_id, signature.region) == ("AKIAEXAMPLE", "eu-west-1")
    assert signature.presigned == ("presigned" in kind)


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_session_token_is_found_and_signed(kind: str) -> None:
    assert check(sent_by_botocore(kind, token="to/ken+with==")).session_token == "to/ken+with=="


@pytest.mark.parametrize("kind", SIGNERS)
def test_white_space_in_a_signed_header_does_not_matter(kind: str) -> None:
    check(sent_by_botocore(kind, **{"X-Amz-Meta-Note": "  two   words "}))


@given(
    path=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4),
    query=st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=4),
    kind=st.sampled_from(sorted(SIGNERS)),
)
def test_any_encoded_target_that_botocore_signs_is_verified(
    path: list[str], query: list[tuple[str, str]], kind: str
) -> None:
    encoded = "&".join(
        f"{quote(key.encode('utf-8', 'replace'), safe='')}={quote(value.encode('utf-8', 'replace'), safe='')}"
        for key, value in query
    )
    if "presigned" in kind and len({key for key, _ in query}) < len(query):
        encoded = ""  # botocore presigns no repeated keys
    check(sent_by_botocore(kind, "/" + "/".join(quote(part, safe="") for part in path), encoded))


@given(
    path=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4),
    service=st.sampled_from(["s3", "sagemaker"]),
    token=st.none() | st.just("token=="),
)
def test_what_we_sign_we_verify(path: list[str], service: str, token: str | None) -> None:
    target = ("/" + "/".join(quote(part, safe="") for part in path) + "?b=2&a=1%20x").encode()
    digest = hashlib.sha256(BODY).hexdigest()
    headers: Headers = [(b"host", HOST.encode()), (b"expect", b"100-continue"), (b"authorization", b"old")]
    now = time.time()
    signed = sigv4.sign("PUT", target, headers, digest, "AKIAEXAMPLE", SECRET, "us-east-1", service, now, token)
    assert check(("PUT", target, signed, digest)).session_token == token


def test_we_sign_as_botocore_does() -> None:
    target, digest = b"/bucket/a%20key?list-type=2&prefix=a%2Fb", hashlib.sha256(BODY).hexdigest()
    request = AWSRequest("PUT", f"http://{HOST}{target.decode()}", headers={"Host": HOST}, data=BODY)
    S3SigV4Auth(Credentials("AKIAEXAMPLE", SECRET), "s3", "us-east-1").add_auth(request)
    signature = sigv4.parse_signature(target, wire_headers(request.headers))
    assert signature is not None
    host: Headers = [(b"host", HOST.encode())]
    now = signature.timestamp
    ours = sigv4.sign("PUT", target, host, digest, "AKIAEXAMPLE", SECRET, "us-east-1", "s3", now)
    assert dict(ours)[b"authorization"].decode() == request.headers["Authorization"]


@pytest.mark.parametrize("kind", SIGNERS)
def test_another_secret_is_refused(kind: str) -> None:
    with pytest.raises(sigv4.SignatureMismatch) as refused:
        check(sent_by_botocore(kind), secret="other")
    assert refused.value.string_to_sign.startswith("AWS4-HMAC-SHA256\n")


@pytest.mark.parametrize("change", ["method", "target", "header", "body"])
@pytest.mark.parametrize("kind", SIGNERS)
def test_a_changed_request_is_refused(kind: str, change: str) -> None:
    method, target, headers, digest = sent_by_botocore(kind, "/a", "b=1", **{"X-Amz-Target": "SageMaker.ListModels"})
    match change:
        case "method":
            method = "DELETE"
        case "target":
            target = target.replace(b"b=1", b"b=2")
        case "header":
            headers = [(key, b"SageMaker.X" if key == b"x-amz-target" else value) for key, value in headers]
        case "body":
            digest = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(sigv4.SignatureMismatch):
        check((method, target, headers, digest))


@pytest.mark.parametrize("other", ["/x%2f..%2fb/c", "/x/%2e%2e/b/c", "/b%2Fc", "/b/%2e/c", "/x/%2E%2E/b/c"])
def test_an_escaped_slash_or_dot_is_another_path(other: str) -> None:
    method, _, headers, digest = sent_by_botocore("header", "/b/c")
    with pytest.raises(sigv4.SignatureMismatch):
        check((method, other.encode(), headers, digest))


def test_an_aws_header_that_is_not_signed_is_refused() -> None:
    method, target, headers, digest = sent_by_botocore("header")
    with pytest.raises(sigv4.HeadersNotSigned) as refused:
        check((method, target, [*headers, (b"x-amz-target", b"SageMaker.DeleteModel")], digest))
    assert refused.value.names == ["x-amz-target"]


@pytest.mark.parametrize("offset", [-901, 901])
@pytest.mark.parametrize("kind", ["header", "s3 header"])
def test_a_request_more_than_15_minutes_off_is_refused(kind: str, offset: int) -> None:
    with pytest.raises(sigv4.RequestTooSkewed):
        check(sent_by_botocore(kind), now=time.time() + offset)
    check(sent_by_botocore(kind), now=time.time() + offset * 0.99)


def test_a_presigned_request_is_good_until_it_expires() -> None:
    sent = sent_by_botocore("s3 presigned")
    check(sent, now=time.time() + 3590)
    with pytest.raises(sigv4.RequestExpired):
        check(sent, now=time.time() + 3610)
    with pytest.raises(sigv4.RequestTooSkewed):
        check(sent, now=time.time() - 1000)


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "x", "", "000604800000", "١"])
def test_a_presigned_request_must_say_how_long_it_is_good(expires: str) -> None:
    _, target, headers, _ = sent_by_botocore("s3 presigned")
    changed = target.replace(b"X-Amz-Expires=3600", b"X-Amz-Expires=" + quote(expires).encode())
    with pytest.raises(sigv4.MalformedSignature):
        sigv4.parse_signature(changed, headers)


def test_an_unsigned_request_has_no_signature() -> None:
    for target in (b"/?Action=GetCallerIdentity", b"/bucket/X-Amz-Algorithm=key", b"*"):
        assert sigv4.parse_signature(target, [(b"host", b"x")]) is None


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("AWS4-HMAC-SHA256", "requires 'Credential' parameter"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host", "requires 'Signature' parameter"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=x", "'X-Amz-Date' or a 'Date' header"),
        ("AWS4-HMAC-SHA256 nothing", "key=value pair"),
        ("AWS AKIA:sig", "Unsupported AWS 'algorithm'"),
        ("Bearer x", "Unsupported AWS 'algorithm'"),
    ],
)
def test_a_malformed_signature_says_what_is_wrong(authorization: str, message: str) -> None:
    with pytest.raises(sigv4.MalformedSignature, match=message) as refused:
        sigv4.parse_signature(b"/", [(b"host", b"x"), (b"authorization", authorization.encode())])
    assert (refused.value.code, refused.value.status) == ("IncompleteSignature", 400)


def test_a_credential_that_is_no_scope_is_refused() -> None:
    _, _, headers, _ = sent_by_botocore("header")
    changed = [(key, value.replace(b"/eu-west-1", b"")) for key, value in headers]
    with pytest.raises(sigv4.MalformedSignature, match="Credential must have exactly 5 slash-delimited elements"):
        sigv4.parse_signature(b"/", changed)


@pytest.mark.parametrize("date", ["2026", "20260101T000000", "20261301T000000Z", "²0260101T000000Z", ""])
def test_a_malformed_date_is_refused(date: str) -> None:
    _, _, headers, _ = sent_by_botocore("header")
    changed = [(key, date.encode() if key == b"x-amz-date" else value) for key, value in headers]
    with pytest.raises(sigv4.MalformedSignature):
        sigv4.parse_signature(b"/", changed)


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=40))
def test_nothing_that_is_sent_breaks_the_parser(target: bytes, authorization: bytes, date: bytes) -> None:
    headers: Headers = [(b"authorization", b"AWS4-HMAC-SHA256 " + authorization), (b"x-amz-date", date)]
    for given_headers in (headers, [headers[0], (b"date", date)], []):
        with contextlib.suppress(sigv4.MalformedSignature):
            sigv4.parse_signature(b"/?X-Amz-Algorithm=" + target, given_headers)


@pytest.mark.parametrize(
    ("old", "new"), [("aws4_request", "aws3_request"), ("{date}", "20200101")], ids=["terminator", "date"]
)
def test_a_wrong_scope_is_refused(old: str, new: str) -> None:
    method, target, headers, digest = sent_by_botocore("header")
    old = old.format(date=time.strftime("%Y%m%d", time.gmtime()))
    changed: Any = [
        (key, value.replace(f"/{old}".encode(), f"/{new}".encode()) if key == b"authorization" else value)
        for key, value in headers
    ]
    with pytest.raises(sigv4.WrongScope):
        check((method, target, changed, digest))


def test_a_date_header_serves_where_there_is_no_x_amz_date() -> None:
    request = AWSRequest("POST", f"http://{HOST}/", headers={"Host": HOST, "Date": "now"}, data=BODY)
    SigV4Auth(Credentials("AKIAEXAMPLE", SECRET), "sagemaker", "us-east-1").add_auth(request)
    headers = wire_headers(request.headers)
    assert b"x-amz-date" not in dict(headers)
    check(("POST", b"/", headers, hashlib.sha256(BODY).hexdigest()))


def test_chunks_are_signed_as_in_the_example_of_the_documentation() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""
    headers: Headers = [
        (b"x-amz-date", b"20130524T000000Z"),
        (
            b"authorization",
            b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            b"SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
            b"x-amz-decoded-content-length;x-amz-storage-class,"
            b"Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
    ]
    signature = sigv4.parse_signature(b"/examplebucket/chunkObject.txt", headers)
    assert signature is not None
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    chunks = [b"a" * 65536, b"a" * 1024, b""]
    previous, signatures = signature.signature, []
    for chunk in chunks:
        previous = sigv4.chunk_signature(signature, secret, previous, hashlib.sha256(chunk).hexdigest())
        signatures.append(previous)
    assert signatures == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]


def test_trailers_are_signed_as_in_the_example_of_the_documentation() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html"""
    headers: Headers = [
        (b"x-amz-date", b"20130524T000000Z"),
        (
            b"authorization",
            b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            b"SignedHeaders=host,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        ),
    ]
    signature = sigv4.parse_signature(b"/", headers)
    assert signature is not None
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    last = "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
    digest = sigv4.trailer_signature(signature, secret, last, [(b"x-amz-checksum-crc32c", b"sOO8/Q==")])
    assert digest == "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
