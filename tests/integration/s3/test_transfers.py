"""Objects through the front door: what goes in comes out, and what is wrong stays out."""

import base64
import hashlib
import http.client
import io
import socket
import time
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from botocore.exceptions import ClientError

from sagesmith.wire import sigv4
from tests.integration.s3.conftest import Front, exchange


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def exists(s3: Any, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True


@pytest.mark.parametrize("key", ["plain", "a b/ü+1=&?#%.txt", "日本/x", "~tilde", "a%2Fb"])
def test_an_object_comes_back_under_any_name(front: Front, s3: Any, key: str) -> None:
    s3.put_object(Bucket=front.bucket, Key=key, Body=key.encode(), Metadata={"about": "names"})
    got = s3.get_object(Bucket=front.bucket, Key=key)
    assert got["Body"].read() == key.encode()
    assert got["Metadata"] == {"about": "names"}
    assert got["ContentType"] == "binary/octet-stream"
    assert key in [entry["Key"] for entry in s3.list_objects_v2(Bucket=front.bucket)["Contents"]]


def test_an_empty_object_is_an_object(front: Front, s3: Any) -> None:
    s3.put_object(Bucket=front.bucket, Key="empty")
    assert s3.get_object(Bucket=front.bucket, Key="empty")["Body"].read() == b""


def test_a_large_body_is_streamed_and_ranges_are_honoured(front: Front, s3: Any) -> None:
    body = bytes(range(256)) * 12_000
    s3.put_object(Bucket=front.bucket, Key="large", Body=body)
    assert s3.get_object(Bucket=front.bucket, Key="large")["Body"].read() == body
    part = s3.get_object(Bucket=front.bucket, Key="large", Range="bytes=1000000-1000009")
    assert part["Body"].read() == body[1_000_000:1_000_010]
    assert part["ContentRange"] == f"bytes 1000000-1000009/{len(body)}"
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=front.bucket, Key="large", Range="bytes=99999999-")
    assert code_of(error) == "InvalidRange"


def test_conditional_requests_are_passed_on(front: Front, s3: Any) -> None:
    etag = s3.put_object(Bucket=front.bucket, Key="conditional", Body=b"1")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=front.bucket, Key="conditional", IfNoneMatch=etag)
    assert code_of(error) == "304"
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=front.bucket, Key="conditional", Body=b"2", IfNoneMatch="*")
    assert code_of(error) == "PreconditionFailed"


def test_a_parallel_transfer_of_many_parts_arrives_whole(front: Front, s3: Any) -> None:
    body = b"".join(hashlib.sha256(b"%d" % number).digest() * 1024 for number in range(800))
    config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(body), front.bucket, "parts", Config=config)
    received = io.BytesIO()
    s3.download_fileobj(front.bucket, "parts", received, Config=config)
    assert hashlib.sha256(received.getvalue()).digest() == hashlib.sha256(body).digest()


def test_a_completed_upload_is_at_the_address_that_the_client_knows(front: Front, s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket=front.bucket, Key="one-part")["UploadId"]
    etag = s3.upload_part(Bucket=front.bucket, Key="one-part", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    done = s3.complete_multipart_upload(
        Bucket=front.bucket,
        Key="one-part",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]},
    )
    assert done["Location"] == f"{front.url}/{front.bucket}/one-part"


def test_a_copy_has_the_original_s_data_and_a_quoted_etag(front: Front, s3: Any) -> None:
    original = s3.put_object(Bucket=front.bucket, Key="original", Body=b"data")
    copy = s3.copy_object(Bucket=front.bucket, Key="copy", CopySource={"Bucket": front.bucket, "Key": "original"})
    assert copy["CopyObjectResult"]["ETag"] == original["ETag"]
    assert s3.get_object(Bucket=front.bucket, Key="copy")["Body"].read() == b"data"


