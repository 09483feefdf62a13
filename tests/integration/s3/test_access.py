"""Who may, and what a refusal looks like; buckets and their regions; a store that dies."""

import datetime
import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagesmith.agent.s3 import S3
from sagesmith.compute.base import S3Access
from sagesmith.credentials import Credentials
from tests import aws
from tests.integration.s3.conftest import ACCOUNT, Front, exchange

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Execution"


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def call(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_an_unsigned_request_is_refused(front: Front) -> None:
    status, body = call("GET", f"{front.url}/{front.bucket}/key")
    assert status == 403
    assert b"<Code>AccessDenied</Code><Message>Access Denied</Message>" in body


def test_an_error_to_head_has_no_body(front: Front) -> None:
    assert call("HEAD", f"{front.url}/{front.bucket}/key") == (403, b"")


def test_an_error_bears_the_request_s_id(front: Front, s3: Any) -> None:
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=front.bucket, Key="nothing-here")
    assert code_of(error) == "NoSuchKey"
    metadata = error.value.response["ResponseMetadata"]
    assert metadata["HTTPHeaders"]["x-amz-request-id"] == metadata["RequestId"]
    assert metadata["HostId"]


def test_an_unknown_key_is_refused(front: Front) -> None:
    with pytest.raises(ClientError) as error:
        front.client(Credentials("AKIAUNKNOWN", "secret")).list_buckets()
    assert code_of(error) == "InvalidAccessKeyId"


def test_a_wrong_secret_is_refused_with_the_string_that_we_signed(front: Front) -> None:
    with pytest.raises(ClientError) as error:
        front.client(Credentials(front.keyring.root.access_key_id, "wrong")).list_buckets()
    assert code_of(error) == "SignatureDoesNotMatch"
    assert error.value.response["Error"]["StringToSign"].startswith("AWS4-HMAC-SHA256\n")


def test_a_job_s_credentials_are_good_until_they_expire(front: Front) -> None:
    valid = front.keyring.mint(ROLE, "job", 60, "arn:aws:sagemaker:us-east-1:123456789012:training-job/j")
    assert front.client(valid).head_bucket(Bucket=front.bucket)["BucketRegion"] == "us-east-1"
    expired = front.keyring.mint(ROLE, "job", -1)
    with pytest.raises(ClientError) as error:
        front.client(expired).list_buckets()
    assert code_of(error) == "ExpiredToken"


def test_a_token_that_is_not_ours_is_refused(front: Front) -> None:
    minted = front.keyring.mint(ROLE, "job", 60)
    with pytest.raises(ClientError) as error:
        front.client(Credentials(minted.access_key_id, minted.secret_access_key, "forged")).list_buckets()
    assert code_of(error) == "InvalidToken"


@pytest.mark.parametrize("version", ["s3v4", None], ids=["version 4", "boto3's default"])
def test_a_presigned_url_works_for_what_it_was_made_and_no_longer(front: Front, version: str | None) -> None:
    client = front.client(**({"signature_version": version} if version else {}))
    put = client.generate_presigned_url("put_object", Params={"Bucket": front.bucket, "Key": "pre signed"})
    assert call("PUT", put, b"by url")[0] == 200
    get = client.generate_presigned_url("get_object", Params={"Bucket": front.bucket, "Key": "pre signed"})
    assert call("GET", get) == (200, b"by url")
    assert b"SignatureDoesNotMatch" in call("GET", get.replace("pre%20signed", "another"))[1]
    assert b"SignatureDoesNotMatch" in call("DELETE", get)[1]
    pages = client.generate_presigned_url("list_objects_v2", Params={"Bucket": front.bucket, "Prefix": "pre "})
    assert b"<Key>pre+signed</Key>" in call("GET", pages)[1]


