"""The S3 part of the front door: verifies who asks, signs anew with the platform's key, streams both ways.

S3 is passed on, not parsed. What stands here is what a client can tell from AWS: signatures and checksums inside
bodies, the owner of a bucket, encryption without a key, the region of a bucket, the order of a listing.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes
from xml.sax.saxutils import escape

from sagesmith import logging
from sagesmith.config import Platform, StoreKms
from sagesmith.credentials import KeyRing
from sagesmith.gateway import s3_answers as answers
from sagesmith.gateway import s3_errors as errors
from sagesmith.gateway.s3_address import Address, parse_address
from sagesmith.gateway.s3_auth import Caller, authenticate
from sagesmith.gateway.s3_errors import S3Error
from sagesmith.gateway.s3_jumpstart import READS, JumpStartBuckets
from sagesmith.gateway.s3_operations import operation_name
from sagesmith.gateway.s3_regions import DEFAULT_REGION, BucketRegions, region_of_new_bucket
from sagesmith.gateway.s3_upload import Upload, open_upload
from sagesmith.http.client import BadAnswer, Client, ConnectFailed, TimedOut
from sagesmith.http.messages import Disconnected, Headers, Request, Response
from sagesmith.jumpstart import region_of as region_of_jumpstart
from sagesmith.wire import sigv4

log = logging.get("s3")

STORE_PATIENCE_SECONDS = 10.0
"""How long a request waits for a store that is being restarted: for some 5 s after it answers again, it may not have
found its own volumes, and says so by status 500."""

ANSWER_SECONDS = 300.0
"""How long the store may take to answer: putting 5 GB together, or copying them, takes it a while."""

_RETRY_SECONDS = 0.05
_AWAY_STATUSES = frozenset({500, 503})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_NOT_FORWARDED = frozenset(
    {
        b"host",
        b"authorization",
        b"x-amz-date",
        b"x-amz-content-sha256",
        b"x-amz-security-token",
        b"x-amz-expected-bucket-owner",
        b"x-amz-source-expected-bucket-owner",
        b"x-amz-decoded-content-length",
        b"content-length",
        b"expect",
        b"connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"accept-encoding",
        b"user-agent",
        b"amz-sdk-invocation-id",
        b"amz-sdk-request",
        b"x-amz-user-agent",
        b"proxy-connection",
        b"proxy-authorization",
    }
)
_SSE = b"x-amz-server-side-encryption"
_SSE_KEY = b"x-amz-server-side-encryption-aws-kms-key-id"
_UPLOADS = frozenset({"PutObject", "UploadPart"})
_ENCRYPTING = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


@dataclass(slots=True)
class Call:
    """One verified request on its way to the store."""

    operation: str
    request: Request
    request_id: str
    address: Address
    caller: Caller
    upload: Upload
    headers: Headers


class S3Front:
    """Answers S3 requests. One per process and event loop.

    Args:
        platform: where the store is, and whose account this is.
        keyring: the keys of clients.
        client: connections to the store; by default its own.
    """

    def __init__(self, platform: Platform, keyring: KeyRing, client: Client | None = None) -> None:
        self._platform = platform
        self._keyring = keyring
        self._client = client or Client(
            platform.s3_endpoint, answer_seconds=ANSWER_SECONDS, ca_file=platform.dir.tls / "bundle.pem"
        )
        self._host = _authority(platform.s3_endpoint)
        self._internal_bucket = f"sagesmith-internal-{platform.account_id}"
        self._regions = BucketRegions(self._internal_bucket, self._ask)
        self._jumpstart = JumpStartBuckets(self._ask, self._regions.record)
        self._special: dict[str, Callable[[Call], Awaitable[Response]]] = {
            "CreateBucket": self._create_bucket,
            "DeleteBucket": self._delete_bucket,
            "HeadBucket": self._head_bucket,
            "GetBucketLocation": self._get_bucket_location,
            "ListBuckets": self._list_buckets,
            "ListObjects": self._list_objects,
            "ListObjectsV2": self._list_objects,
            "CompleteMultipartUpload": self._complete_multipart_upload,
            "CopyObject": self._copy,
            "UploadPartCopy": self._copy,
        }

    def close(self) -> None:
        """Close the connections to the store."""
        self._client.close()

    async def handle(self, request: Request, request_id: str) -> Response:
        """Answer one request, signed or not. What is wrong becomes S3's error. What changes something, or tries to, and
        what fails leaves a line in the log.

        Raises:
            Disconnected: the client went away.
        """
        address = parse_address(request)
        started = time.monotonic()
        call: Call | None = None
        code = ""
        try:
            call = self._admit(request, request_id, address)
            await self._jumpstart.fill(address.bucket)
            response = await self._special.get(call.operation, self._pass_on)(call)
        except Disconnected:
            raise
        except Exception as error:
            if not isinstance(error, S3Error):
                log.exception("an S3 request failed", request_id=request_id)
                error = S3Error("InternalError", "We encountered an internal error. Please try again.", 500)
            code = error.code
            response = errors.error_response(error, request.method, request_id, address.path)
        if code or request.method not in {"GET", "HEAD"}:
            log.info(
                "request",
                request_id=request_id,
                operation=call.operation if call else None,
                method=request.method,
                bucket=address.bucket,
                key=None if address.key is None else address.key.decode("utf-8", "replace"),
                principal=call.caller.principal.arn if call else None,
                job=call.caller.principal.job_arn if call else None,
                source_ip=request.peer,
                status=response.status,
                error=code or None,
                milliseconds=round((time.monotonic() - started) * 1000, 1),
            )
        return response

    def _admit(self, request: Request, request_id: str, address: Address) -> Call:
        """Everything that can refuse a request before the store hears of it."""
        if request.method == "POST" and (request.header(b"content-type") or b"").startswith(b"multipart/form-data"):
            raise errors.not_implemented("POST of an HTML form (PostObject)")
        caller = authenticate(request, address, self._keyring, self._platform.region)
        copy_source = request.header(b"x-amz-copy-source")
        operation = operation_name(request.method, address, copy_source is not None)
        self._check_owner(request)
        # The store decodes the whole of it, slashes too.
        source_bucket = unquote_to_bytes(copy_source or b"").lstrip(b"/").partition(b"/")[0].decode("latin-1")
        if self._internal_bucket in {address.bucket, source_bucket}:
            raise errors.access_denied()
        if region_of_jumpstart(address.bucket) is not None and operation not in READS:
            raise errors.access_denied()
        if address.key is not None and len(address.key) > 1024:
            members = {"Size": str(len(address.key)), "MaxSizeAllowed": "1024"}
            raise S3Error("KeyTooLongError", "Your key is too long", 400, members)
        headers = [item for item in request.headers if item[0] not in _NOT_FORWARDED]
        upload = open_upload(request, caller, operation in _UPLOADS)
        if operation in _ENCRYPTING:
            _adapt_encryption(headers, self._platform.s3_kms)
        if operation in {"PutObject", "CreateMultipartUpload"} and request.header(b"content-type") is None:
            headers.append((b"content-type", b"binary/octet-stream"))
        return Call(operation, request, request_id, address, caller, upload, upload.adapt(headers))

    def _check_owner(self, request: Request) -> None:
        for name in (b"x-amz-expected-bucket-owner", b"x-amz-source-expected-bucket-owner"):
            owner = request.header(name)
            if owner is not None and owner != self._platform.account_id.encode():
                raise errors.access_denied()

    async def _pass_on(self, call: Call) -> Response:
        """Send the request to the store and its answer to the client, both as they come."""
        body = await call.upload.open()
        response = await self._send(call.request.method, call.address.target, call.headers, call.upload.payload, body)
        if response.status >= 400 and call.request.method != "HEAD":
            raise await answers.to_error(response, call.headers)
        response.headers = answers.clean_headers(response.headers, call.request_id)
        return response

    async def _ask(self, method: str, path: str, body: bytes = b"") -> Response:
        """A request of our own."""
        return await self._send(method, path.encode(), [], sigv4.UNSIGNED_PAYLOAD, body)

    async def _send(
        self, method: str, target: bytes, headers: Headers, payload: str, body: bytes | AsyncIterator[bytes]
    ) -> Response:
        """Sign and send; wait a moment for a store that is away, as long as it has seen nothing of the body.

        Raises:
            S3Error: the store does not answer, or the client's body is wrong.
            Disconnected: the client went away.
        """
        deadline = time.monotonic() + STORE_PATIENCE_SECONDS
        watched = body if isinstance(body, bytes) else _Watched(body)
        length = [item for item in headers if item[0] == b"content-length"]
        unsigned = [(b"host", self._host), *(item for item in headers if item[0] != b"content-length")]
        while True:
            signed = sigv4.sign(
                method,
                target,
                unsigned,
                payload,
                self._platform.s3_access_key_id,
                self._platform.s3_secret_access_key,
                self._platform.region,
                "s3",
                time.time(),
            )
            try:
                response = await self._client.request(method, target, signed + length, watched)
            except (ConnectFailed, Disconnected, TimedOut, BadAnswer) as error:
                if isinstance(watched, _Watched) and watched.failure is not None:
                    raise watched.failure from None
                again = isinstance(error, ConnectFailed) or method in _REPEATABLE
                if _begun(watched) or not again or isinstance(error, TimedOut) or time.monotonic() > deadline:
                    log.warning("the object store does not answer", reason=repr(error))
                    raise errors.unavailable() from error
            else:
                again = response.status in _AWAY_STATUSES and method in _REPEATABLE and not _begun(watched)
                if not again or time.monotonic() > deadline:
                    return response
                if response.close is not None:
                    response.close()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _create_bucket(self, call: Call) -> Response:
        """Record the region first: who gets no answer asks again, and then finds bucket and record."""
        name = call.address.bucket
        if not _BUCKET_NAME.fullmatch(name) or ".." in name or _IP_ADDRESS.fullmatch(name):
            raise S3Error("InvalidBucketName", "The specified bucket is not valid.", 400, {"BucketName": name})
        configuration = await call.upload.whole()
        region = region_of_new_bucket(call.caller.region, configuration)
        if await self._exists(name):
            return await self._created_before(call, region)
        await self._regions.record(name, region)
        response = await self._send("PUT", call.address.target, call.headers, sigv4.UNSIGNED_PAYLOAD, configuration)
        if response.status >= 400:
            refusal = await answers.to_error(response, call.headers)
            # The store tells the owner that it exists if another request of theirs was quicker since.
            if response.status == 409 and await self._exists(name):
                return await self._created_before(call, region)
            raise refusal
        return self._created(call)

    async def _exists(self, bucket: str) -> bool:
        return (await self._ask("HEAD", f"/{bucket}")).status == 200

    async def _created_before(self, call: Call, region: str) -> Response:
        """The answer to an owner who creates a bucket again: in us-east-1, and there alone, all is well.

        Raises:
            S3Error: it is elsewhere.
        """
        name = call.address.bucket
        if region == call.caller.region == DEFAULT_REGION == await self._regions.find(name):
            return self._created(call)
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise S3Error("BucketAlreadyOwnedByYou", message, 409, {"BucketName": name})

    def _created(self, call: Call) -> Response:
        return Response(
            200, [(b"location", f"/{call.address.bucket}".encode()), *errors.request_headers(call.request_id)]
        )

    async def _delete_bucket(self, call: Call) -> Response:
        response = await self._pass_on(call)
        await self._regions.forget(call.address.bucket)
        return response

    async def _head_bucket(self, call: Call) -> Response:
        response = await self._pass_on(call)
        if response.status == 200:
            region = await self._regions.find(call.address.bucket)
            response.headers += [(b"x-amz-bucket-region", region.encode()), (b"x-amz-access-point-alias", b"false")]
        return response

    async def _get_bucket_location(self, call: Call) -> Response:
        response = await self._ask("HEAD", f"/{call.address.bucket}")
        if response.status != 200:
            message = "The specified bucket does not exist"
            raise S3Error("NoSuchBucket", message, 404, {"BucketName": call.address.bucket})
        region = await self._regions.find(call.address.bucket)
        constraint = "" if region == DEFAULT_REGION else escape(region)
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{constraint}</LocationConstraint>'
        )
        headers = [(b"content-type", b"application/xml"), *errors.request_headers(call.request_id)]
        return Response(200, headers, body.encode())

    async def _list_buckets(self, call: Call) -> Response:
        def own(name: str) -> bool:
            return name != self._internal_bucket and region_of_jumpstart(name) is None

        return await self._rewritten(call, lambda body: answers.with_buckets(body, own))

    async def _list_objects(self, call: Call) -> Response:
        def ordered(listing: bytes) -> bytes:
            # A client that pages without a token goes on from the last key that it saw, in the store's order.
            if call.operation == "ListObjects" and answers.is_truncated(listing):
                return listing
            return answers.in_byte_order(listing)

        return await self._rewritten(call, ordered)

    async def _complete_multipart_upload(self, call: Call) -> Response:
        host = (call.request.host or (call.request.header(b"host") or b"").decode("latin-1")) or "s3.amazonaws.com"
        return await self._rewritten(call, lambda body: answers.with_location(body, f"{call.request.scheme}://{host}"))

    async def _copy(self, call: Call) -> Response:
        return await self._rewritten(call, answers.with_quoted_etag)

    async def _rewritten(self, call: Call, change: Callable[[bytes], bytes]) -> Response:
        response = await self._pass_on(call)
        response.body = change(await answers.whole(response, answers.MAX_LISTING_SIZE))
        response.headers = [item for item in response.headers if item[0] != b"content-length"]
        response.close = None
        return response


class _Watched:
    """A body that remembers whether it was begun and what it raised: the store's failures are not the client's."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.begun = False
        self.failure: BaseException | None = None

    def __aiter__(self) -> "_Watched":
        return self

    async def __anext__(self) -> bytes:
        self.begun = True
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.failure = error
            raise


