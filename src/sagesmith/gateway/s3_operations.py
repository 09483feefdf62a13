"""S3's operations by name, as the API reference has them: what is passed to the store, and nothing else.

The store takes an operation that it does not know for the plain one: `PUT /bucket?website` creates the bucket, and
`DELETE /bucket?metrics` deletes it. So only what stands here reaches it.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

import re

from sagesmith.gateway.s3_address import Address
from sagesmith.gateway.s3_errors import S3Error, not_implemented

_MODIFIERS = re.compile(
    "bucket-region|continuation-token|delimiter|encoding-type|fetch-owner|key-marker|list-type|marker|max-buckets|"
    "max-keys|max-parts|max-uploads|part-number-marker|partNumber|prefix|response-[a-z-]+|start-after|upload-id-marker|"
    "version-id-marker|versionId|x-amz-[a-z0-9-]+|x-id"
)
"""Parameters that change what an operation does, not which it is."""

_SERVICE = {("GET", ""): "ListBuckets"}

_BUCKET = {
    ("GET", ""): "ListObjects",
    ("HEAD", ""): "HeadBucket",
    ("PUT", ""): "CreateBucket",
    ("DELETE", ""): "DeleteBucket",
    ("POST", "delete"): "DeleteObjects",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "object-lock"): "GetObjectLockConfiguration",
    ("PUT", "object-lock"): "PutObjectLockConfiguration",
    ("GET", "accelerate"): "GetBucketAccelerateConfiguration",
    ("GET", "logging"): "GetBucketLogging",
    ("GET", "notification"): "GetBucketNotificationConfiguration",
    ("GET", "policyStatus"): "GetBucketPolicyStatus",
    ("GET", "replication"): "GetBucketReplication",
    ("GET", "website"): "GetBucketWebsite",
    ("GET", "requestPayment"): "GetBucketRequestPayment",
    ("PUT", "requestPayment"): "PutBucketRequestPayment",
    ("GET", "versioning"): "GetBucketVersioning",
    ("PUT", "versioning"): "PutBucketVersioning",
    ("GET", "acl"): "GetBucketAcl",
    ("PUT", "acl"): "PutBucketAcl",
    ("GET", "cors"): "GetBucketCors",
    ("PUT", "cors"): "PutBucketCors",
    ("DELETE", "cors"): "DeleteBucketCors",
    ("GET", "encryption"): "GetBucketEncryption",
    ("PUT", "encryption"): "PutBucketEncryption",
    ("DELETE", "encryption"): "DeleteBucketEncryption",
    ("GET", "lifecycle"): "GetBucketLifecycleConfiguration",
    ("PUT", "lifecycle"): "PutBucketLifecycleConfiguration",
    ("DELETE", "lifecycle"): "DeleteBucketLifecycle",
    ("GET", "ownershipControls"): "GetBucketOwnershipControls",
    ("PUT", "ownershipControls"): "PutBucketOwnershipControls",
    ("DELETE", "ownershipControls"): "DeleteBucketOwnershipControls",
    ("GET", "policy"): "GetBucketPolicy",
    ("PUT", "policy"): "PutBucketPolicy",
    ("DELETE", "policy"): "DeleteBucketPolicy",
    ("GET", "tagging"): "GetBucketTagging",
    ("PUT", "tagging"): "PutBucketTagging",
    ("DELETE", "tagging"): "DeleteBucketTagging",
}

_OBJECT = {
    ("GET", ""): "GetObject",
    ("HEAD", ""): "HeadObject",
    ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("GET", "uploadId"): "ListParts",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "attributes"): "GetObjectAttributes",
    ("GET", "acl"): "GetObjectAcl",
    ("PUT", "acl"): "PutObjectAcl",
    ("GET", "legal-hold"): "GetObjectLegalHold",
    ("PUT", "legal-hold"): "PutObjectLegalHold",
    ("GET", "retention"): "GetObjectRetention",
    ("PUT", "retention"): "PutObjectRetention",
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("DELETE", "tagging"): "DeleteObjectTagging",
}


def operation_name(method: str, address: Address, copies: bool) -> str:
    """The operation of a request.

    Args:
        method: HTTP's.
        copies: the request has `x-amz-copy-source`.

    Raises:
        S3Error: S3 has none such, or it is not built.
    """
    table = _SERVICE if not address.bucket else _BUCKET if address.key is None else _OBJECT
    selecting = sorted(name for name in address.subresource if not _MODIFIERS.fullmatch(name))
    if len(selecting) > 1 or (selecting and (method, selecting[0]) not in table):
        raise not_implemented(f"{method} with the query parameter {' and '.join(selecting)}")
    name = table.get((method, selecting[0] if selecting else ""))
    if name is None:
        message = "The specified method is not allowed against this resource."
        raise S3Error("MethodNotAllowed", message, 405, {"Method": method})
    if name == "ListObjects" and address.parameter("list-type") == "2":
        return "ListObjectsV2"
    if copies:
        return {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(name, name)
    return name
