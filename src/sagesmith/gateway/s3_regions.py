"""Which region a bucket was created in. The store knows no regions, so they are objects in a bucket of the platform's.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from sagesmith.gateway.s3_answers import to_error, whole
from sagesmith.gateway.s3_errors import S3Error
from sagesmith.http.messages import Response

DEFAULT_REGION = "us-east-1"
_CONSTRAINT = re.compile(rb"<LocationConstraint[^>]*>\s*([^<]*?)\s*</LocationConstraint>")
_REGION = re.compile(r"EU|[a-z]{2,3}(?:-[a-z]+)+-\d+")

Ask = Callable[..., Awaitable[Response]]
"""`ask(method, path, body)`: a request of the platform's own to the store."""


class BucketRegions:
    """Buckets outside us-east-1 have a record, the others none.

    Args:
        bucket: the platform's own bucket; it is made when the first record is.
    """

    def __init__(self, bucket: str, ask: Ask) -> None:
        self._bucket = bucket
        self._ask = ask

    async def find(self, bucket: str) -> str:
        """The region of a bucket that exists."""
        response = await self._ask("GET", self._path(bucket))
        if response.status == 404:
            await whole(response, 1 << 16)
            return DEFAULT_REGION
        if response.status != 200:
            raise await to_error(response, [])
        return (await whole(response, 1024)).decode()

    async def record(self, bucket: str, region: str) -> None:
        """Set the region of a bucket that is about to be created."""
        if region == DEFAULT_REGION:
            await self.forget(bucket)
            return
        response = await self._ask("PUT", self._path(bucket), region.encode())
        if response.status == 404:
            await self._ask("PUT", f"/{self._bucket}")
            response = await self._ask("PUT", self._path(bucket), region.encode())
        if response.status >= 400:
            raise await to_error(response, [])

    async def forget(self, bucket: str) -> None:
        """Drop the record of a bucket, if there is one."""
        response = await self._ask("DELETE", self._path(bucket))
        await whole(response, 1 << 16)

    def _path(self, bucket: str) -> str:
        return f"/{self._bucket}/regions/{quote(bucket, safe='')}"


def region_of_new_bucket(endpoint_region: str, configuration: bytes) -> str:
    """The region that a CreateBucket request asks for.

    Args:
        endpoint_region: of the signature's scope.
        configuration: the request's body, may be empty.

    Raises:
        S3Error: the region's endpoint does not create buckets there.
    """
    matched = _CONSTRAINT.search(configuration)
    if configuration.strip() and b"CreateBucketConfiguration" not in configuration:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise S3Error("MalformedXML", message, 400)
    constraint = matched[1].decode("utf-8", "replace") if matched else ""
    if constraint and (constraint == DEFAULT_REGION or not _REGION.fullmatch(constraint)):
        message = "The specified location-constraint is not valid"
        raise S3Error("InvalidLocationConstraint", message, 400, {"LocationConstraint": constraint})
    wanted = "eu-west-1" if constraint == "EU" else constraint or DEFAULT_REGION
    if endpoint_region not in {DEFAULT_REGION, wanted}:
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {constraint or 'unspecified'} location constraint is incompatible for the region specific endpoint "
            "this request was sent to.",
            400,
        )
    return wanted
