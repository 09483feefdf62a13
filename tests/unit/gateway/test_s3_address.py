"""What an S3 request is about, from its host, path and query."""

from typing import cast

import pytest

from sagesmith.gateway.s3_address import bucket_of_host, is_s3_host, parse_address
from sagesmith.gateway.s3_errors import S3Error
from sagesmith.gateway.s3_operations import operation_name
from sagesmith.http.messages import Body, Request

NO_BODY = cast(Body, None)


def request(target: bytes, host: bytes = b"127.0.0.1:9900", method: str = "GET") -> Request:
    return Request(method, target, [(b"host", host)], NO_BODY)


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("data.s3.eu-west-1.amazonaws.com", "data"),
        ("my.dotted.s3.bucket.s3.us-east-1.amazonaws.com", "my.dotted.s3.bucket"),
        ("data.s3.dualstack.us-west-2.amazonaws.com", "data"),
        ("data.s3-us-west-2.amazonaws.com", "data"),
        ("data.s3.amazonaws.com", "data"),
        ("data.s3.cn-north-1.amazonaws.com.cn", "data"),
        ("data.localhost", "data"),
        ("s3.us-east-1.amazonaws.com", None),
        ("s3.amazonaws.com", None),
        ("localhost", None),
        ("127.0.0.1", None),
        ("sts.us-east-1.amazonaws.com", None),
    ],
)
def test_a_host_names_a_bucket_or_none(host: str, bucket: str | None) -> None:
    assert bucket_of_host(host) == bucket


def test_s3_s_own_hosts_are_told_from_other_services() -> None:
    assert is_s3_host("s3.us-east-1.amazonaws.com")
    assert is_s3_host("data.s3.us-east-1.amazonaws.com")
    assert not is_s3_host("logs.us-east-1.amazonaws.com")
    assert not is_s3_host("127.0.0.1")


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        (b"/b/a%20b+c", b"/b/a%20b%2Bc"),
        (b"/b/%E2%82%AC?versionId=1", b"/b/%E2%82%AC?versionId=1"),
        (b"/b/k?X-Amz-Signature=0&X-Amz-Date=1&response-content-type=a/b", b"/b/k?response-content-type=a%2Fb"),
        (b"/b?list-type=2&prefix=a+b", b"/b?list-type=2&prefix=a%20b"),
        (b"/b/", b"/b"),
        (b"/", b"/"),
        (b"http://127.0.0.1:9900/b/k", b"/b/k"),
    ],
)
def test_the_store_is_asked_in_one_spelling(sent: bytes, target: bytes) -> None:
    assert parse_address(request(sent)).target == target


def test_both_styles_of_address_mean_the_same() -> None:
    path = parse_address(request(b"/data/key?tagging"))
    virtual = parse_address(request(b"/key?tagging", b"data.s3.us-east-1.amazonaws.com"))
    assert path.target == virtual.target == b"/data/key?tagging="


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", b"/", "ListBuckets"),
        ("PUT", b"/b", "CreateBucket"),
        ("GET", b"/b?list-type=2&prefix=x&encoding-type=url", "ListObjectsV2"),
        ("GET", b"/b?delimiter=/", "ListObjects"),
        ("POST", b"/b?delete", "DeleteObjects"),
        ("PUT", b"/b/k?x-id=PutObject", "PutObject"),
        ("PUT", b"/b/k?partNumber=1&uploadId=u", "UploadPart"),
        ("GET", b"/b/k?response-content-type=x&versionId=1", "GetObject"),
    ],
)
def test_an_operation_has_the_api_reference_s_name(method: str, target: bytes, name: str) -> None:
    assert operation_name(method, parse_address(request(target)), copies=False) == name


@pytest.mark.parametrize(
    ("method", "target"),
    [("DELETE", b"/b?metrics&id=x"), ("PUT", b"/b?website"), ("PUT", b"/b/k?torrent"), ("GET", b"/b?cors&acl")],
)
def test_what_the_store_would_take_for_another_operation_is_not_built(method: str, target: bytes) -> None:
    with pytest.raises(S3Error) as error:
        operation_name(method, parse_address(request(target)), copies=False)
    assert error.value.code == "NotImplemented"