def test_a_body_of_300_mb_passes_with_flat_memory(front: Front, s3: Any) -> None:
    size = 300 << 20
    process = psutil.Process(front.process.pid)
    before = process.memory_info().rss
    peak = before

    class Source(io.RawIOBase):
        """Zeros; looks at the front's memory while they are read."""

        left = size

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            nonlocal peak
            peak = max(peak, process.memory_info().rss)
            taken = min(len(buffer), self.left)
            buffer[:taken] = bytes(taken)
            self.left -= taken
            return taken

    url = front.client(signature_version="s3v4").generate_presigned_url(
        "put_object", Params={"Bucket": front.bucket, "Key": "flat"}
    )
    connection = http.client.HTTPConnection("127.0.0.1", front.port)
    target = url.removeprefix(front.url)
    connection.request("PUT", target, body=io.BufferedReader(Source(), 1 << 20), headers={"content-length": str(size)})
    assert connection.getresponse().status == 200
    body = s3.get_object(Bucket=front.bucket, Key="flat")["Body"]
    read = 0
    while piece := body.read(1 << 20):
        read += len(piece)
        peak = max(peak, process.memory_info().rss)
    assert read == size
    assert peak - before < 48 << 20


def sent_with_hash(front: Front, key: str, body: bytes, claimed: str, extra: dict[str, str]) -> bytes:
    """A PUT whose signature covers `claimed` as its body's hash."""
    url = f"{front.url}/{front.bucket}/{key}"
    request = AWSRequest("PUT", url, headers={"x-amz-content-sha256": claimed, **extra}, data=body)
    root = front.keyring.root
    signer = S3SigV4Auth(BotoCredentials(root.access_key_id, root.secret_access_key), "s3", "us-east-1")
    signer.payload = lambda _request: claimed  # type: ignore[method-assign]
    signer.add_auth(request)
    head = f"PUT {urlsplit(url).path} HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\nconnection: close\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items() if name.lower() != "host")
    if "content-length" not in {name.lower() for name in request.headers}:
        head += f"content-length: {len(body)}\r\n"
    return exchange(front.port, head.encode() + b"\r\n" + body)


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_body_with_another_hash_than_the_signed_one_is_not_stored(front: Front, s3: Any, size: int) -> None:
    answer = sent_with_hash(front, f"wrong-{size}", b"x" * size, "0" * 64, {})
    assert b"400 Bad Request" in answer
    assert b"<Code>XAmzContentSHA256Mismatch</Code>" in answer
    assert b"<S3ComputedContentSHA256>" + hashlib.sha256(b"x" * size).hexdigest().encode() in answer
    assert not exists(s3, front.bucket, f"wrong-{size}")


def trailing(front: Front, key: str, body: bytes, checksum: bytes, length: int | None = None) -> bytes:
    framed = b"".join(frames(body)) + b"0\r\nx-amz-checksum-crc32:" + checksum + b"\r\n\r\n"
    return sent_with_hash(
        front,
        key,
        framed,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        {
            "content-encoding": "aws-chunked",
            "x-amz-trailer": "x-amz-checksum-crc32",
            "x-amz-decoded-content-length": str(len(body) if length is None else length),
        },
    )


def frames(body: bytes, size: int = 65_536) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)


def crc32(body: bytes) -> bytes:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
def test_a_chunked_body_with_a_trailing_checksum_is_stored_without_its_framing(
    front: Front, s3: Any, size: int
) -> None:
    body = b"y" * size
    assert b"200 OK" in trailing(front, "trailing", body, crc32(body))
    got = s3.get_object(Bucket=front.bucket, Key="trailing")
    assert got["Body"].read() == body
    assert "ContentEncoding" not in got
    assert got["ChecksumCRC32"] == crc32(body).decode()


def test_a_wrong_trailing_checksum_is_refused_and_nothing_is_stored(front: Front, s3: Any) -> None:
    answer = trailing(front, "bad-trailer", b"y" * 200_000, b"AAAAAA==")
    assert b"<Code>BadDigest</Code><Message>The CRC32 you specified did not match" in answer
    assert not exists(s3, front.bucket, "bad-trailer")