@pytest.mark.parametrize("version", ["s3v4", None], ids=["version 4", "boto3's default"])
def test_a_presigned_url_expires(front: Front, version: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    client = front.client(**({"signature_version": version} if version else {}))
    long_ago = time.time() - 3600
    monkeypatch.setattr("botocore.auth.time.time", lambda: long_ago)
    then = datetime.datetime.fromtimestamp(long_ago, datetime.UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: then.replace(tzinfo=None))
    url = client.generate_presigned_url("get_object", Params={"Bucket": front.bucket, "Key": "k"}, ExpiresIn=60)
    status, body = call("GET", url)
    assert status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in body


def test_a_clock_that_is_off_is_named(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    then = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - datetime.timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: then)
    with pytest.raises(ClientError) as error:
        front.client().list_buckets()
    assert code_of(error) == "RequestTimeTooSkewed"


def test_a_bucket_of_another_owner_is_refused(front: Front, s3: Any) -> None:
    s3.list_objects_v2(Bucket=front.bucket, ExpectedBucketOwner=ACCOUNT)
    with pytest.raises(ClientError) as error:
        s3.list_objects_v2(Bucket=front.bucket, ExpectedBucketOwner="111111111111")
    assert code_of(error) == "AccessDenied"


def test_a_bucket_in_the_host_name_is_found(front: Front, s3: Any) -> None:
    s3.put_object(Bucket=front.bucket, Key="virtual", Body=b"host")
    for host in (f"{front.bucket}.localhost:{front.port}", f"{front.bucket}.s3.us-east-1.amazonaws.com"):
        root = front.keyring.root
        virtual = aws.session(root.access_key_id, root.secret_access_key).client(
            "s3",
            endpoint_url="http://" + host.partition(".")[2],
            config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
        )
        url = virtual.generate_presigned_url("get_object", Params={"Bucket": front.bucket, "Key": "virtual"})
        assert urlsplit(url).netloc == host
        head = f"GET {urlsplit(url).path}?{urlsplit(url).query} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        assert exchange(front.port, head.encode()).endswith(b"\r\n\r\nhost")


def test_creating_a_bucket_again_is_harmless_in_us_east_1_only(front: Front, s3: Any) -> None:
    s3.create_bucket(Bucket=front.bucket)
    europe = front.client(region="eu-west-1")
    configuration = {"LocationConstraint": "eu-west-1"}
    europe.create_bucket(Bucket="in-europe", CreateBucketConfiguration=configuration)
    with pytest.raises(ClientError) as error:
        europe.create_bucket(Bucket="in-europe", CreateBucketConfiguration=configuration)
    assert code_of(error) == "BucketAlreadyOwnedByYou"


def test_clients_who_create_one_bucket_at_once_all_have_created_it(front: Front) -> None:
    clients = [front.client() for _ in range(8)]
    with ThreadPoolExecutor(len(clients)) as pool:
        for number in range(3):
            together = Barrier(len(clients))

            def create(client: Any, name: str = f"at-once-{number}", together: Barrier = together) -> Any:
                together.wait()
                return client.create_bucket(Bucket=name)["Location"]

            assert list(pool.map(create, clients)) == [f"/at-once-{number}"] * len(clients)


def test_a_bucket_remembers_its_region_until_it_is_deleted(front: Front, s3: Any) -> None:
    asia = front.client(region="ap-northeast-1")
    asia.create_bucket(Bucket="moves", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"})
    assert s3.get_bucket_location(Bucket="moves")["LocationConstraint"] == "ap-northeast-1"
    assert s3.head_bucket(Bucket="moves")["BucketRegion"] == "ap-northeast-1"
    asia.delete_bucket(Bucket="moves")
    s3.create_bucket(Bucket="moves")
    assert s3.get_bucket_location(Bucket="moves").get("LocationConstraint") is None


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_an_agent_makes_the_bucket_of_its_ends_in_any_region(front: Front, region: str) -> None:
    root = front.keyring.root
    agent = S3(S3Access(front.url, root.access_key_id, root.secret_access_key, region))
    for key in ("one", "two"):
        agent.put(f"ends-{region}", key, b"content")
        assert agent.read(f"ends-{region}", key) == b"content"
    where = front.client(region=region).get_bucket_location(Bucket=f"ends-{region}").get("LocationConstraint")
    assert where == (None if region == "us-east-1" else region)


def test_a_region_s_endpoint_wants_its_own_location(front: Front, s3: Any) -> None:
    with pytest.raises(ClientError) as error:
        front.client(region="eu-west-1").create_bucket(Bucket="nowhere")
    assert code_of(error) == "IllegalLocationConstraintException"
    with pytest.raises(ClientError) as error:
        s3.get_bucket_location(Bucket="nowhere")
    assert code_of(error) == "NoSuchBucket"


def test_the_platform_s_own_bucket_is_nobody_s(front: Front, s3: Any) -> None:
    europe = front.client(region="eu-west-1")
    europe.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    internal = f"sagesmith-internal-{ACCOUNT}"
    assert internal not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    for attempt in (
        lambda: s3.list_objects_v2(Bucket=internal),
        lambda: s3.get_object(Bucket=internal, Key="regions/elsewhere"),
        lambda: s3.copy_object(Bucket=front.bucket, Key="x", CopySource=f"{internal}/regions/elsewhere"),
    ):
        with pytest.raises(ClientError) as error:
            attempt()
        assert code_of(error) == "AccessDenied"


def test_an_operation_that_the_store_has_not_changes_nothing(front: Front, s3: Any) -> None:
    s3.create_bucket(Bucket="kept")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket_website(Bucket="kept")
    assert code_of(error) == "NotImplemented"
    s3.head_bucket(Bucket="kept")
    with pytest.raises(ClientError) as error:
        s3.put_bucket_website(Bucket="never-made", WebsiteConfiguration={"IndexDocument": {"Suffix": "i"}})
    assert code_of(error) == "NotImplemented"
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket="never-made")


def test_a_page_is_listed_in_byte_order(front: Front, s3: Any) -> None:
    s3.create_bucket(Bucket="ordered")
    keys = ["o/a/b", "o/a-b", "o/a", "o/a.b", "o/a b", "o/é", "o/z"]
    for key in keys:
        s3.put_object(Bucket="ordered", Key=key, Body=b"1")
    wanted = sorted(keys, key=lambda key: key.encode())
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="ordered")["Contents"]] == wanted
    assert [entry["Key"] for entry in s3.list_objects(Bucket="ordered")["Contents"]] == wanted
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="ordered", PaginationConfig={"PageSize": 2})
    assert sorted(entry["Key"] for page in pages for entry in page["Contents"]) == sorted(keys)
    pages = s3.get_paginator("list_objects").paginate(Bucket="ordered", PaginationConfig={"PageSize": 2})
    assert sorted(entry["Key"] for page in pages for entry in page["Contents"]) == sorted(keys)


