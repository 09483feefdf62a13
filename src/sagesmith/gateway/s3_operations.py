"""Names of S3's operations, as the API reference has them: for the audit log, and to find what is special about one.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from sagesmith.gateway.s3_address import Address

_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}

_BUCKET = {
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "object-lock"): "GetObjectLockConfiguration",
    ("PUT", "object-lock"): "PutObjectLockConfiguration",
    ("GET", "publicAccessBlock"): "GetPublicAccessBlock",
    ("PUT", "publicAccessBlock"): "PutPublicAccessBlock",
    ("DELETE", "publicAccessBlock"): "DeletePublicAccessBlock",
    ("POST", "delete"): "DeleteObjects",
}
_BUCKET_NOUNS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "Acl",
    "analytics": "AnalyticsConfiguration",
    "cors": "Cors",
    "encryption": "Encryption",
    "intelligent-tiering": "IntelligentTieringConfiguration",
    "inventory": "InventoryConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "logging": "Logging",
    "metrics": "MetricsConfiguration",
    "notification": "NotificationConfiguration",
    "ownershipControls": "OwnershipControls",
    "policy": "Policy",
    "policyStatus": "PolicyStatus",
    "replication": "Replication",
    "requestPayment": "RequestPayment",
    "tagging": "Tagging",
    "versioning": "Versioning",
    "website": "Website",
}
_BUCKET_PLAIN = {"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}

_OBJECT = {
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
    ("POST", "restore"): "RestoreObject",
    ("POST", "select"): "SelectObjectContent",
    ("GET", "attributes"): "GetObjectAttributes",
}
_OBJECT_NOUNS = {
    "acl": "Acl",
    "legal-hold": "LegalHold",
    "retention": "Retention",
    "tagging": "Tagging",
    "torrent": "Torrent",
}
_OBJECT_PLAIN = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


def operation_name(method: str, address: Address, copies: bool) -> str:
    """The operation of a request, empty if S3 has none such.

    Args:
        method: HTTP's.
        copies: the request has `x-amz-copy-source`.
    """
    if not address.bucket:
        return "ListBuckets" if method == "GET" else ""
    if address.key is None:
        name = _find(method, address, _BUCKET, _BUCKET_NOUNS, "Bucket") or _BUCKET_PLAIN.get(method, "")
        if not name and method == "GET":
            return "ListObjectsV2" if address.parameter("list-type") == "2" else "ListObjects"
        return name
    name = _find(method, address, _OBJECT, _OBJECT_NOUNS, "Object") or _OBJECT_PLAIN.get(method, "")
    if copies:
        return {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(name, name)
    return name


def _find(
    method: str, address: Address, exact: dict[tuple[str, str], str], nouns: dict[str, str], resource: str
) -> str:
    for parameter in address.subresource:
        if (method, parameter) in exact:
            return exact[method, parameter]
        if parameter in nouns and method in _VERBS:
            return f"{_VERBS[method]}{resource}{nouns[parameter]}"
    return ""