def test_a_chunked_body_of_another_length_than_declared_is_refused(front: Front, s3: Any) -> None:
    answer = trailing(front, "short", b"y" * 1000, crc32(b"y" * 1000), length=2000)
    assert b"<Code>IncompleteBody</Code>" in answer
    assert not exists(s3, front.bucket, "short")


def signed_chunks(front: Front, key: str, body: bytes, tampered: bool) -> bytes:
    """An upload of the kind that the Java SDK and old clients make: every chunk signed."""
    root = front.keyring.root
    size = 65_536
    pieces = [body[start : start + size] for start in range(0, len(body), size)] + [b""]
    overhead = sum(len(b"%x;chunk-signature=" % len(piece)) + 64 + 4 + len(piece) for piece in pieces)
    headers = sigv4.sign(
        "PUT",
        f"/{front.bucket}/{key}".encode(),
        [
            (b"host", front.url.removeprefix("http://").encode()),
            (b"content-encoding", b"aws-chunked"),
            (b"x-amz-decoded-content-length", b"%d" % len(body)),
        ],
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        root.access_key_id,
        root.secret_access_key,
        "us-east-1",
        "s3",
        time.time(),
    )
    signature = sigv4.parse_signature(b"/", headers)
    assert signature is not None
    previous, framed = signature.signature, b""
    for piece in pieces:
        digest = hashlib.sha256(piece).hexdigest()
        previous = sigv4.chunk_signature(signature, root.secret_access_key, previous, digest)
        sent = b"z" + piece[1:] if tampered and piece else piece
        framed += b"%x;chunk-signature=%b\r\n%b\r\n" % (len(piece), previous.encode(), sent)
    assert len(framed) == overhead
    head = f"PUT /{front.bucket}/{key} HTTP/1.1\r\nconnection: close\r\ncontent-length: {len(framed)}\r\n".encode()
    head += b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return exchange(front.port, head + b"\r\n" + framed)


def test_a_body_of_signed_chunks_is_stored_when_every_signature_holds(front: Front, s3: Any) -> None:
    body = b"w" * 200_000
    answer = signed_chunks(front, "signed-chunks", body, tampered=False)
    assert b"200 OK" in answer
    assert s3.get_object(Bucket=front.bucket, Key="signed-chunks")["Body"].read() == body


def test_a_body_of_signed_chunks_is_refused_when_a_byte_was_changed(front: Front, s3: Any) -> None:
    answer = signed_chunks(front, "tampered-chunks", b"w" * 200_000, tampered=True)
    assert b"<Code>SignatureDoesNotMatch</Code>" in answer
    assert not exists(s3, front.bucket, "tampered-chunks")


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(front: Front, s3: Any) -> None:
    url = front.client(signature_version="s3v4").generate_presigned_url(
        "put_object", Params={"Bucket": front.bucket, "Key": "broken-off"}
    )
    parts = urlsplit(url)
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: 1000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", front.port)) as connection:
        connection.sendall(head.encode() + b"x" * 500_000)
    assert not exists(s3, front.bucket, "broken-off")


@pytest.mark.parametrize(
    ("checksum", "message"),
    [
        ({"ChecksumCRC32": "AAAAAA=="}, "The CRC32 you specified did not match the calculated checksum."),
        ({"ChecksumSHA256": "A" * 43 + "="}, "The SHA256 you specified did not match the calculated checksum."),
        ({"ContentMD5": "A" * 22 + "=="}, "The Content-MD5 you specified did not match what we received."),
    ],
)
def test_a_wrong_checksum_is_refused(front: Front, s3: Any, checksum: dict[str, str], message: str) -> None:
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=front.bucket, Key="checksum", Body=b"hello", **checksum)
    assert error.value.response["Error"]["Code"] == "BadDigest"
    assert error.value.response["Error"]["Message"] == message
    assert not exists(s3, front.bucket, "checksum")