def test_a_request_waits_for_a_store_that_is_restarted_and_nothing_is_lost(front: Front, s3: Any) -> None:
    for number in range(20):
        s3.put_object(Bucket=front.bucket, Key=f"durable/{number}", Body=b"%d" % number)
    front.kill_store()
    restart = Thread(target=front.start_store)
    restart.start()
    try:
        for number in range(20):
            got = s3.get_object(Bucket=front.bucket, Key=f"durable/{number}")
            assert got["Body"].read() == b"%d" % number
    finally:
        restart.join()


def test_a_store_that_stays_away_is_a_reason_to_try_again_later(front: Front, s3: Any) -> None:
    front.kill_store()
    try:
        with pytest.raises(ClientError) as error:
            s3.put_object(Bucket=front.bucket, Key="later", Body=b"x")
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert code_of(error) == "ServiceUnavailable"
    finally:
        front.start_store()
        assert front.store_process is not None
        front.store.wait_ready(30, front.store_process.pid)


def test_every_change_leaves_a_line_in_the_log_and_no_secret(front: Front, s3: Any) -> None:
    s3.put_object(Bucket=front.bucket, Key="audited", Body=b"x")
    text = front.log.read_text()
    line = next(line for line in text.splitlines() if '"key":"audited"' in line)
    assert '"operation":"PutObject"' in line
    assert '"principal":"arn:aws:sts::123456789012:assumed-role/' in line
    assert front.keyring.root.secret_access_key not in text


def test_a_key_that_is_no_text_is_unknown(front: Front) -> None:
    url = f"{front.url}/{front.bucket}/key?AWSAccessKeyId=%C3%A9&Signature=x&Expires=99999999999"
    status, body = call("GET", url)
    assert status == 403
    assert b"<Code>InvalidAccessKeyId</Code>" in body
