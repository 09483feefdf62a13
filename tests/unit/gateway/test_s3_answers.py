"""The store's answers in S3's form, and what a new bucket's region may be."""

import pytest

from sagesmith.gateway.s3_answers import in_byte_order, with_buckets, with_location, with_quoted_etag
from sagesmith.gateway.s3_errors import S3Error, error_response, parse_error
from sagesmith.gateway.s3_regions import region_of_new_bucket


def listing(keys: list[str], encoding: str = "") -> bytes:
    entries = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    return f"<ListBucketResult>{encoding}{entries}<KeyCount>{len(keys)}</KeyCount></ListBucketResult>".encode()


def test_a_listing_is_put_into_byte_order() -> None:
    assert in_byte_order(listing(["o/a", "o/a/b", "o/a-b"])) == listing(["o/a", "o/a-b", "o/a/b"])


def test_an_encoded_listing_is_ordered_by_what_the_keys_mean() -> None:
    encoding = "<EncodingType>url</EncodingType>"
    assert in_byte_order(listing(["%C3%A9", "a", "%21"], encoding)) == listing(["%21", "a", "%C3%A9"], encoding)


def test_a_listing_in_order_is_not_touched() -> None:
    page = listing(["a", "b"])
    assert in_byte_order(page) is page


def test_a_hidden_bucket_leaves_the_list() -> None:
    buckets = b"<Bucket><Name>a</Name><CreationDate>x</CreationDate></Bucket>"
    assert with_buckets(buckets + buckets.replace(b">a<", b">hidden<"), lambda name: name != "hidden") == buckets


def test_a_location_names_the_endpoint_that_the_client_knows() -> None:
    body = b"<Location>http://127.0.0.1:1234/b/k</Location>"
    assert with_location(body, "https://s3.amazonaws.com") == b"<Location>https://s3.amazonaws.com/b/k</Location>"


def test_a_bare_etag_gets_its_quotes_once() -> None:
    quoted = with_quoted_etag(b"<ETag>0af3-2</ETag>")
    assert quoted == b"<ETag>&quot;0af3-2&quot;</ETag>"
    assert with_quoted_etag(quoted) == quoted


def test_an_error_survives_its_own_xml() -> None:
    error = S3Error("NoSuchKey", "a < b & \x00", 404, {"Key": "<k>"})
    response = error_response(error, "GET", "id")
    assert isinstance(response.body, bytes)
    parsed = parse_error(response.body, response.status)
    assert parsed is not None
    assert (parsed.code, parsed.members["Key"], parsed.message) == (
        "NoSuchKey",
        "<k>",
        "a < b & \N{REPLACEMENT CHARACTER}",
    )


def constraint(region: str) -> bytes:
    element = f"<LocationConstraint>{region}</LocationConstraint>"
    return f"<CreateBucketConfiguration>{element}</CreateBucketConfiguration>".encode()


@pytest.mark.parametrize(
    ("endpoint", "body", "region"),
    [
        ("us-east-1", b"", "us-east-1"),
        ("us-east-1", constraint("eu-west-1"), "eu-west-1"),
        ("eu-west-1", constraint("eu-west-1"), "eu-west-1"),
        ("us-east-1", constraint("EU"), "eu-west-1"),
    ],
)
def test_a_new_bucket_s_region(endpoint: str, body: bytes, region: str) -> None:
    assert region_of_new_bucket(endpoint, body) == region


@pytest.mark.parametrize(
    ("endpoint", "body", "code"),
    [
        ("eu-west-1", b"", "IllegalLocationConstraintException"),
        ("eu-west-1", constraint("ap-south-1"), "IllegalLocationConstraintException"),
        ("us-east-1", constraint("us-east-1"), "InvalidLocationConstraint"),
        ("us-east-1", constraint("nowhere"), "InvalidLocationConstraint"),
        ("us-east-1", b"<Other/>", "MalformedXML"),
    ],
)
def test_a_region_that_a_bucket_cannot_have_is_refused(endpoint: str, body: bytes, code: str) -> None:
    with pytest.raises(S3Error) as error:
        region_of_new_bucket(endpoint, body)
    assert error.value.code == code
