"""Presigned URLs of objects, by which somebody without credentials reads them for a while.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import re
from urllib.parse import quote

from sagesmith.credentials import Credentials
from sagesmith.services.base import Home
from sagesmith.wire.context import RequestContext

EXPIRES_SECONDS = 900
"""As AuthorizedUrl documents it: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AuthorizedUrl.html"""

_OBJECT = re.compile(r"s3://([^/\s]+)/(.*[^/])", re.DOTALL)


def object_of(uri: str) -> tuple[str, str] | None:
    """Bucket and key of `s3://bucket/key`, None if it names no object."""
    found = _OBJECT.fullmatch(uri)
    return (found[1], found[2]) if found else None


def presigned_url(home: Home, context: RequestContext, bucket: str, key: str, credentials: Credentials) -> str:
    """The URL by which an object is read for `EXPIRES_SECONDS`, whether it is there or not.

    It leads to where the caller of the request reached the platform.
    """
    # Takes a while to load, and the API needs nothing else of it.
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as SigningKey

    signer = S3SigV4QueryAuth(
        SigningKey(credentials.access_key_id, credentials.secret_access_key, credentials.session_token),
        "s3",
        context.region,
        expires=EXPIRES_SECONDS,
    )
    request = AWSRequest("GET", f"{context.origin or home.platform.url}/{bucket}/{quote(key)}")
    signer.add_auth(request)
    return str(request.url)