def _authority(endpoint: str) -> bytes:
    """An endpoint's Host header: clients leave a scheme's own port out (RFC 9110, section 4.2.3), and proxies may."""
    scheme, _, authority = endpoint.partition("://")
    return authority.removesuffix({"http": ":80", "https": ":443"}[scheme]).encode()


def _begun(body: "bytes | _Watched") -> bool:
    return isinstance(body, _Watched) and body.begun


def _adapt_encryption(headers: Headers, kms: StoreKms) -> None:
    """`aws:kms` without a key means the account's own key for S3. The embedded store wants it named; another S3 with a
    KMS knows its own; one without stores the object as it stores all.

    Raises:
        S3Error: an encryption that S3 has not, or that the store has not.
    """
    values = {name: value for name, value in headers if name in {_SSE, _SSE_KEY}}
    algorithm = values.get(_SSE)
    if algorithm == b"aws:kms:dsse":
        raise errors.not_implemented("Dual-layer server-side encryption (aws:kms:dsse)")
    if algorithm not in {None, b"AES256", b"aws:kms"}:
        message = "The encryption method specified is not supported"
        raise errors.invalid_argument(message, "x-amz-server-side-encryption", (algorithm or b"").decode("latin-1"))
    if algorithm != b"aws:kms" or kms == "store":
        return
    if kms == "none":
        if values.get(_SSE_KEY):
            raise errors.not_implemented("Encryption with a KMS key in an object store without a KMS")
        headers[:] = [item for item in headers if item[0] not in {_SSE, _SSE_KEY}]
    elif not values.get(_SSE_KEY):
        headers[:] = [item for item in headers if item[0] != _SSE_KEY]
        headers.append((_SSE_KEY, b"alias/aws/s3"))
