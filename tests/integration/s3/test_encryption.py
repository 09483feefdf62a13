"""Encryption by the store with keys of the platform's own KMS: a whole platform is needed for it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import Running

BUCKET = "encrypted-bucket"


@pytest.fixture
def s3(platform: Running) -> Any:
    client = platform.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def test_encryption_with_kms_and_no_key_uses_the_account_s_key_for_s3(platform: Running, s3: Any) -> None:
    put = s3.put_object(Bucket=BUCKET, Key="secret", Body=b"confidential", ServerSideEncryption="aws:kms")
    head = s3.head_object(Bucket=BUCKET, Key="secret")
    key = platform.client("kms").describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"]
    assert put["ServerSideEncryption"] == head["ServerSideEncryption"] == "aws:kms"
    assert put["SSEKMSKeyId"] == head["SSEKMSKeyId"] == key
    assert s3.get_object(Bucket=BUCKET, Key="secret")["Body"].read() == b"confidential"


def test_encryption_with_a_key_of_one_s_own_names_that_key(platform: Running, s3: Any) -> None:
    key = platform.client("kms").create_key()["KeyMetadata"]
    s3.put_object(Bucket=BUCKET, Key="own", Body=b"mine", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["KeyId"])
    got = s3.get_object(Bucket=BUCKET, Key="own")
    assert got["SSEKMSKeyId"] == key["Arn"]
    assert got["Body"].read() == b"mine"


def test_the_data_on_disk_are_not_the_plain_ones(platform: Running, s3: Any) -> None:
    marker = b"what-nobody-must-find-on-disk" * 10
    s3.put_object(Bucket=BUCKET, Key="marked", Body=marker, ServerSideEncryption="aws:kms")
    files = [path for path in (platform.data / "objects").rglob("*") if path.is_file()]
    assert files
    assert not any(marker in path.read_bytes() for path in files)


def test_an_encrypted_upload_in_parts_can_be_read_from_the_middle(s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", ServerSideEncryption="aws:kms")
    parts = []
    for number in (1, 2):
        body = bytes([number]) * (5 << 20)
        part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload["UploadId"], PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(
        Bucket=BUCKET, Key="parts", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    middle = s3.get_object(Bucket=BUCKET, Key="parts", Range=f"bytes={(5 << 20) - 1}-{5 << 20}")
    assert middle["Body"].read() == b"\x01\x02"


def test_encrypted_objects_are_read_after_a_restart(new_platform: Callable[..., Running]) -> None:
    first = new_platform()
    client = first.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="kept", Body=b"kept", ServerSideEncryption="aws:kms")
    assert first.cli("down").returncode == 0
    again = new_platform(data=first.data).client("s3")
    assert again.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"kept"
